//! `certs show`: what any certificate, key or bundle says of itself.

use std::path::Path;

use insta::assert_snapshot;
use mcp_mtls_testkit::Pki;

use super::{certs, made};
use crate::run::stable;

#[test]
fn show_tells_a_pair_what_belongs_together() {
    let dir = made();
    let shown = certs(dir.path(), &["show", "certs/alice.pem", "certs/alice.key", "certs/ca.key"]).succeeded();
    assert!(!shown.contains("PRIVATE KEY"));
    assert_snapshot!(stable(&shown), @r"
    certs/alice.pem: a certificate

      CN=alice
        issuer      CN=mcp-mtls development CA [random]
        valid from  [date] (5 minutes ago)
        until       [date] (in 90 days)
        usage       clientAuth, digitalSignature
        key         ECDSA P-256
        signature   ECDSA with SHA-256
        serial      [serial]
        SHA-256     [sha256]
        public key  [sha256]
        pin         [pin]
        private key in certs/alice.key

    certs/alice.key: a private key

      A private key, ECDSA P-256
        public key  [sha256]
        belongs to  CN=alice in certs/alice.pem

    certs/ca.key: a private key

      A private key, ECDSA P-256
        public key  [sha256]
        belongs to  none of these certificates
    ");
}

/// What a name of a file could do to a terminal, and a file without an end to the memory.
#[cfg(unix)]
#[test]
fn show_is_safe_from_names_and_from_files_without_an_end() {
    let dir = made();
    let name = "certs/\u{1b}[2J\u{202e}.pem";
    std::fs::copy(dir.path().join("certs/alice.pem"), dir.path().join(name)).unwrap();
    let shown = certs(dir.path(), &["show", name]).succeeded();
    assert!(shown.starts_with("certs/ [2J .pem: a certificate"), "{shown}");
    let refused = certs(dir.path(), &["show", "/dev/zero"]).failed(1);
    assert!(refused.contains("It is neither a file nor a pipe."), "{refused}");
}

#[test]
fn show_tells_a_chain_and_a_bundle() {
    let dir = made();
    let read = |name: &str| std::fs::read_to_string(dir.path().join("certs").join(name)).unwrap();
    let all = [read("mcp.example.key"), read("mcp.example.pem"), read("ca.pem")].concat();
    std::fs::write(dir.path().join("all.pem"), all).unwrap();
    assert_snapshot!(stable(&certs(dir.path(), &["show", "all.pem"]).succeeded()), @r"
    all.pem: 2 certificates and a private key

      CN=mcp.example
        issuer      CN=mcp-mtls development CA [random]
        names       mcp.example, 127.0.0.1
        valid from  [date] (5 minutes ago)
        until       [date] (in 90 days)
        usage       serverAuth, digitalSignature
        key         ECDSA P-256
        signature   ECDSA with SHA-256
        serial      [serial]
        SHA-256     [sha256]
        public key  [sha256]
        pin         [pin]
        private key in all.pem

      CN=mcp-mtls development CA [random]
        issuer      itself
        valid from  [date] (5 minutes ago)
        until       [date] (in 365 days)
        usage       CA, keyCertSign, cRLSign
        key         ECDSA P-256
        signature   ECDSA with SHA-256
        serial      [serial]
        SHA-256     [sha256]
        public key  [sha256]
        pin         [pin]
        private key in none of these files

      A private key, ECDSA P-256
        public key  [sha256]
        belongs to  CN=mcp.example in all.pem
    ");
}

#[test]
fn show_tells_what_is_wrong_with_a_certificate_and_a_key() {
    let dir = made();
    let pki = Pki::new();
    let expired = pki.expired_client();
    std::fs::write(dir.path().join("carol.pem"), &expired.cert_pem).unwrap();
    let shown = certs(dir.path(), &["show", "carol.pem", "certs/alice.key"]).succeeded();
    assert_snapshot!(stable(&shown), @r"
    carol.pem: a certificate

      O=Testkit, CN=expired
        issuer      O=Testkit, CN=Testkit Client CA
        valid from  [date] (30 days ago)
        until       [date] (24 hours ago): expired
        usage       clientAuth, digitalSignature
        key         ECDSA P-256
        signature   ECDSA with SHA-256
        serial      [serial]
        SHA-256     [sha256]
        public key  [sha256]
        pin         [pin]
        private key in none of these files

    certs/alice.key: a private key

      A private key, ECDSA P-256
        public key  [sha256]
        belongs to  none of these certificates
    ");
}

#[test]
fn show_names_other_things_for_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, label: &str| {
        std::fs::write(dir.path().join(name), format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n"))
            .unwrap();
    };
    put("wish.csr", "CERTIFICATE REQUEST");
    put("half.pub", "PUBLIC KEY");
    assert_snapshot!(certs(dir.path(), &["show", "wish.csr", "half.pub"]).succeeded(), @r"
    wish.csr: a certificate request (CSR)

    half.pub: a public key
    ");
}

#[test]
fn show_tells_how_a_key_is_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Pki::new().client("alice");
    std::fs::write(dir.path().join("locked.key"), alice.key_encrypted_pem("hunter2", 600_000)).unwrap();
    let old = "Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0011223344556677\n\nAAAAAAAAAAA=";
    let old = format!("{}-----BEGIN EC PRIVATE KEY-----\n{old}\n-----END EC PRIVATE KEY-----\n", alice.cert_pem);
    std::fs::write(dir.path().join("old.pem"), old).unwrap();
    assert_snapshot!(certs(dir.path(), &["show", "locked.key"]).succeeded(), @r"
    locked.key: an encrypted private key

      An encrypted private key
        encryption  PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-256-CBC
                    Nothing more can be told without its passphrase: --passphrase
                    REFERENCE.
    ");
    let shown = certs(dir.path(), &["show", "old.pem"]).succeeded();
    assert!(shown.starts_with("old.pem: a certificate and an encrypted private key\n"), "{shown}");
    assert!(shown.contains("encryption  3DES-CBC, in OpenSSL's old form\n"), "{shown}");
    let shown = certs(dir.path(), &["show", "--json", "locked.key"]).succeeded();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let encryption = "PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-256-CBC";
    assert_eq!(shown["files"][0]["encryptedKeys"], serde_json::json!([{ "encryption": encryption }]));
}

#[test]
fn show_tells_what_is_in_pkcs_12_or_how_it_is_encrypted() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/pkcs12");
    let shown = certs(&fixtures, &["show", "openssl-plain.p12"]).succeeded();
    assert!(shown.starts_with("openssl-plain.p12: 2 certificates and a private key\n"), "{shown}");
    assert!(shown.contains("belongs to  CN=p256 in openssl-plain.p12"), "{shown}");
    let shown = certs(&fixtures, &["show", "openssl-empty.p12"]).succeeded();
    assert!(shown.starts_with("openssl-empty.p12: a certificate and a private key\n"), "{shown}");
    assert_snapshot!(certs(&fixtures, &["show", "openssl-legacy.p12"]).succeeded(), @"
    openssl-legacy.p12: a PKCS#12 file

      A PKCS#12 file
        encryption  PBE-SHA1-RC2-40 (2048 rounds), PBE-SHA1-3DES (2048 rounds), a
                    MAC of HMAC-SHA-1 (2048 rounds)
                    Nothing more can be told without its passphrase: --passphrase
                    REFERENCE.
    ");
    let shown = certs(&fixtures, &["show", "--json", "openssl-3des.p12"]).succeeded();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let encryption = "PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds)";
    assert_eq!(shown["files"][0]["pkcs12"], serde_json::json!({ "encryption": encryption }));
}

#[test]
fn show_opens_what_a_passphrase_opens() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Pki::new().client("alice");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/pkcs12");
    std::fs::copy(fixtures.join("openssl-3des.p12"), dir.path().join("me.p12")).unwrap();
    std::fs::copy(fixtures.join("openssl-plain.p12"), dir.path().join("plain.p12")).unwrap();
    std::fs::write(dir.path().join("locked.key"), alice.key_encrypted_pem("hunter2", 1_000)).unwrap();
    std::fs::write(dir.path().join("alice.pem"), &alice.cert_pem).unwrap();
    let secret = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        format!("{{file:{}}}", path.display())
    };
    let (right, wrong) = (secret("right", "hunter2\n"), secret("wrong", "swordfish"));
    let files = ["show", "me.p12", "plain.p12", "locked.key", "alice.pem", "--passphrase"];
    let shown = certs(dir.path(), &[&files[..], &[&right]].concat()).succeeded();
    assert!(shown.contains("me.p12: ") && shown.contains("belongs to  CN=p256 in me.p12"), "{shown}");
    assert!(shown.contains("locked.key: a private key\n") && shown.contains("private key in locked.key"), "{shown}");
    assert!(!shown.contains("encryption"), "{shown}");
    for file in ["me.p12", "locked.key"] {
        let refused = certs(dir.path(), &["show", file, "--passphrase", &wrong]).failed(1);
        assert!(refused.contains("passphrase-wrong") && refused.contains(file), "{refused}");
        assert!(refused.contains("--passphrase on the command line") && !refused.contains("swordfish"), "{refused}");
    }
    let refused = certs(dir.path(), &["show", "me.p12", "--passphrase", "hunter2"]).failed(2);
    assert!(refused.contains("secret-in-arguments") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn show_refuses_what_it_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "no certificate here").unwrap();
    assert_snapshot!(certs(dir.path(), &["show", "notes.txt"]).failed(1), @r"
    error: The file holds no certificate and no key
    where: notes.txt
      why: It is neither PEM (there is no `-----BEGIN` line), nor a certificate, key
           or revocation list in DER, nor PKCS#12.
     code: material-invalid (mcp-mtls explain material-invalid)
    ");
    assert_snapshot!(certs(dir.path(), &["show", "nothing.pem"]).failed(1), @r"
    error: The file cannot be read
    where: nothing.pem
      why: There is no such file.
      fix: Check the path.
     code: file-unreadable (mcp-mtls explain file-unreadable)
    ");
}

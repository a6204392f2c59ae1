//! `certs` makes certificates that verify, and shows any certificate or key.
#![expect(clippy::unwrap_used, reason = "a helper of tests panics as a test does")]

use std::io;
use std::path::Path;
use std::sync::Arc;

use insta::assert_snapshot;
use mcp_mtls_testkit::Pki;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::run::{Outcome, mcp_mtls, stable};

#[test]
fn three_commands_make_a_ca_a_server_and_clients() {
    let dir = tempfile::tempdir().unwrap();
    let ca = certs(dir.path(), &["ca"]);
    assert_snapshot!(ca.stderr, @r"
    The key of a CA is a secret: whoever holds it can make certificates that your
    servers and clients believe. Keep it on this machine, and use this CA for
    development only.
    ");
    assert_snapshot!(stable(&ca.succeeded()), @r"
    CN=mcp-mtls development CA [random], expires [date] (in 365 days)
      certs/ca.pem  the certificate
      certs/ca.key  its key, for you alone

    Next: mcp-mtls certs server localhost 127.0.0.1
          mcp-mtls certs client alice
    ");
    assert_snapshot!(stable(&certs(dir.path(), &["server", "localhost", "127.0.0.1"]).succeeded()), @r"
    CN=localhost, expires [date] (in 90 days)
      certs/localhost.pem  the certificate
      certs/localhost.key  its key, for you alone

    Next: mcp-mtls certs client alice
    ");
    assert_snapshot!(stable(&certs(dir.path(), &["client", "alice", "bob", "--days", "7"]).succeeded()), @r"
    CN=alice, expires [date] (in 7 days)
      certs/alice.pem  the certificate
      certs/alice.key  its key, for you alone
    CN=bob, expires [date] (in 7 days)
      certs/bob.pem  the certificate
      certs/bob.key  its key, for you alone

    Next: mcp-mtls connect https://localhost:8443/mcp --cert certs/alice.pem \
            --key certs/alice.key --ca certs/ca.pem
    ");
}

#[test]
fn what_was_made_is_believed_in_real_handshakes() {
    for kind in ["p256", "p384", "p521", "ed25519", "rsa2048"] {
        let dir = tempfile::tempdir().unwrap();
        certs(dir.path(), &["ca", "--key-type", kind]).succeeded();
        certs(dir.path(), &["server", "mcp.example", "--key-type", kind]).succeeded();
        certs(dir.path(), &["client", "alice", "--key-type", kind]).succeeded();
        let folder = dir.path().join("certs");
        assert_eq!(handshake(&folder, &folder, &TLS13), Ok(()), "{kind}");
        // rustls does not offer P-521 signatures in TLS 1.2.
        if kind != "p521" {
            assert_eq!(handshake(&folder, &folder, &TLS12), Ok(()), "{kind}");
        }
    }
}

#[test]
fn a_certificate_of_another_ca_is_not_believed() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&ours, &theirs] {
        certs(dir.path(), &["ca"]).succeeded();
        certs(dir.path(), &["server", "mcp.example"]).succeeded();
        certs(dir.path(), &["client", "alice"]).succeeded();
    }
    let refusal = handshake(&ours.path().join("certs"), &theirs.path().join("certs"), &TLS13).unwrap_err();
    assert!(refusal.contains("UnknownIssuer"), "{refusal}");
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca"]).succeeded();
    certs(dir.path(), &["client", "alice"]).succeeded();
    let key = std::fs::read(dir.path().join("certs/alice.key")).unwrap();
    assert_snapshot!(certs(dir.path(), &["client", "bob", "alice"]).failed(1), @r"
    error: The file exists already, and nothing was written
    where: certs/alice.pem
      why: A certificate or key in use must not be lost by accident.
      fix: Choose another folder, or move the file away.
     code: file-exists
    ");
    assert_eq!(std::fs::read(dir.path().join("certs/alice.key")).unwrap(), key);
    assert!(!dir.path().join("certs/bob.pem").exists());
}

#[test]
fn a_certificate_ends_with_its_ca() {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca", "--days", "5", "--out", "short lived"]).succeeded();
    assert_snapshot!(stable(&certs(dir.path(), &["server", "localhost", "--ca", "short lived"]).succeeded()), @r"
    CN=localhost, expires [date] (in 5 days)
      It ends with its CA, sooner than asked.
      short lived/localhost.pem  the certificate
      short lived/localhost.key  its key, for you alone

    Next: mcp-mtls certs client alice --ca 'short lived'
    ");
}

#[test]
fn without_a_ca_the_first_step_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert_snapshot!(certs(dir.path(), &["client", "alice"]).failed(1), @r"
    error: The CA cannot be read
    where: certs/ca.pem
      why: There is no such file.
      fix: Make a CA first with `mcp-mtls certs ca`, or name its folder with `--ca
           DIR`.
     code: file-unreadable
    ");
}

#[test]
fn a_name_that_is_not_one_was_asked_wrongly() {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca"]).succeeded();
    assert_snapshot!(certs(dir.path(), &["server", "https://mcp.example/mcp"]).failed(2), @r"
    error: “https://mcp.example/mcp” is neither a DNS name nor an IP address
      fix: Give the host alone, without scheme, port and path.
     code: usage-invalid
    ");
    assert!(certs(dir.path(), &["ca", "--days", "0"]).failed(2).contains("--days"));
    assert!(certs(dir.path(), &["client"]).failed(2).contains("<NAME>..."));
}

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
                    Without its passphrase nothing more can be told.
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
                    Without its passphrase nothing more can be told.
    ");
    let shown = certs(&fixtures, &["show", "--json", "openssl-3des.p12"]).succeeded();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let encryption = "PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds)";
    assert_eq!(shown["files"][0]["pkcs12"], serde_json::json!({ "encryption": encryption }));
}

#[test]
fn show_refuses_what_it_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "no certificate here").unwrap();
    assert_snapshot!(certs(dir.path(), &["show", "notes.txt"]).failed(1), @r"
    error: The file holds no certificate and no key
    where: notes.txt
      why: It is neither PEM (there is no `-----BEGIN` line), nor a certificate or
           key in DER, nor PKCS#12.
     code: material-invalid
    ");
    assert_snapshot!(certs(dir.path(), &["show", "nothing.pem"]).failed(1), @r"
    error: The file cannot be read
    where: nothing.pem
      why: There is no such file.
     code: file-unreadable
    ");
}

#[test]
fn programs_read_json_in_success_and_failure() {
    let dir = made();
    let json = |arguments: &[&str]| -> (i32, serde_json::Value) {
        let outcome = certs(dir.path(), arguments);
        (outcome.status, serde_json::from_str(&outcome.stdout).expect("JSON"))
    };
    let (status, shown) = json(&["show", "--json", "certs/alice.pem", "certs/alice.key"]);
    let certificate = &shown["files"][0]["certificates"][0];
    assert_eq!(status, 0);
    assert_eq!(certificate["subject"], "CN=alice");
    assert_eq!(certificate["keyFile"], "certs/alice.key");
    assert_eq!(shown["files"][1]["keys"][0]["certificates"][0], certificate["sha256"]);
    assert_eq!(shown["files"][1]["keys"][0]["publicKeySha256"], certificate["publicKeySha256"]);

    let (status, made) = json(&["client", "carol", "--json"]);
    assert_eq!((status, made["made"][0]["keyFile"].as_str()), (0, Some("certs/carol.key")));

    let (status, failed) = json(&["show", "--json", "nothing.pem"]);
    assert_eq!((status, failed["error"]["code"].as_str()), (1, Some("file-unreadable")));
}

fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca"]).succeeded();
    certs(dir.path(), &["server", "mcp.example", "127.0.0.1"]).succeeded();
    certs(dir.path(), &["client", "alice"]).succeeded();
    dir
}

fn certs(folder: &Path, arguments: &[&str]) -> Outcome {
    mcp_mtls(folder, &[&["certs"], arguments].concat())
}

/// A handshake in memory: the server of one folder and the client of the other, each believing its own CA.
fn handshake(server: &Path, client: &Path, version: &'static SupportedProtocolVersion) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = |folder: &Path| {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&folder.join("ca.pem"))).unwrap();
        Arc::new(roots)
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(server), provider.clone()).build().unwrap();
    let server_config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate(&server.join("mcp.example.pem"))], key(&server.join("mcp.example.key")))
        .unwrap();
    let client_config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots(server))
        .with_client_auth_cert(vec![certificate(&client.join("alice.pem"))], key(&client.join("alice.key")))
        .unwrap();
    let name = ServerName::try_from("mcp.example").unwrap();
    let mut client = ClientConnection::new(client_config.into(), name).unwrap();
    let mut server = ServerConnection::new(server_config.into()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut io::Cursor::new(bytes)).unwrap();
        server.process_new_packets().map_err(|error| format!("{error:?}"))?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut io::Cursor::new(bytes)).unwrap();
        client.process_new_packets().map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).unwrap()
}

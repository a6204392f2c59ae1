//! Every way in which an identity is refused: the code, and what is told.

use insta::assert_snapshot;
use mcp_mtls_core::error::Failure;
use mcp_mtls_testkit::pki::{KeyKind, Pki};

use super::{load, load_file, text};

/// All that is told of a failure, with `[dir]` for the folder of the PKI.
pub(super) fn told(pki: &Pki, failure: &Failure) -> String {
    crate::config::told(failure).replace(text(pki.dir()), "[dir]")
}

/// What is told when `cert` is this file alone.
fn cert(pki: &Pki, content: impl AsRef<[u8]>) -> String {
    told(pki, &load_file(pki, content).expect_err("it must be refused"))
}

/// What is told when `key` is this file, beside a good certificate.
fn key(pki: &Pki, content: impl AsRef<[u8]>) -> String {
    let alice = pki.client_with_key("alice", KeyKind::Rsa2048);
    let failure = load(text(&alice.cert_file), Some(text(&pki.write("key", content)))).expect_err("it must be refused");
    told(pki, &failure)
}

pub(super) fn block(label: &str) -> String {
    format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n")
}

#[cfg(unix)]
#[test]
fn files_without_an_end_are_refused_and_pipes_are_read() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let endless = load("/dev/zero", None).unwrap_err();
    assert_eq!(endless.facts().why, ["It is neither a file nor a pipe."]);
    let sparse = pki.dir().join("sparse");
    std::fs::File::create(&sparse).unwrap().set_len(4 << 40).unwrap();
    let large = load(text(&sparse), None).unwrap_err();
    assert_snapshot!(told(&pki, &large), @"
    file-unreadable: The certificate file sparse cannot be read
    at: [dir]/sparse
    at: the setting tls.cert
    why: It has more than 64 MiB.
    fix: Name another file, or mend this one.
    ");
    let pipe = pki.dir().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let all = alice.combined_pem();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, all)
    });
    super::is(load(text(&pipe), None), &alice, "a pipe");
    writer.join().unwrap().unwrap();
}

#[test]
fn what_is_told_of_a_file_is_short_whatever_it_holds() {
    let pki = Pki::new();
    assert_snapshot!(cert(&pki, block("A").repeat(1_001)), @"
    material-invalid: There is no usable certificate in what `cert` names
    at: [dir]/identity
    at: the setting tls.cert
    why: It holds more than 1,000 certificates, keys and other things.
    fix: Name a file that holds only what is needed.
    ");
    let many: String = (0..900).map(|number| block(&format!("A{number}"))).collect();
    assert_snapshot!(cert(&pki, format!("{}{}{many}", block("PUBLIC KEY"), block("PUBLIC KEY"))), @"
    material-invalid: `cert` names a public key (2…med “A3” and 896 other things, and no certificate
    at: [dir]/identity
    at: the setting tls.cert
    why: It holds a public key (2 times), a block named “A0”, a block named “A1”, a block named “A2”, a block named “A3” and 896 other things.
    fix: Name the file of the certificate.
    ");
}

#[test]
fn files_that_cannot_be_read() {
    let pki = Pki::new();
    let missing = load(text(&pki.dir().join("none.pem")), None).unwrap_err();
    assert_snapshot!(told(&pki, &missing), @"
    file-unreadable: There is no certificate file none.pem
    at: [dir]/none.pem
    at: the setting tls.cert
    why: There is no such file.
    fix: Correct the path, or put the file there.
    ");
    let alice = pki.client("alice");
    let missing = load(text(&alice.cert_file), Some(text(&pki.dir().join("none.key")))).unwrap_err();
    assert_snapshot!(told(&pki, &missing), @"
    file-unreadable: There is no private key file none.key
    at: [dir]/none.key
    at: the setting tls.key
    why: There is no such file.
    fix: Correct the path, or put the file there.
    ");
    let folder = load(text(pki.dir()), None).unwrap_err();
    assert_snapshot!(told(&pki, &folder), @"
    file-unreadable: `cert` names a folder, and no certificate file
    at: [dir]
    at: the setting tls.cert
    why: It is a folder.
    fix: Name the file in it.
    ");
}

#[cfg(unix)]
#[test]
fn a_file_of_somebody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let path = pki.write("secret", pki.client("alice").combined_pem());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    if let Err(failure) = load(text(&path), None) {
        assert!(
            told(&pki, &failure).ends_with("why: Permission is denied.\nfix: Let the user that runs the host read it."),
            "{failure}"
        );
    }
}

#[test]
fn what_is_no_certificate() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    assert_snapshot!(cert(&pki, ""), @"
    material-invalid: The certificate that `cert` names is empty
    at: [dir]/identity
    at: the setting tls.cert
    why: It is empty.
    fix: Write it anew; whatever made the file has failed.
    ");
    assert_snapshot!(cert(&pki, "not a certificate"), @"
    material-invalid: There is no usable certificate in what `cert` names
    at: [dir]/identity
    at: the setting tls.cert
    why: It is neither PEM (there is no `-----BEGIN` line), nor a certificate, key or revocation list in DER, nor PKCS#12.
    fix: Name a file in PEM, DER or PKCS#12.
    ");
    assert_snapshot!(cert(&pki, block("CERTIFICATE REQUEST")), @"
    material-invalid: `cert` names a certificate request (CSR), and no certificate
    at: [dir]/identity
    at: the setting tls.cert
    why: It holds a certificate request (CSR).
    fix: Name the certificate that the CA has made of this request.
    ");
    assert_snapshot!(cert(&pki, &alice.key_pem), @"
    material-invalid: `cert` names a private key, and no certificate
    at: [dir]/identity
    at: the setting tls.cert
    why: It holds a private key.
    fix: Name the certificate as `cert`, and this file as `key`.
    ");
    assert_snapshot!(cert(&pki, format!("{}{}", block("PUBLIC KEY"), alice.key_encrypted_pem("hunter2", 10))), @"
    material-invalid: `cert` names an encrypted private key and a public key, and no certificate
    at: [dir]/identity
    at: the setting tls.cert
    why: It holds an encrypted private key and a public key.
    fix: Name the certificate as `cert`, and this file as `key`.
    ");
    assert_snapshot!(cert(&pki, block("CERTIFICATE")), @"
    material-invalid: There is no usable certificate in what `cert` names
    at: [dir]/identity
    at: the setting tls.cert
    why: A certificate in it is damaged: its contents are not X.509.
    fix: Copy it again from where it came from.
    ");
    for (label, words) in [
        ("NEW CERTIFICATE REQUEST", "a certificate request (CSR)"),
        ("RSA PUBLIC KEY", "a public key"),
        ("X509 CRL", "a revocation list (CRL)"),
        ("PKCS7", "a PKCS#7 bundle"),
        ("TRUSTED CERTIFICATE", "a certificate in OpenSSL's own TRUSTED form"),
        ("\u{1b}[2J", "a block named “[2J”"),
    ] {
        assert!(cert(&pki, block(label)).contains(&format!("why: It holds {words}.")), "{label:?}");
    }
    for empty in [&b" \r\n\t"[..], b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff\0\n"] {
        assert!(cert(&pki, empty).contains("It is empty."), "{empty:?}");
    }
}

#[test]
fn what_is_no_key() {
    let pki = Pki::new();
    assert_snapshot!(key(&pki, pki.client("bob").cert_pem), @"
    material-invalid: `key` names a certificate, and no private key
    at: [dir]/key
    at: the setting tls.key
    why: It holds a certificate.
    fix: Name the private key as `key`, and this file as `cert`.
    ");
    assert_snapshot!(key(&pki, block("PUBLIC KEY")), @"
    material-invalid: `key` names a public key, and no private key
    at: [dir]/key
    at: the setting tls.key
    why: It holds a public key.
    fix: Name the private key that this public key belongs to.
    ");
    assert_snapshot!(key(&pki, ""), @"
    material-invalid: The private key that `key` names is empty
    at: [dir]/key
    at: the setting tls.key
    why: It is empty.
    fix: Write it anew; whatever made the file has failed.
    ");
    assert!(key(&pki, block("OPENSSH PRIVATE KEY")).contains("It holds an OpenSSH key."));
}

#[test]
fn certificate_and_key_that_do_not_belong_together() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let without = load(text(&alice.cert_file), None).unwrap_err();
    assert_snapshot!(told(&pki, &without), @"
    key-missing: There is a certificate without its private key
    at: [dir]/alice.pem
    at: the setting tls.cert
    why: `key` is not set, and the certificate file holds no key.
    fix: Set `key` (--key) to the private key of that certificate.
    ");
    let mismatch = load(text(&alice.cert_file), Some(text(&bob.key_file))).unwrap_err();
    assert_snapshot!(told(&pki, &mismatch), @"
    key-mismatch: The private key belongs to another certificate
    at: [dir]/alice.pem
    at: the setting tls.cert
    at: [dir]/bob.key
    at: the setting tls.key
    why: The certificate is “O=Testkit, CN=alice”; its public key is not that of the private key.
    fix: Name the key that the certificate was requested with.
    ");
    for kind in KeyKind::ALL {
        let other = pki.client_with_key("other", kind);
        let failure = load(&alice.cert_pem, Some(&other.key_pem)).unwrap_err();
        assert_eq!(failure.code().as_str(), "key-mismatch", "{kind:?}");
        let failure = load(&format!("{}{}", alice.cert_pem, other.key_pem), None).unwrap_err();
        assert_eq!(failure.code().as_str(), "key-mismatch", "{kind:?}");
    }
}

#[test]
fn what_is_damaged() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let both = alice.combined_pem();
    assert_snapshot!(cert(&pki, &both[..both.len() - 30]), @"
    material-invalid: There is no usable certificate in what `cert` names
    at: [dir]/identity
    at: the setting tls.cert
    why: A `-----BEGIN` line has no matching `-----END` line; the end may be cut off.
    fix: Copy it again from where it came from.
    ");
    assert_snapshot!(cert(&pki, both.replacen("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n!", 1)), @"
    material-invalid: There is no usable certificate in what `cert` names
    at: [dir]/identity
    at: the setting tls.cert
    why: Between the `-----BEGIN` and `-----END` lines stands something that is not Base64.
    fix: Copy it again from where it came from.
    ");
    // A line is missing.
    let lines: Vec<_> = alice.key_pem.lines().collect();
    let short = [&lines[..1], &lines[2..]].concat().join("\n");
    assert_snapshot!(key(&pki, short), @"
    material-invalid: There is no usable private key in what `key` names
    at: [dir]/key
    at: the setting tls.key
    why: A private key in it is damaged: its contents are not DER.
    fix: Copy it again from where it came from.
    ");
    assert!(key(&pki, block("ENCRYPTED PRIVATE KEY")).contains("A private key in it is damaged"));
    // The form is right, and the number inside is not.
    assert_snapshot!(key(&pki, block("PRIVATE KEY")), @"
    key-unsupported: The private key is of a kind that cannot be used
    at: [dir]/key
    at: the setting tls.key
    why: The certificate is for a key of RSA 2048, and this is another, or is damaged.
    why: Usable are RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, and Ed25519.
    fix: Name the key that the certificate was requested with.
    ");
    let mut begin = both.replace("-----END CERTIFICATE-----\n", "");
    assert!(cert(&pki, &begin).contains("no matching `-----END` line"), "{begin}");
    begin.truncate(40);
    assert!(cert(&pki, &begin).contains("no matching `-----END` line"), "{begin}");
}

#[test]
fn a_file_cut_anywhere_is_never_half_an_identity() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let both = alice.combined_pem();
    for cut in 0..both.trim_end().len() {
        let failure = load(text(&pki.write("cut", &both[..cut])), None).expect_err("a part is no identity");
        assert!(["material-invalid", "key-missing"].contains(&failure.code().as_str()), "{cut}: {failure}");
    }
    let der = alice.key_pkcs8_der();
    for cut in 0..der.len() {
        let path = pki.write("cut.der", &der[..cut]);
        load(text(&alice.cert_file), Some(text(&path))).expect_err("a part is no key");
    }
}

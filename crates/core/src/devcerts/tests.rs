use std::path::Path;

use super::*;
use crate::error::Code;

#[test]
fn a_ca_signs_for_servers_and_clients() {
    let ca = ca();
    let facts = ca.minted().facts();
    assert!(facts.is_ca && facts.self_issued);
    assert_eq!(facts.key_usages, ["keyCertSign", "cRLSign"]);

    let server = ca.server(&["mcp.example", "*.mcp.example", "127.0.0.1", "::1"], 30, KeyKind::P256).unwrap();
    assert_eq!(server.facts().names, ["mcp.example", "*.mcp.example", "127.0.0.1", "::1"]);
    assert_eq!(server.facts().extended_key_usages, ["serverAuth"]);
    assert_eq!(server.file_stem(), "mcp.example");

    let client = ca.client("alice", 30, KeyKind::P256).unwrap();
    assert_eq!(client.facts().subject, "CN=alice");
    assert_eq!(client.facts().issuer_der, facts.subject_der);
    assert_eq!(client.facts().extended_key_usages, ["clientAuth"]);
    assert_eq!(client.facts().key_usages, ["digitalSignature"]);
    assert!(!client.facts().is_ca);
    assert_ne!(client.facts().serial, server.facts().serial);
    assert_eq!(client.facts().serial.len(), 32);
}

#[test]
fn each_kind_of_key_signs_and_is_signed() {
    let told = [
        (KeyKind::P256, "ECDSA P-256"),
        (KeyKind::P384, "ECDSA P-384"),
        (KeyKind::P521, "ECDSA P-521"),
        (KeyKind::Ed25519, "Ed25519"),
        (KeyKind::Rsa2048, "RSA 2048"),
    ];
    for (kind, name) in told {
        let ca = Authority::new("CA", 30, kind).unwrap();
        assert_eq!(ca.client("alice", 30, kind).unwrap().facts().key_kind, name);
    }
}

#[test]
fn a_certificate_is_valid_at_once_and_never_longer_than_its_ca() {
    let ca = Authority::new("CA", 10, KeyKind::P256).unwrap();
    let short = ca.client("alice", 5, KeyKind::P256).unwrap();
    let long = ca.client("bob", 500, KeyKind::P256).unwrap();
    let now = OffsetDateTime::now_utc();
    assert!(short.facts().not_before < now - Duration::MINUTE);
    assert!(!short.shortened());
    assert!(long.shortened());
    assert_eq!(long.facts().not_after, ca.minted().facts().not_after);
}

#[test]
fn a_client_may_be_a_person_or_a_workload() {
    let ca = ca();
    let mail = ca.client("alice@corp.example", 30, KeyKind::P256).unwrap();
    assert_eq!(
        (mail.facts().names.as_slice(), mail.file_stem()),
        (&["alice@corp.example".to_owned()][..], "alice@corp.example")
    );
    let workload = ca.client("spiffe://corp/agent", 30, KeyKind::P256).unwrap();
    assert_eq!(
        (workload.facts().names.as_slice(), workload.file_stem()),
        (&["spiffe://corp/agent".to_owned()][..], "spiffe-corp-agent")
    );
    assert_eq!(ca.client("../../etc/passwd", 30, KeyKind::P256).unwrap().file_stem(), "etc-passwd");
}

#[test]
fn a_name_that_is_not_one_is_refused_with_the_way_out() {
    let ca = ca();
    let refused = |name: &str| {
        let failure = ca.server(&[name], 30, KeyKind::P256).unwrap_err();
        assert_eq!(failure.code(), Code::UsageInvalid);
        failure.facts().fix.join(" ")
    };
    assert!(refused("https://mcp.example/mcp").contains("without scheme"));
    assert!(refused("mcp.example:443").contains("every port"));
    assert!(refused("münchen.example").contains("xn--"));
    assert!(refused("").contains("letters"));
    assert!(ca.server::<&str>(&[], 30, KeyKind::P256).is_err());
    assert!(ca.client(" ", 30, KeyKind::P256).is_err());
    assert!(ca.client(&"a".repeat(65), 30, KeyKind::P256).is_err());
}

#[test]
fn a_ca_comes_back_from_its_folder() {
    for kind in [KeyKind::P256, KeyKind::P521, KeyKind::Ed25519, KeyKind::Rsa2048] {
        let dir = tempfile::tempdir().unwrap();
        let made = Authority::new("Example CA", 30, kind).unwrap();
        write(dir.path(), &[made.minted()]).unwrap();
        let opened = Authority::open(dir.path()).unwrap();
        assert_eq!(opened.minted().facts(), made.minted().facts());
        let client = opened.client("alice", 30, KeyKind::P256).unwrap();
        assert_eq!(client.facts().issuer_der, made.minted().facts().subject_der);
        assert_verifies(made.minted(), &client);
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    let (alice, bob) = (ca.client("alice", 30, KeyKind::P256).unwrap(), ca.client("bob", 30, KeyKind::P256).unwrap());
    std::fs::write(dir.path().join("bob.key"), "precious").unwrap();
    let failure = write(dir.path(), &[&alice, &bob]).unwrap_err();
    assert_eq!(failure.code(), Code::FileExists);
    assert!(failure.facts().place[0].ends_with("bob.key"));
    assert!(!dir.path().join("alice.pem").exists());
    assert_eq!(std::fs::read_to_string(dir.path().join("bob.key")).unwrap(), "precious");
}

#[cfg(unix)]
#[test]
fn a_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let written = write(&dir.path().join("made/for/it"), &[ca().minted()]).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&written[0].key), 0o600);
    assert_eq!(mode(&written[0].certificate) & 0o022, 0);
}

#[test]
fn a_folder_without_a_usable_ca_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let code = |dir: &Path| Authority::open(dir).map(|_| ()).unwrap_err().code();
    assert_eq!(code(dir.path()), Code::FileUnreadable);

    let (one, other) = (ca(), ca());
    let put = |certificate: &str, key: &str| {
        std::fs::write(dir.path().join("ca.pem"), certificate).unwrap();
        std::fs::write(dir.path().join("ca.key"), key).unwrap();
    };
    put(one.minted().certificate_pem(), other.minted().key_pem().expose());
    assert_eq!(code(dir.path()), Code::KeyMismatch);
    put(one.minted().key_pem().expose(), one.minted().key_pem().expose());
    assert_eq!(code(dir.path()), Code::MaterialInvalid);
    put(one.minted().certificate_pem(), one.minted().certificate_pem());
    assert_eq!(code(dir.path()), Code::KeyMissing);
    let leaf = one.client("alice", 30, KeyKind::P256).unwrap();
    put(leaf.certificate_pem(), leaf.key_pem().expose());
    assert_eq!(code(dir.path()), Code::MaterialInvalid);
}

#[test]
fn no_two_cas_have_one_name() {
    let (one, other) = (Authority::fresh_name().unwrap(), Authority::fresh_name().unwrap());
    assert!(one.starts_with("mcp-mtls development CA "), "{one}");
    assert_ne!(one, other);
}

#[test]
fn a_key_is_not_shown_by_debug() {
    assert!(!format!("{:?}", ca().minted()).contains("PRIVATE KEY"));
}

fn ca() -> Authority {
    Authority::new("Example CA", 30, KeyKind::P256).unwrap()
}

/// As a server would: the chain is built and the signature checked.
fn assert_verifies(ca: &Minted, client: &Minted) {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, UnixTime};

    let der = |minted: &Minted| CertificateDer::from_pem_slice(minted.certificate_pem().as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der(ca)).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), crate::identity::provider());
    verifier.build().unwrap().verify_client_cert(&der(client), &[], UnixTime::now()).unwrap();
}

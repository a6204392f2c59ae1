use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    RsaKeySize, SanType,
};
use time::macros::datetime;

use super::*;

#[test]
fn a_certificate_tells_what_it_is_for() {
    let mut params = params("alice");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "Agents");
    params.subject_alt_names = vec![
        SanType::DnsName("alice.example".try_into().unwrap()),
        SanType::IpAddress([10, 0, 0, 1].into()),
        SanType::URI("spiffe://corp/alice".try_into().unwrap()),
        SanType::Rfc822Name("alice@corp.example".try_into().unwrap()),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let facts = facts(&params);

    assert_eq!(facts.subject, "OU=Agents, CN=alice, O=Example");
    assert_eq!(facts.issuer, facts.subject);
    assert!(facts.self_issued);
    assert!(!facts.is_ca);
    assert_eq!(facts.common_name.as_deref(), Some("alice"));
    assert_eq!(facts.names, ["alice.example", "10.0.0.1", "spiffe://corp/alice", "alice@corp.example"]);
    assert_eq!(facts.serial, "7f01");
    assert_eq!(facts.key_usages, ["digitalSignature", "keyEncipherment"]);
    assert_eq!(facts.extended_key_usages, ["clientAuth", "serverAuth"]);
    assert_eq!(facts.key_kind, "ECDSA P-256");
    assert_eq!(facts.signature_algorithm, "ECDSA with SHA-256");
    assert_eq!(facts.fingerprint.len(), 64);
}

#[test]
fn a_certificate_is_described_by_what_matters_now() {
    let facts = facts(&params("alice"));
    assert_eq!(facts.describe(datetime!(2026-11-22 0:00 UTC)), "CN=alice, O=Example, expires 2026-12-04 (in 12 days)");
    assert_eq!(
        facts.describe(datetime!(2026-12-25 13:00 UTC)),
        "CN=alice, O=Example, expired 2026-12-04 (21 days ago)"
    );
    assert_eq!(
        facts.describe(datetime!(2026-10-01 0:00 UTC)),
        "CN=alice, O=Example, valid from 2026-11-01 (in 31 days)"
    );
}

#[test]
fn a_ca_is_known_as_one() {
    let mut params = params("Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert!(facts(&params).is_ca);
}

#[test]
fn the_name_of_an_accepted_ca_reads_like_a_subject() {
    let facts = facts(&params("alice"));
    assert_eq!(distinguished_name(&facts.subject_der), facts.subject);
    assert_eq!(distinguished_name(b"\x30\x03nonsense"), "(a name that cannot be read)");
}

#[test]
fn a_name_cannot_drive_a_terminal_or_pass_for_another() {
    assert_eq!(facts(&params("alice\u{1b}[2J\nroot")).subject, "CN=alice [2J root, O=Example");
    assert_eq!(facts(&params("alice, O=Bank")).subject, "CN=alice\\, O=Bank, O=Example");
    let long = facts(&params(&"a".repeat(5_000)));
    assert_eq!(long.subject.chars().count(), 201);
}

#[test]
fn a_name_in_another_encoding_is_read() {
    let mut params = params("");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, DnValue::BmpString("Jürgen".try_into().unwrap()));
    assert_eq!(facts(&params).common_name.as_deref(), Some("Jürgen"));
}

#[test]
fn a_certificate_without_a_subject_goes_by_its_first_name() {
    let mut params = CertificateParams::new(["host.example".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let facts = facts(&params);
    assert_eq!((facts.subject.as_str(), facts.title()), ("", "host.example"));
    assert_eq!(facts.common_name, None);
}

#[test]
fn each_kind_of_key_has_its_name() {
    let kind = |key: KeyPair| {
        let certificate = params("k").self_signed(&key).unwrap();
        let facts = CertificateFacts::parse(certificate.der()).unwrap();
        assert_eq!(key_kind(&facts.public_key_der), facts.key_kind);
        format!("{}, {}", facts.key_kind, facts.signature_algorithm)
    };
    let generated = |algorithm| kind(KeyPair::generate_for(algorithm).unwrap());
    assert_eq!(generated(&rcgen::PKCS_ECDSA_P384_SHA384), "ECDSA P-384, ECDSA with SHA-384");
    assert_eq!(generated(&rcgen::PKCS_ECDSA_P521_SHA512), "ECDSA P-521, ECDSA with SHA-512");
    assert_eq!(generated(&rcgen::PKCS_ED25519), "Ed25519, Ed25519");
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    assert_eq!(kind(rsa), "RSA 2048, RSA with SHA-256");
    assert_eq!(key_kind(b"nonsense"), "of an unknown kind");
}

#[test]
fn what_is_not_exactly_one_certificate_is_refused() {
    let key = KeyPair::generate().unwrap();
    let der = params("alice").self_signed(&key).unwrap().der().to_vec();
    assert_eq!(CertificateFacts::parse(b""), Err(NotACertificate));
    assert_eq!(CertificateFacts::parse(&der[..der.len() - 1]), Err(NotACertificate));
    assert_eq!(CertificateFacts::parse(&[der.as_slice(), b"\n"].concat()), Err(NotACertificate));
    assert_eq!(CertificateFacts::parse(&key.serialize_der()), Err(NotACertificate));
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(vec![0x7f, 0x01].into());
    params.not_before = datetime!(2026-11-01 12:00 UTC);
    params.not_after = datetime!(2026-12-04 12:00 UTC);
    params
}

fn facts(params: &CertificateParams) -> CertificateFacts {
    let key = KeyPair::generate().unwrap();
    CertificateFacts::parse(params.self_signed(&key).unwrap().der()).unwrap()
}

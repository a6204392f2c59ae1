//! Key kinds, and the forms in which a key is written: PKCS#8, PKCS#1 and SEC1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, RsaKeySize};

use super::der::{SEQUENCE, element, wrap};

/// The kinds of key that a client may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum KeyKind {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    Ed25519,
}

impl KeyKind {
    /// Every kind, for tests that walk them.
    pub const ALL: [Self; 7] =
        [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::P256, Self::P384, Self::P521, Self::Ed25519];

    /// Whether the key has a PKCS#1 form.
    pub fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether the key has a SEC1 form.
    pub fn is_ec(self) -> bool {
        matches!(self, Self::P256 | Self::P384 | Self::P521)
    }

    pub(super) fn generate(self) -> KeyPair {
        let key = match self {
            Self::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
            Self::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::P521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
            Self::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        };
        key.unwrap_or_else(|e| panic!("cannot generate a {self:?} key: {e}"))
    }
}

/// PKCS#8 version 1 (RFC 5208). The library writes Ed25519 keys as version 2, which OpenSSL 3.0 cannot read.
pub(super) fn pkcs8_v1(der: &[u8]) -> Vec<u8> {
    let (_, sequence, _) = element(der);
    let (_, _version, rest) = element(sequence);
    let (_, _algorithm, key) = element(rest);
    let (_, _key, attributes) = element(key);
    wrap(SEQUENCE, &[&[INTEGER, 1, 0], &rest[..rest.len() - attributes.len()]].concat())
}

/// The octets inside PKCS#8: an `RSAPrivateKey` or an `ECPrivateKey` without its curve.
pub(super) fn inner_of_pkcs8(pkcs8: &[u8]) -> Vec<u8> {
    let (_, sequence, _) = element(pkcs8);
    let (_, _version, rest) = element(sequence);
    let (_, _algorithm, rest) = element(rest);
    let (tag, inner, _) = element(rest);
    assert_eq!(tag, OCTET_STRING, "PKCS#8 holds the key in an octet string");
    inner.to_vec()
}

/// SEC1 (RFC 5915). PKCS#8 names the curve outside, a SEC1 file must name it inside, or OpenSSL cannot read it.
pub(super) fn sec1_of_pkcs8(pkcs8: &[u8]) -> Vec<u8> {
    let (_, sequence, _) = element(pkcs8);
    let (_, _version, rest) = element(sequence);
    let (_, algorithm, _) = element(rest);
    let (_, _ec_public_key, curve) = element(algorithm);

    let inner = inner_of_pkcs8(pkcs8);
    let (_, fields, _) = element(&inner);
    let (_, _version, rest) = element(fields);
    let (_, _private, rest) = element(rest);
    if rest.first() == Some(&PARAMETERS) {
        return inner;
    }
    let head = &fields[..fields.len() - rest.len()];
    wrap(SEQUENCE, &[head, &wrap(PARAMETERS, curve), rest].concat())
}

/// PEM with lines of 64 characters.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const PARAMETERS: u8 = 0xa0;

//! The names that people use for kinds of keys and signatures.

use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::error::plain;

/// The kind of a public key, given as `SubjectPublicKeyInfo` in DER: `ECDSA P-256`, `RSA 2048`, `Ed25519`.
#[must_use]
pub fn key_kind(public_key_der: &[u8]) -> String {
    match SubjectPublicKeyInfo::from_der(public_key_der) {
        Ok((_, info)) => kind_of(&info),
        Err(_) => "of an unknown kind".to_owned(),
    }
}

pub(super) fn kind_of(info: &SubjectPublicKeyInfo<'_>) -> String {
    let oid = info.algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => format!("RSA {}", rsa_bits(info)),
        "1.2.840.10045.2.1" => format!("ECDSA {}", curve(&info.algorithm)),
        "1.2.840.10040.4.1" => "DSA".to_owned(),
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44".to_owned(),
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65".to_owned(),
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87".to_owned(),
        oid => plain(oid),
    }
}

pub(super) fn signature(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.algorithm.to_id_string();
    let name = match oid.as_str() {
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        "1.2.840.113549.1.1.5" => "RSA with SHA-1",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.2" => "ECDSA with SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA with SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA with SHA-512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        oid => return plain(oid),
    };
    name.to_owned()
}

fn rsa_bits(info: &SubjectPublicKeyInfo<'_>) -> String {
    let Ok(PublicKey::RSA(key)) = info.parsed() else { return "(damaged)".to_owned() };
    let modulus = super::strip_zeros(key.modulus);
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (modulus.len() * 8 - unused).to_string()
}

fn curve(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let Some(oid) = oid.map(|oid| oid.to_id_string()) else { return "(unnamed curve)".to_owned() };
    match oid.as_str() {
        "1.2.840.10045.3.1.7" => "P-256".to_owned(),
        "1.3.132.0.34" => "P-384".to_owned(),
        "1.3.132.0.35" => "P-521".to_owned(),
        "1.3.132.0.10" => "secp256k1".to_owned(),
        oid => plain(oid),
    }
}

//! The signatures of TLS as a token makes them: which mechanism, over what, and in which form.

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::KeyType;
use cryptoki::types::Ulong;
use rustls::{SignatureAlgorithm, SignatureScheme};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A signature that a token may be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheme {
    pub(super) name: SignatureScheme,
    way: Way,
    hash: Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Pkcs1,
    Pss,
    Ecdsa,
    Eddsa,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What to hand to the module.
pub(super) struct Request {
    pub(super) mechanism: Mechanism<'static>,
    pub(super) data: Vec<u8>,
}

impl Scheme {
    const fn new(name: SignatureScheme, way: Way, hash: Hash) -> Self {
        Self { name, way, hash }
    }

    /// Those for a key with this `SubjectPublicKeyInfo`, best first; none for a kind that is not known.
    pub(super) fn of(public_key_der: &[u8]) -> &'static [Self] {
        let Ok((_, info)) = SubjectPublicKeyInfo::from_der(public_key_der) else { return &[] };
        let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
        match (info.algorithm.algorithm.to_id_string().as_str(), curve.as_deref()) {
            ("1.2.840.113549.1.1.1", _) => match info.parsed() {
                Ok(PublicKey::RSA(key)) if key.key_size() >= 2048 => RSA,
                _ => &[],
            },
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => P256,
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => P384,
            ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => P521,
            ("1.3.101.112", _) => ED25519,
            _ => &[],
        }
    }

    /// Whether keys of this kind make it. Modules have crashed that were asked for another.
    pub(super) fn is_of(self, kind: KeyType) -> bool {
        kind == match self.way {
            Way::Pkcs1 | Way::Pss => KeyType::RSA,
            Way::Ecdsa => KeyType::EC,
            Way::Eddsa => KeyType::EC_EDWARDS,
        }
    }

    pub(super) fn algorithm(self) -> SignatureAlgorithm {
        match self.way {
            Way::Pkcs1 | Way::Pss => SignatureAlgorithm::RSA,
            Way::Ecdsa => SignatureAlgorithm::ECDSA,
            Way::Eddsa => SignatureAlgorithm::ED25519,
        }
    }

    /// What to ask for. A token that wants its PIN for each signature takes the PIN only between the
    /// start of one and its parts, so there the message goes to it whole, and it hashes.
    pub(super) fn request(self, message: &[u8], hashed_by_token: bool) -> Request {
        let mechanism = self.mechanism(hashed_by_token);
        let data = match (self.way, hashed_by_token) {
            (_, true) | (Way::Eddsa, _) => message.to_vec(),
            (Way::Pkcs1, _) => [self.hash.digest_info(), &self.hash.of(message)].concat(),
            (Way::Pss | Way::Ecdsa, _) => self.hash.of(message),
        };
        Request { mechanism, data }
    }

    pub(super) fn mechanism_type(self, hashed_by_token: bool) -> MechanismType {
        self.mechanism(hashed_by_token).mechanism_type()
    }

    fn mechanism(self, hashed_by_token: bool) -> Mechanism<'static> {
        match (self.way, self.hash, hashed_by_token) {
            (Way::Pkcs1, _, false) => Mechanism::RsaPkcs,
            (Way::Pkcs1, Hash::Sha256, true) => Mechanism::Sha256RsaPkcs,
            (Way::Pkcs1, Hash::Sha384, true) => Mechanism::Sha384RsaPkcs,
            (Way::Pkcs1, Hash::Sha512, true) => Mechanism::Sha512RsaPkcs,
            (Way::Pss, hash, false) => Mechanism::RsaPkcsPss(hash.pss()),
            (Way::Pss, hash @ Hash::Sha256, true) => Mechanism::Sha256RsaPkcsPss(hash.pss()),
            (Way::Pss, hash @ Hash::Sha384, true) => Mechanism::Sha384RsaPkcsPss(hash.pss()),
            (Way::Pss, hash @ Hash::Sha512, true) => Mechanism::Sha512RsaPkcsPss(hash.pss()),
            (Way::Ecdsa, _, false) => Mechanism::Ecdsa,
            (Way::Ecdsa, Hash::Sha256, true) => Mechanism::EcdsaSha256,
            (Way::Ecdsa, Hash::Sha384, true) => Mechanism::EcdsaSha384,
            (Way::Ecdsa, Hash::Sha512, true) => Mechanism::EcdsaSha512,
            (Way::Eddsa, ..) => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        }
    }

    /// The signature as TLS wants it; none when the token gave something else.
    pub(super) fn finished(self, raw: Vec<u8>) -> Option<Vec<u8>> {
        match self.way {
            Way::Ecdsa => ecdsa_der(&raw),
            _ => Some(raw),
        }
    }
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// The parameters that TLS prescribes: a salt as long as the hash (RFC 8446, section 4.2.3). The hash
    /// is named by its own mechanism, and not by that of the signature (PKCS#11 3.1, section 6.1.9).
    fn pss(self) -> PkcsPssParams {
        let (hash_alg, mgf, length) = match self {
            Self::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
            Self::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
            Self::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
        };
        PkcsPssParams { hash_alg, mgf, s_len: Ulong::new(length) }
    }

    /// What stands before the hash in a signature of PKCS#1 version 1.5 (RFC 8017, section 9.2).
    fn digest_info(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            Self::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            Self::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        }
    }
}

/// PKCS#11 writes both numbers one after the other, each as long as the other; TLS wants DER (RFC 3279,
/// section 2.2.3).
fn ecdsa_der(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.is_empty() || !raw.len().is_multiple_of(2) || raw.len() > 2 * 66 {
        return None;
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    let numbers = [integer(r), integer(s)].concat();
    Some(element(0x30, &numbers))
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1);
    let bytes = &bytes[zeros..];
    // A first bit that is set would make it negative.
    let sign: &[u8] = if bytes[0] < 0x80 { &[] } else { &[0] };
    element(0x02, &[sign, bytes].concat())
}

/// An element of at most 255 bytes: two numbers of P-521 have 139.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap_or(u8::MAX);
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [head, contents].concat()
}

// The smallest hash first: it is the one that the most tokens were tested with.
const RSA: &[Scheme] = &[
    Scheme::new(SignatureScheme::RSA_PSS_SHA256, Way::Pss, Hash::Sha256),
    Scheme::new(SignatureScheme::RSA_PSS_SHA384, Way::Pss, Hash::Sha384),
    Scheme::new(SignatureScheme::RSA_PSS_SHA512, Way::Pss, Hash::Sha512),
    Scheme::new(SignatureScheme::RSA_PKCS1_SHA256, Way::Pkcs1, Hash::Sha256),
    Scheme::new(SignatureScheme::RSA_PKCS1_SHA384, Way::Pkcs1, Hash::Sha384),
    Scheme::new(SignatureScheme::RSA_PKCS1_SHA512, Way::Pkcs1, Hash::Sha512),
];
const P256: &[Scheme] = &[Scheme::new(SignatureScheme::ECDSA_NISTP256_SHA256, Way::Ecdsa, Hash::Sha256)];
const P384: &[Scheme] = &[Scheme::new(SignatureScheme::ECDSA_NISTP384_SHA384, Way::Ecdsa, Hash::Sha384)];
const P521: &[Scheme] = &[Scheme::new(SignatureScheme::ECDSA_NISTP521_SHA512, Way::Ecdsa, Hash::Sha512)];
/// It hashes by itself.
const ED25519: &[Scheme] = &[Scheme::new(SignatureScheme::ED25519, Way::Eddsa, Hash::Sha512)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_become_der() {
        assert_eq!(ecdsa_der(&[0, 0, 0, 0x80]).unwrap(), [0x30, 7, 2, 1, 0, 2, 2, 0, 0x80]);
        assert_eq!(ecdsa_der(&[1, 2, 0, 3]).unwrap(), [0x30, 7, 2, 2, 1, 2, 2, 1, 3]);
        let long = ecdsa_der(&[0xff; 132]).unwrap();
        assert_eq!((&long[..5], long.len()), (&[0x30, 0x81, 138, 2, 67][..], 141));
        for broken in [&[][..], &[1, 2, 3], &[1; 134]] {
            assert_eq!(ecdsa_der(broken), None, "{broken:?}");
        }
    }
}

//! Who signed a certificate or a revocation list, which X.509 writes alike (RFC 5280, sections 4.1.1 and 5.1.1).

use rustls::pki_types::SubjectPublicKeyInfoDer;
use webpki::RawPublicKeyEntity;
use x509_parser::asn1_rs::{Any, FromDer as _};

use crate::identity::provider;

/// What was signed, how, and the signature.
pub(super) struct Signed<'a> {
    content: &'a [u8],
    /// The `AlgorithmIdentifier` without its tag, as the library names its algorithms.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

/// Why a key has not made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSigned {
    /// It is that of another key.
    OtherKey,
    /// Of an algorithm that is not known, or not believed any more.
    UnknownAlgorithm,
}

impl<'a> Signed<'a> {
    /// None when it is not of that form.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let next = |input: &'a [u8]| Any::from_der(input).ok();
        let (_, whole) = next(der)?;
        let (after, _) = next(whole.data)?;
        let content = &whole.data[..whole.data.len() - after.len()];
        let (after, algorithm) = next(after)?;
        let (_, signature) = next(after)?;
        // The first octet of a bit string counts the bits that are not used.
        let [0, signature @ ..] = signature.data else { return None };
        Some(Self { content, algorithm: algorithm.data, signature })
    }

    /// Whether this key made the signature.
    pub(super) fn verify(&self, key: &SubjectPublicKeyInfoDer<'_>) -> Result<(), NotSigned> {
        let key = RawPublicKeyEntity::try_from(key).map_err(|_| NotSigned::UnknownAlgorithm)?;
        let algorithms = provider().signature_verification_algorithms.all.iter();
        let mut why = NotSigned::UnknownAlgorithm;
        // Some identifiers are those of several algorithms, one for each curve.
        for algorithm in algorithms.filter(|known| known.signature_alg_id().as_ref() == self.algorithm) {
            match key.verify_signature(*algorithm, self.content, self.signature) {
                Ok(()) => return Ok(()),
                // A key of another kind is another key, too.
                Err(_) => why = NotSigned::OtherKey,
            }
        }
        Err(why)
    }
}

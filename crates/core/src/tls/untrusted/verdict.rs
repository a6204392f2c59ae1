//! What is wrong with a certificate in itself, in words: the verifier names it for programmers.

use webpki::Error;

/// The verdict as a sentence.
pub(super) fn in_words(error: &Error) -> &'static str {
    match error {
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) | Error::InvalidSerialNumber => {
            "A certificate of its chain is damaged: its contents are not as X.509 has them."
        }
        Error::CertDistrusted => "A certificate of its chain is distrusted by name.",
        Error::EmptyEkuExtension => "A certificate of its chain has an empty list of uses (extended key usage).",
        Error::EndEntityUsedAsCa => {
            "A certificate of its chain has signed another, and is not that of a CA (basicConstraints CA:TRUE)."
        }
        Error::ExtensionValueInvalid | Error::MalformedExtensions => {
            "A certificate of its chain has an extension that cannot be read."
        }
        Error::InvalidCertValidity => "A certificate of its chain ends before it begins.",
        Error::InvalidNetworkMaskConstraint | Error::MalformedNameConstraint => {
            "A CA of its chain limits names in a way that cannot be read (name constraints)."
        }
        Error::MalformedDnsIdentifier => "A name in its chain is not one that DNS can have.",
        Error::NameConstraintViolation => {
            "A CA of its chain may not sign certificates for such names (name constraints)."
        }
        Error::PathLenConstraintViolated => {
            "A CA of its chain has more CAs below it than it may (basicConstraints pathLenConstraint)."
        }
        Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => "Its chain is too long or too tangled to be followed.",
        Error::SignatureAlgorithmMismatch => "A certificate of its chain names two different ways of its signature.",
        Error::UnsupportedCertVersion => "A certificate of its chain is not of X.509 version 3.",
        Error::UnsupportedCriticalExtension => {
            "A certificate of its chain has a critical extension that is not known here."
        }
        Error::UnsupportedNameType => "The name that is asked for is of a kind that certificates do not have.",
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "A certificate of its chain is signed in a way that is not safe (SHA-1, say), or not known here."
        }
        _ => "It breaks a rule of X.509 that has no name here.",
    }
}

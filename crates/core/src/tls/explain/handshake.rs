//! What the server did wrong in a handshake, in words: rustls names it for programmers.

use rustls::{Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use super::version_too_old;
use crate::error::{Code, Failure, brief, quoted};
use crate::tls::evidence::Evidence;

/// Explains a handshake that this end gave up.
pub(super) fn given_up(evidence: &Evidence, error: &Error) -> Failure {
    let target = brief(&evidence.target);
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)
            if evidence.server_chain.is_empty() =>
        {
            let begins = String::from_utf8_lossy(&evidence.beginning);
            let failure = Failure::new(Code::NotTls, format!("{target} does not speak TLS"))
                .because(format!(
                    "Its answer to the TLS greeting is no TLS record; it begins {}.",
                    quoted(begins.lines().next().unwrap_or_default())
                ))
                .fix("Check the port of the URL: the TLS port of the server is likely another one.");
            if !begins.starts_with("HTTP/") {
                return failure;
            }
            let failure = failure.because("That is HTTP without TLS.");
            match evidence.address {
                Some(address) if evidence.proxy.is_none() && address.ip().is_loopback() => {
                    failure.fix("Or write http:// in the URL, which this machine's own servers may have.")
                }
                _ => failure,
            }
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => version_too_old(evidence),
        _ => {
            let (why, fix) = words(error);
            Failure::new(Code::TlsFailed, format!("The TLS handshake with {target} failed"))
                .because(why)
                .fix(fix)
                .cause(error)
        }
    }
}

fn words(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::InvalidMessage(message) => (malformed(message), INSPECTED),
        Error::PeerIncompatible(lacking) => incompatible(lacking),
        Error::PeerMisbehaved(fault) => (misbehaved(fault), INSPECTED),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            ("The server sent a message out of turn.", INSPECTED)
        }
        Error::NoCertificatesPresented => ("The server presented no certificate.", OPERATOR),
        Error::DecryptError => {
            ("What the server sent cannot be decrypted; likely it was changed on the way.", INSPECTED)
        }
        Error::PeerSentOversizedRecord => ("The server sent a record longer than TLS allows.", INSPECTED),
        Error::FailedToGetCurrentTime => ("This machine's clock gives no time.", "Set this machine's clock."),
        Error::FailedToGetRandomBytes => {
            ("This machine gives no random numbers.", "Restart it; if that does not help, its system is damaged.")
        }
        _ => ("It broke off for a reason that has no name here.", OPERATOR),
    }
}

fn malformed(message: &InvalidMessage) -> &'static str {
    use InvalidMessage as M;
    match message {
        M::CertificatePayloadTooLarge => "The server's certificates are larger than 64 KiB together.",
        M::HandshakePayloadTooLarge | M::MessageTooLarge => {
            "A message of the server's handshake is larger than TLS allows."
        }
        M::MessageTooShort | M::MissingData(_) | M::InvalidEmptyPayload => {
            "A message of the server's handshake is cut off."
        }
        M::TrailingData(_) => "A message of the server's handshake is longer than it says.",
        M::DuplicateExtension(_) | M::UnknownHelloRetryRequestExtension | M::UnknownCertificateExtension => {
            "The server's handshake has an extension that may not stand there."
        }
        M::InvalidCertRequest | M::NoSignatureSchemes => "The server's request for a client certificate is malformed.",
        M::InvalidContentType | M::UnknownProtocolVersion => {
            "In the middle of its handshake the server sent something that is not TLS."
        }
        _ => "A message of the server's handshake is malformed.",
    }
}

fn incompatible(lacking: &PeerIncompatible) -> (&'static str, &'static str) {
    use PeerIncompatible as P;
    match lacking {
        P::NoCertificateRequestSignatureSchemesInCommon | P::NoSignatureSchemesInCommon => (
            "The server takes no kind of signature that is safe.",
            "Have the server take ECDSA, RSA-PSS or Ed25519 signatures with SHA-256 or better.",
        ),
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired | P::KeyShareExtensionRequired => {
            ("The two ends have no key exchange in common.", "Have the server offer X25519 or P-256.")
        }
        P::NoCipherSuitesInCommon => {
            ("The two ends have no cipher suite in common.", "Have the server offer TLS 1.3, or ECDHE with AES-GCM.")
        }
        P::ExtendedMasterSecretExtensionRequired => (
            "The server does not bind its keys to the handshake (extended master secret).",
            "Have the server's TLS software updated.",
        ),
        P::EcPointsExtensionRequired | P::NoEcPointFormatsInCommon | P::UncompressedEcPointsRequired => (
            "The server takes elliptic curve points in no form that is known here.",
            "Have the server's TLS software updated.",
        ),
        P::IncorrectCertificateTypeExtension | P::UnsolicitedCertificateTypeExtension => {
            ("The server wants raw public keys instead of certificates.", "Have the server take X.509 certificates.")
        }
        _ => ("The server wants something of TLS that is not spoken here.", OPERATOR),
    }
}

fn misbehaved(fault: &PeerMisbehaved) -> &'static str {
    use PeerMisbehaved as F;
    match fault {
        F::AttemptedDowngradeToTls12WhenTls13IsSupported | F::SelectedTls12UsingTls13VersionExtension => {
            "Something on the way made both ends speak an older version of TLS than they could (a downgrade)."
        }
        F::InvalidKeyShare | F::MissingKeyShare | F::WrongGroupForKeyShare | F::SelectedUnofferedKxGroup => {
            "The server's part of the key exchange is not valid."
        }
        F::SignedKxWithWrongAlgorithm | F::SignedHandshakeWithUnadvertisedSigScheme => {
            "The server signed its handshake in a way that was not offered."
        }
        F::SelectedUnofferedApplicationProtocol => "The server chose a protocol that was not offered (ALPN).",
        F::SelectedUnofferedCipherSuite
        | F::SelectedUnusableCipherSuiteForVersion
        | F::SelectedDifferentCipherSuiteAfterRetry
        | F::CipherSuiteDifferedOnRetry => "The server chose a cipher suite that was not offered.",
        F::TooManyEmptyFragments
        | F::TooManyKeyUpdateRequests
        | F::TooManyRenegotiationRequests
        | F::TooManyWarningAlertsReceived => "The server repeats messages without end.",
        F::IllegalHelloRetryRequestWithEmptyCookie
        | F::IllegalHelloRetryRequestWithNoChanges
        | F::IllegalHelloRetryRequestWithOfferedGroup
        | F::IllegalHelloRetryRequestWithUnofferedCipherSuite
        | F::IllegalHelloRetryRequestWithUnofferedNamedGroup
        | F::IllegalHelloRetryRequestWithUnsupportedVersion
        | F::IllegalHelloRetryRequestWithWrongSessionId
        | F::IllegalHelloRetryRequestWithInvalidEch => {
            "The server asks for a second greeting that the first rules out."
        }
        _ => "The server breaks the rules of TLS.",
    }
}

const INSPECTED: &str =
    "Check for a proxy or firewall on the way that intercepts TLS; else tell whoever runs the server.";
const OPERATOR: &str = "Tell whoever runs the server.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::evidence::Record;

    #[test]
    fn what_a_server_does_wrong_is_told_without_the_words_of_the_library() {
        let errors = [
            Error::InvalidMessage(InvalidMessage::MissingData("ServerHello")),
            Error::InvalidMessage(InvalidMessage::UnsupportedCompression),
            Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon),
            Error::PeerIncompatible(PeerIncompatible::NullCompressionRequired),
            Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare),
            Error::PeerMisbehaved(PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported),
            Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived),
            Error::DecryptError,
            Error::PeerSentOversizedRecord,
            Error::General("words of the library".into()),
        ];
        for error in errors {
            let record = Record::new("corp.example:443".into());
            let failure = given_up(&record.lock(), &error);
            let facts = failure.facts();
            assert_eq!(facts.code, Code::TlsFailed, "{failure:?}");
            let told = format!("{} {:?} {:?}", facts.what, facts.why, facts.fix);
            let raw = error.to_string();
            assert!(!told.contains(&raw) && !told.contains("library") && !told.contains("::"), "{told}");
            assert_eq!(facts.evidence["cause"], raw);
            assert!(!facts.fix.is_empty());
        }
    }

    #[test]
    fn what_is_no_tls_at_all_is_told_apart_from_tls_that_breaks() {
        let garbage = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let record = Record::new("corp.example:443".into());
        assert_eq!(given_up(&record.lock(), &garbage).code(), Code::NotTls);
        record.lock().server_chain.push(vec![0].into());
        assert_eq!(given_up(&record.lock(), &garbage).code(), Code::TlsFailed);
        let old = Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13);
        assert_eq!(given_up(&record.lock(), &old).code(), Code::TlsVersionUnsupported);
    }
}

//! TLS alerts by their names in RFC 8446, section 6 (and of RFC 5246 and RFC 6066, as older servers
//! send them): what each says here, and what to do.

use rustls::AlertDescription as Alert;

use super::ours::{self, Said};
use super::{certificate_not_asked, version_too_old};
use crate::error::{AFTER_ANSWERS, Code, Failure, brief};
use crate::identity::Identity;
use crate::tls::Tls;
use crate::tls::evidence::{Evidence, Offer, Step};

/// The name of an alert, and what it means.
pub(super) struct Meaning {
    pub(super) name: String,
    /// As the end of a sentence.
    says: &'static str,
    /// Whether it can be about our certificate, once that was asked for.
    about_certificate: bool,
    fix: &'static str,
}

/// Explains a connection that the server ended with this alert.
pub(super) fn explain(tls: &Tls, evidence: &Evidence, alert: Alert, identity: Option<&Identity>) -> Failure {
    let meaning = meaning(alert);
    let target = brief(&evidence.target);
    let told = format!("The server sent the TLS alert `{}`: {}.", meaning.name, meaning.says);
    // Sent for a certificate only when one was asked for; else the two ends have nothing in common.
    let about_ours =
        alert == Alert::CertificateRequired || evidence.offer != Offer::NotAsked && meaning.about_certificate;
    let of_renegotiation = matches!(alert, Alert::HandshakeFailure | Alert::NoRenegotiation)
        && evidence.step == Step::Open
        && evidence.offer == Offer::NotAsked;
    let unasked = alert == Alert::CertificateRequired && evidence.offer == Offer::NotAsked && identity.is_some();
    let failure = if unasked {
        certificate_not_asked(evidence, identity, &told)
    } else if about_ours {
        let why = match evidence.offer {
            Offer::Presented => told,
            _ => format!("The server sent the TLS alert `{}`, and no client certificate was sent.", meaning.name),
        };
        let during = match evidence.step {
            _ if evidence.heard => AFTER_ANSWERS,
            Step::Handshake => "during the handshake",
            _ => "after the handshake",
        };
        ours::refused(tls, evidence, identity, Said { of: Some(alert), name: Some(&meaning.name) }, &why)
            .evidence("alert_came", during)
    } else if of_renegotiation {
        // Apache asks by a second handshake within the first (TLS 1.2), which this program never makes.
        let why =
            format!("After the request it wanted to shake hands once more, and sent the TLS alert `{}`.", meaning.name);
        certificate_not_asked(evidence, identity, &why)
    } else {
        match alert {
            Alert::ProtocolVersion => version_too_old(evidence).because(told),
            Alert::IllegalParameter if is_p521(identity, evidence) => {
                let what = format!("{target} takes no client certificate with a P-521 key");
                let failure = Failure::new(Code::KeyUnsupported, what)
                    .because(told)
                    .because("Over TLS 1.2 the curve of that key would have to be offered for key exchange too, which it is not.")
                    .fix("Have the server speak TLS 1.3, or use a certificate with a P-256 or P-384 key.");
                match identity {
                    Some(identity) => failure.at(identity.place()).at(identity.origin()),
                    None => failure,
                }
            }
            // No certificate was seen that could be valid.
            Alert::AccessDenied => Failure::new(Code::TlsFailed, format!("{target} allows no access from here (access_denied)"))
                .because("The server sent the TLS alert `access_denied` before it asked for a client certificate: it, or likely a firewall on the way, allows no access to this host.")
                .fix(format!("Have access to {target} allowed, in the firewall or by whoever runs the server.")),
            Alert::UnrecognisedName => Failure::new(Code::TlsFailed, format!("{target} does not know the host name"))
                .because(told)
                .fix(meaning.fix),
            Alert::HandshakeFailure => Failure::new(Code::TlsFailed, format!("{target} refused the TLS handshake"))
                .because(told)
                .because("It did not ask for a client certificate before.")
                .fix(meaning.fix),
            _ => Failure::new(Code::TlsFailed, format!("{target} ended the TLS connection ({})", meaning.name))
                .because(told)
                .fix(meaning.fix),
        }
    };
    failure.evidence("alert", meaning.name)
}

fn is_p521(identity: Option<&Identity>, evidence: &Evidence) -> bool {
    evidence.offer == Offer::Presented && identity.is_some_and(|identity| identity.facts().key_kind.contains("P-521"))
}

pub(super) fn meaning(alert: Alert) -> Meaning {
    let of = |name: &str, says: &'static str, fix: &'static str| Meaning {
        name: name.to_owned(),
        says,
        about_certificate: false,
        fix,
    };
    let ours = |name: &str, says: &'static str| Meaning { about_certificate: true, ..of(name, says, SEE_LOG) };
    match alert {
        Alert::CloseNotify => of("close_notify", "it closes the connection", SEE_LOG),
        Alert::UnexpectedMessage => of("unexpected_message", "it expected another message at this point", BETWEEN),
        Alert::BadRecordMac => of("bad_record_mac", "what it received was changed on the way", BETWEEN),
        Alert::DecryptionFailed => of("decryption_failed", "it cannot decrypt what it received", BETWEEN),
        Alert::RecordOverflow => of("record_overflow", "it received a record longer than it takes", BETWEEN),
        Alert::DecompressionFailure => of("decompression_failure", "it cannot decompress what it received", BETWEEN),
        Alert::HandshakeFailure => Meaning {
            about_certificate: true,
            ..of(
                "handshake_failure",
                "nothing that is offered suits it",
                "Have the server offer TLS 1.3, or TLS 1.2 with an ECDHE cipher suite.",
            )
        },
        Alert::NoCertificate => ours("no_certificate", "it misses the client certificate"),
        Alert::BadCertificate => ours("bad_certificate", "it finds the certificate invalid"),
        Alert::UnsupportedCertificate => {
            ours("unsupported_certificate", "the certificate is of a type or for a purpose that it does not take")
        }
        Alert::CertificateRevoked => ours("certificate_revoked", "the certificate is revoked"),
        Alert::CertificateExpired => ours("certificate_expired", "it finds the certificate expired, or not valid yet"),
        Alert::CertificateUnknown => ours("certificate_unknown", "it refuses the certificate for a reason of its own"),
        Alert::IllegalParameter => {
            of("illegal_parameter", "a value of the handshake is not one that it takes", BETWEEN)
        }
        Alert::UnknownCA => ours("unknown_ca", "it finds no way from the certificate to a CA that it trusts"),
        Alert::AccessDenied => ours("access_denied", "the certificate is valid, and its owner has no access"),
        Alert::DecodeError => of("decode_error", "it cannot read a message of the handshake", BETWEEN),
        Alert::DecryptError => ours("decrypt_error", "it could not verify a signature of the handshake"),
        Alert::ExportRestriction => of("export_restriction", "it wants weaker cryptography than is safe", MODERN),
        Alert::ProtocolVersion => of("protocol_version", "it takes none of the versions that are offered", MODERN),
        Alert::InsufficientSecurity => of(
            "insufficient_security",
            "it wants stronger cryptography than is offered",
            "Ask whoever runs the server which TLS versions and cipher suites it takes.",
        ),
        Alert::InternalError => of("internal_error", "something failed within it", SEE_LOG),
        Alert::InappropriateFallback => of(
            "inappropriate_fallback",
            "it takes this for a retry with an older version of TLS than both ends speak (RFC 7507)",
            BETWEEN,
        ),
        Alert::UserCanceled => of("user_canceled", "somebody there cancelled the handshake", SEE_LOG),
        Alert::NoRenegotiation => of("no_renegotiation", "it refuses a second handshake", SEE_LOG),
        Alert::MissingExtension => of("missing_extension", "it wants an extension that is not sent", SEE_LOG),
        Alert::UnsupportedExtension => of("unsupported_extension", "it refuses an extension that it was sent", BETWEEN),
        Alert::CertificateUnobtainable => ours("certificate_unobtainable", "it cannot fetch the certificate"),
        Alert::UnrecognisedName => of(
            "unrecognized_name",
            "it has no site of that name",
            "Check the host of the URL, and `serverName` if it is set.",
        ),
        Alert::BadCertificateStatusResponse => {
            of("bad_certificate_status_response", "it refuses a statement on revocation", SEE_LOG)
        }
        Alert::BadCertificateHashValue => {
            ours("bad_certificate_hash_value", "the certificate is not the one that was announced")
        }
        Alert::UnknownPSKIdentity => of(
            "unknown_psk_identity",
            "it wants a shared key, which is not spoken here",
            "Have the server take certificates.",
        ),
        Alert::CertificateRequired => ours("certificate_required", "it requires a client certificate"),
        Alert::NoApplicationProtocol => of(
            "no_application_protocol",
            "it speaks neither HTTP/1.1 nor HTTP/2 there",
            "Check the port of the URL: another protocol is served there.",
        ),
        Alert::EncryptedClientHelloRequired => {
            of("ech_required", "it wants an encrypted greeting, which is not spoken here", SEE_LOG)
        }
        other => of(&format!("{NAMELESS} {}", u8::from(other)), "RFC 8446 has none of that number", SEE_LOG),
    }
}

const NAMELESS: &str = "number";
const SEE_LOG: &str = "Look into the server's log for the reason, or ask whoever runs it.";
const BETWEEN: &str = "Check for a proxy or firewall on the way that changes TLS; else tell whoever runs the server.";
const MODERN: &str = "Have the server enable TLS 1.2 or 1.3.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_name_and_words_of_its_own() {
        let known: Vec<_> = (0..=u8::MAX)
            .map(|number| meaning(Alert::from(number)))
            .filter(|m| !m.name.starts_with(NAMELESS))
            .collect();
        assert!(known.len() >= 30, "{}", known.len());
        for (at, one) in known.iter().enumerate() {
            assert!(
                known[at + 1..].iter().all(|other| other.name != one.name && other.says != one.says),
                "{}",
                one.name
            );
        }
    }
}

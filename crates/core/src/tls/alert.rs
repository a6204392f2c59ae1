//! TLS alerts by their names in RFC 8446, section 6, and what they say of a client certificate.

use rustls::AlertDescription as Alert;

/// The name of an alert, and what it means after we presented a certificate, if it can be about that.
pub(super) struct Meaning {
    pub(super) name: String,
    pub(super) about_certificate: Option<&'static str>,
}

pub(super) fn meaning(alert: Alert) -> Meaning {
    let (name, about_certificate) = match alert {
        Alert::CloseNotify => ("close_notify", None),
        Alert::UnexpectedMessage => ("unexpected_message", None),
        Alert::BadRecordMac => ("bad_record_mac", None),
        Alert::HandshakeFailure => {
            ("handshake_failure", Some("the server found no acceptable certificate or parameters"))
        }
        Alert::BadCertificate => ("bad_certificate", Some("the server finds the certificate invalid")),
        Alert::UnsupportedCertificate => {
            ("unsupported_certificate", Some("the server finds the certificate to be of the wrong type or purpose"))
        }
        Alert::CertificateRevoked => ("certificate_revoked", Some("the certificate is revoked")),
        Alert::CertificateExpired => ("certificate_expired", Some("the certificate is expired or not yet valid")),
        Alert::CertificateUnknown => {
            ("certificate_unknown", Some("the server refuses the certificate for a reason of its own"))
        }
        Alert::IllegalParameter => ("illegal_parameter", None),
        Alert::UnknownCA => (
            "unknown_ca",
            Some("the server does not trust the CA that issued the certificate, or an intermediate is missing"),
        ),
        Alert::AccessDenied => ("access_denied", Some("the certificate is valid, and its owner has no access")),
        Alert::DecodeError => ("decode_error", None),
        Alert::DecryptError => ("decrypt_error", Some("the server could not verify the signature of our key")),
        Alert::ProtocolVersion => ("protocol_version", None),
        Alert::InsufficientSecurity => ("insufficient_security", None),
        Alert::InternalError => ("internal_error", None),
        Alert::UnrecognisedName => ("unrecognized_name", None),
        Alert::CertificateRequired => ("certificate_required", Some("the server requires a client certificate")),
        Alert::NoApplicationProtocol => ("no_application_protocol", None),
        other => return Meaning { name: format!("number {}", u8::from(other)), about_certificate: None },
    };
    Meaning { name: name.to_owned(), about_certificate }
}

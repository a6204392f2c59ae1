//! What a certificate says of itself, in words for people and in values for checks.

mod algorithm;
mod date;
mod name;

pub use algorithm::key_kind;
pub use date::date;
pub use name::distinguished_name;
pub(crate) use name::may_be_below;

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage};
use x509_parser::prelude::FromDer;

use crate::config::Pin;
use crate::error::plain;

/// What one certificate says of itself.
///
/// All text in it can be told as it is: control characters are gone and no text is longer than 200
/// characters. It says what stands in the certificate, not whether anyone should believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// The subject as RFC 4514 writes it, most specific part first: `CN=alice, O=Example`. Empty when there is none.
    pub subject: String,
    /// The issuer, written likewise.
    pub issuer: String,
    /// The subject's common name, the last one if there are several.
    pub common_name: Option<String>,
    /// The alternative names that are DNS names, IP addresses, URIs or mail addresses.
    pub names: Vec<String>,
    /// The serial number in lower-case hex.
    pub serial: String,
    /// The first moment at which it is valid.
    pub not_before: OffsetDateTime,
    /// The last moment at which it is valid.
    pub not_after: OffsetDateTime,
    /// Whether it may sign other certificates.
    pub is_ca: bool,
    /// Whether subject and issuer are the same name.
    pub self_issued: bool,
    /// `digitalSignature` and so on; empty when the certificate does not limit them.
    pub key_usages: Vec<String>,
    /// `clientAuth`, `serverAuth`, `any` and so on, or an OID; empty when the certificate does not limit them.
    pub extended_key_usages: Vec<String>,
    /// The kind and size of its key: `ECDSA P-256`, `RSA 2048`, `Ed25519`.
    pub key_kind: String,
    /// How its issuer signed it: `ECDSA with SHA-256`.
    pub signature_algorithm: String,
    /// The SHA-256 of the whole certificate in lower-case hex.
    pub fingerprint: String,
    /// The subject in DER.
    pub subject_der: Vec<u8>,
    /// The issuer in DER.
    pub issuer_der: Vec<u8>,
    /// The `SubjectPublicKeyInfo` in DER.
    pub public_key_der: Vec<u8>,
}

/// The bytes are not one X.509 certificate in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACertificate;

impl CertificateFacts {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// The bytes are something else, are damaged, or go on after the certificate.
    pub fn parse(der: &[u8]) -> Result<Self, NotACertificate> {
        let Ok((&[], certificate)) = X509Certificate::from_der(der) else { return Err(NotACertificate) };
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        let usages = certificate.key_usage().ok().flatten().map(|usage| key_usages(*usage.value));
        let extended = certificate.extended_key_usage().ok().flatten().map(|usage| extended_key_usages(usage.value));
        Ok(Self {
            subject: name::written(subject),
            issuer: name::written(issuer),
            common_name: name::common_name(subject),
            names: name::alternatives(&certificate),
            serial: hex(strip_zeros(certificate.raw_serial())),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            is_ca: certificate.is_ca(),
            self_issued: subject.as_raw() == issuer.as_raw(),
            key_usages: usages.unwrap_or_default(),
            extended_key_usages: extended.unwrap_or_default(),
            key_kind: algorithm::kind_of(certificate.public_key()),
            signature_algorithm: algorithm::signature(&certificate.signature_algorithm),
            fingerprint: fingerprint(der),
            subject_der: subject.as_raw().to_vec(),
            issuer_der: issuer.as_raw().to_vec(),
            public_key_der: certificate.public_key().raw.to_vec(),
        })
    }

    /// What to call it: its subject, else the first of its names.
    #[must_use]
    pub fn title(&self) -> &str {
        match (self.subject.as_str(), self.names.first()) {
            ("", Some(name)) => name,
            ("", None) => "(no name)",
            (subject, _) => subject,
        }
    }

    /// The pin of its key, as it stands in settings: `sha256/BASE64=` (RFC 7469, section 2.4).
    #[must_use]
    pub fn pin(&self) -> String {
        Pin::of(&self.public_key_der).to_string()
    }

    /// One line for messages: `CN=alice, expires 2026-12-04 (in 12 days)`.
    #[must_use]
    pub fn describe(&self, now: OffsetDateTime) -> String {
        let (verb, at) = if now < self.not_before {
            ("valid from", self.not_before)
        } else if now > self.not_after {
            ("expired", self.not_after)
        } else {
            ("expires", self.not_after)
        };
        format!("{}, {verb} {}", self.title(), date(at, now))
    }
}

/// The SHA-256 of something in DER, in lower-case hex.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    hex(&Sha256::digest(der))
}

fn key_usages(usage: KeyUsage) -> Vec<String> {
    // The order of the bits in RFC 5280, section 4.2.1.3.
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .map(|(_, name)| name.to_owned())
    .collect()
}

fn extended_key_usages(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.client_auth, "clientAuth"),
        (usage.server_auth, "serverAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "ocspSigning"),
        (usage.any, "any"),
    ];
    let known = known.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
    known.chain(usage.other.iter().map(|oid| plain(&oid.to_id_string()))).collect()
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros.min(number.len().saturating_sub(1))..]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;

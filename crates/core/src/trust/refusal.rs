//! Why a server is not believed.

use rustls::CertificateError;
use time::OffsetDateTime;
use webpki::Error;

use super::{Link, NotTheServer, Unfit, Unusable};

/// Why a server is not believed.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// Its certificate, or the path to a root.
    Invalid(Error),
    /// The one name of its self-signed certificate is another.
    OtherName,
    /// Its self-signed certificate is not for servers.
    NotForServers,
    /// A revocation list names one of its certificates.
    Revoked(Box<Revoked>),
    /// No revocation list covers its certificate, which this CA has issued. `in_part` when there are
    /// lists of that CA, and all are for other certificates of it.
    NotCovered { issuer: String, in_part: bool },
    /// Its certificate is its own issuer, which no revocation list can cover.
    OwnIssuer,
    /// The revocation list of this CA is out of date since then.
    OutOfDate { issuer: String, since: OffsetDateTime, place: String },
    /// The revocation list of its CA cannot be used.
    UnusableList { issuer: String, why: Unusable, place: String },
    /// The CA certificate of `ca` that signed it cannot vouch for it.
    UnfitRoot(Box<Unfit>),
    /// The path, from the leaf to the root, has none of the pins.
    NotPinned(Vec<Link>),
    /// Its certificate has another SPIFFE ID than expected, or none.
    NotTheServer(NotTheServer),
}

/// A certificate that is revoked.
#[derive(Clone, Debug)]
pub(crate) struct Revoked {
    /// What the certificate is called.
    pub(crate) title: String,
    /// Who revoked it.
    pub(crate) issuer: String,
    pub(crate) serial: String,
    pub(crate) since: Option<OffsetDateTime>,
    /// As RFC 5280 names it.
    pub(crate) reason: Option<&'static str>,
    /// Where the list came from.
    pub(crate) place: String,
}

impl Refusal {
    /// What rustls makes the alert of; the evidence keeps the refusal itself.
    pub(crate) fn to_rustls(&self) -> rustls::Error {
        use CertificateError as Tls;
        rustls::Error::InvalidCertificate(match self {
            Self::Invalid(Error::CertExpired { .. }) => Tls::Expired,
            Self::Invalid(Error::CertNotValidYet { .. }) => Tls::NotValidYet,
            Self::Invalid(Error::CertNotValidForName(_)) | Self::OtherName => Tls::NotValidForName,
            Self::Invalid(Error::UnknownIssuer) | Self::UnfitRoot(_) => Tls::UnknownIssuer,
            Self::Invalid(Error::InvalidSignatureForPublicKey) => Tls::BadSignature,
            Self::Invalid(Error::RequiredEkuNotFoundContext(_)) | Self::NotForServers => Tls::InvalidPurpose,
            Self::Invalid(_) => Tls::BadEncoding,
            Self::Revoked(_) => Tls::Revoked,
            Self::NotCovered { .. } | Self::OwnIssuer | Self::UnusableList { .. } => Tls::UnknownRevocationStatus,
            Self::OutOfDate { .. } => Tls::ExpiredRevocationList,
            Self::NotPinned(_) | Self::NotTheServer(_) => Tls::ApplicationVerificationFailure,
        })
    }
}

//! Pins: public keys of which the verified path must have one (RFC 7469, section 2.6).

use rustls::DistinguishedName;
use rustls::pki_types::CertificateDer;
use webpki::{Cert, VerifiedPath, spki_for_anchor};

use super::Refusal;
use crate::config::Pin;
use crate::identity::facts::{CertificateFacts, distinguished_name};

/// One certificate of a verified path, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) subject: String,
    pub(crate) pin: Pin,
}

impl Link {
    /// A certificate that was presented.
    pub(super) fn of(der: &CertificateDer<'_>) -> Self {
        let facts = CertificateFacts::parse(der);
        // What cannot be read has no key, and so the pin of nothing.
        let key = facts.as_ref().map_or(&[][..], |facts| &facts.public_key_der);
        Self { pin: Pin::of(key), subject: facts.as_ref().map_or("", CertificateFacts::title).to_owned() }
    }

    fn within(certificate: &Cert<'_>) -> Self {
        Self { pin: Pin::of(&certificate.subject_public_key_info()), ..Self::of(&certificate.der()) }
    }
}

/// The path as the verifier built it, from the leaf to the root. What else the server presented is
/// not in it: anybody can append the pinned certificate.
pub(super) fn links(path: &VerifiedPath<'_>) -> Vec<Link> {
    let anchor = path.anchor();
    let root = Link {
        subject: distinguished_name(DistinguishedName::in_sequence(&anchor.subject).as_ref()),
        pin: Pin::of(&spki_for_anchor(anchor)),
    };
    let certificates = std::iter::once(&**path.end_entity()).chain(path.intermediate_certificates());
    certificates.map(Link::within).chain([root]).collect()
}

/// Whether the path has one of the pins; without pins every path will do.
pub(super) fn check(pins: &[Pin], path: impl FnOnce() -> Vec<Link>) -> Result<(), Refusal> {
    if pins.is_empty() {
        return Ok(());
    }
    let path = path();
    if path.iter().any(|link| pins.contains(&link.pin)) { Ok(()) } else { Err(Refusal::NotPinned(path)) }
}

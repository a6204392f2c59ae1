//! The CA certificates that `ca` holds. The verifier keeps only their names and keys; what else they
//! say of themselves is checked here.

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime};
use webpki::{VerifiedPath, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::signature::Signed;
use crate::identity::facts::CertificateFacts;
use time::OffsetDateTime;

/// CA certificates, and what the verifier wants of them.
pub(super) struct Authorities {
    /// Where they came from.
    pub(super) place: String,
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// In the same order.
    certificates: Vec<Authority>,
}

struct Authority {
    der: CertificateDer<'static>,
    title: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    /// How many CAs may follow below it.
    path_length: Option<u32>,
    for_servers: bool,
}

/// A CA certificate of `ca` that cannot vouch for this server.
#[derive(Clone, Debug)]
pub(crate) struct Unfit {
    pub(crate) title: String,
    pub(crate) place: String,
    pub(crate) why: UnfitFor,
}

/// Why it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnfitFor {
    /// It ended then.
    Expired(OffsetDateTime),
    /// It begins only then.
    NotYetValid(OffsetDateTime),
    /// Its extended key usage has no serverAuth.
    Servers,
    /// Only so many CAs may follow below it.
    SoLong(u32),
}

/// Why a certificate may sign no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAuthority {
    Unreadable,
    NoCa,
    NoCertSign,
}

impl Authorities {
    pub(super) fn new(place: String) -> Self {
        Self { place, anchors: Vec::new(), certificates: Vec::new() }
    }

    /// Adds a certificate that may sign others (RFC 5280, section 6.1.4 (k) and (n)).
    pub(super) fn add(&mut self, der: &CertificateDer<'static>) -> Result<(), NoAuthority> {
        let anchor = anchor_from_trusted_cert(der).map_err(|_| NoAuthority::Unreadable)?;
        let Ok((&[], certificate)) = X509Certificate::from_der(der) else { return Err(NoAuthority::Unreadable) };
        let path_length = match certificate.basic_constraints() {
            Ok(Some(constraints)) if constraints.value.ca => constraints.value.path_len_constraint,
            _ => return Err(NoAuthority::NoCa),
        };
        if !certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign())) {
            return Err(NoAuthority::NoCertSign);
        }
        let for_servers = certificate
            .extended_key_usage()
            .is_ok_and(|usage| usage.is_none_or(|usage| usage.value.server_auth || usage.value.any));
        let facts = CertificateFacts::parse(der).map_err(|_| NoAuthority::Unreadable)?;
        self.certificates.push(Authority {
            title: facts.title().to_owned(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            path_length,
            for_servers,
            der: der.clone(),
        });
        self.anchors.push(anchor.to_owned());
        Ok(())
    }

    /// The first of this name, in DER.
    pub(super) fn named(&self, name: &[u8]) -> Option<CertificateFacts> {
        self.facts().find(|facts| facts.subject_der == name)
    }

    /// What each says of itself.
    pub(super) fn facts(&self) -> impl Iterator<Item = CertificateFacts> {
        self.certificates.iter().filter_map(|authority| CertificateFacts::parse(&authority.der).ok())
    }

    /// Whether the certificate to which the path leads may vouch for it at this time.
    pub(super) fn check(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Result<(), Unfit> {
        let Some(root) = self.at_the_end_of(path) else { return Ok(()) };
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let below = path.intermediate_certificates().count();
        let why = match root.path_length {
            _ if now > root.not_after.unix_timestamp() => UnfitFor::Expired(root.not_after),
            _ if now < root.not_before.unix_timestamp() => UnfitFor::NotYetValid(root.not_before),
            _ if !root.for_servers => UnfitFor::Servers,
            Some(most) if u32::try_from(below).is_ok_and(|below| below > most) => UnfitFor::SoLong(most),
            _ => return Ok(()),
        };
        Err(Unfit { title: root.title.clone(), place: self.place.clone(), why })
    }

    /// The certificate to which the path leads, and the keys that signed it, as far as they are known:
    /// another of `ca`, or one that is presented.
    pub(super) fn root_and_signers(
        &self,
        path: &VerifiedPath<'_>,
        presented: &[CertificateDer<'_>],
    ) -> Option<(CertificateDer<'static>, Vec<SubjectPublicKeyInfoDer<'static>>)> {
        let root = &self.at_the_end_of(path)?.der;
        let (_, parsed) = X509Certificate::from_der(root).ok()?;
        let signature = Signed::read(root)?;
        let own = self.certificates.iter().map(|authority| authority.der.as_ref());
        let key_of = |der: &[u8]| {
            let (_, other) = X509Certificate::from_der(der).ok()?;
            let key = SubjectPublicKeyInfoDer::from(other.public_key().raw.to_vec());
            (other.subject().as_raw() == parsed.issuer().as_raw() && signature.verify(&key).is_ok()).then_some(key)
        };
        let signers = own.chain(presented.iter().map(AsRef::as_ref)).filter_map(key_of).collect();
        Some((root.clone(), signers))
    }

    fn at_the_end_of(&self, path: &VerifiedPath<'_>) -> Option<&Authority> {
        // Several may share name and key, and differ in all else.
        let index = self.anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()))?;
        self.certificates.get(index)
    }
}

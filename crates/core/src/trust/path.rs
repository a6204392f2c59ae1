//! A path from the server's certificate to a root, with all that must hold along it.

use std::cell::RefCell;
use std::slice;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{Cert, EndEntityCert, Error, KeyUsage, RevocationOptions, VerifiedPath, spki_for_anchor};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::authority::Authorities;
use super::revocation::{self, Revocation, Signer, Step};
use super::{Presented, Refusal, pins};
use crate::config::Pin;
use crate::identity::facts::CertificateFacts;
use crate::identity::provider;

/// What a path must fulfil.
pub(super) struct Checks<'a> {
    pub(super) presented: Presented<'a>,
    pub(super) pins: &'a [Pin],
    pub(super) revocation: &'a Revocation,
    /// Whether a revocation list must cover the leaf, when there are any.
    pub(super) covered: bool,
    /// Whether the leaf must have the name of the server.
    pub(super) named: bool,
}

/// Whether a path that leads to a root will do.
type Judge<'a> = dyn Fn(&VerifiedPath<'_>) -> Result<(), Error> + 'a;

impl Checks<'_> {
    /// Finds a path to one of these roots (RFC 5280, section 6) that has one of the pins, and on which
    /// nothing is revoked; then looks at the name (RFC 9525), and whether a revocation list covers the leaf.
    pub(super) fn verify(&self, anchors: &[TrustAnchor<'static>]) -> Result<(), Refusal> {
        self.verify_with(anchors, None)
    }

    /// The same with the certificates of `ca`, which must hold too.
    pub(super) fn verify_by(&self, authorities: &Authorities) -> Result<(), Refusal> {
        self.verify_with(&authorities.anchors, Some(authorities))
    }

    fn verify_with(&self, anchors: &[TrustAnchor<'static>], authorities: Option<&Authorities>) -> Result<(), Refusal> {
        let leaf = EndEntityCert::try_from(self.presented.leaf).map_err(Refusal::Invalid)?;
        let refused = RefCell::new(None);
        let judge = |path: &VerifiedPath<'_>| {
            self.judge(path, authorities).map_err(|refusal| {
                let mut refused = refused.borrow_mut();
                // What is wrong with a path whose root holds says more.
                if matches!(*refused, None | Some(Refusal::UnfitRoot(_))) {
                    *refused = Some(refusal);
                }
                // The search for another path goes on.
                Error::UnknownIssuer
            })
        };
        let path = self.path(&leaf, anchors, self.presented.intermediates, None, Some(&judge));
        let path = path.map_err(|error| match refused.take() {
            // That it has a right name as well is part of what is told of pins.
            Some(refusal @ Refusal::NotPinned(_)) => self.check_name(&leaf).err().unwrap_or(refusal),
            Some(refusal) => refusal,
            None => Refusal::Invalid(error),
        })?;
        self.check_name(&leaf)?;
        if self.covered && !self.revocation.is_empty() {
            self.check_coverage(&leaf, &path, authorities)?;
        }
        Ok(())
    }

    /// Whether a path that the verifier has found will do.
    fn judge(&self, path: &VerifiedPath<'_>, authorities: Option<&Authorities>) -> Result<(), Refusal> {
        if let Some(authorities) = authorities {
            authorities.check(path, self.presented.now).map_err(|unfit| Refusal::UnfitRoot(Box::new(unfit)))?;
        }
        if !self.revocation.is_empty() {
            self.revocation.check(&self.steps(path, authorities), self.presented.now)?;
        }
        pins::check(self.pins, || pins::links(path))
    }

    /// The path again, on which the status of the leaf must be known. A CA whose status no list knows
    /// may be on it.
    fn check_coverage(
        &self,
        leaf: &EndEntityCert<'_>,
        path: &VerifiedPath<'_>,
        authorities: Option<&Authorities>,
    ) -> Result<(), Refusal> {
        let steps = self.steps(path, authorities);
        let lists = self.revocation.of_leaf(&steps);
        let not_covered = |in_part| {
            let facts = CertificateFacts::parse(self.presented.leaf);
            Refusal::NotCovered { issuer: facts.map_or_else(|_| String::new(), |facts| facts.issuer), in_part }
        };
        let Some(options) = revocation::options(&lists) else { return Err(not_covered(false)) };
        let intermediates: Vec<CertificateDer<'_>> = path.intermediate_certificates().map(Cert::der).collect();
        match self.path(leaf, slice::from_ref(path.anchor()), &intermediates, Some(options), None) {
            Ok(_) => Ok(()),
            Err(Error::UnknownRevocationStatus) => Err(not_covered(true)),
            Err(error) => Err(Refusal::Invalid(error)),
        }
    }

    fn check_name(&self, leaf: &EndEntityCert<'_>) -> Result<(), Refusal> {
        if !self.named {
            return Ok(());
        }
        leaf.verify_is_valid_for_subject_name(self.presented.name).map_err(Refusal::Invalid)
    }

    /// The certificates of a path with who signed each, that of `ca` at its end included.
    fn steps(&self, path: &VerifiedPath<'_>, authorities: Option<&Authorities>) -> Vec<Step> {
        let below = std::iter::once(&**path.end_entity()).chain(path.intermediate_certificates());
        let signers = path
            .intermediate_certificates()
            .map(|next| Signer::Next { key: next.subject_public_key_info(), signs_lists: signs_lists(&next.der()) });
        // The verifier does not know what a root may sign.
        let root = Signer::Next { key: spki_for_anchor(path.anchor()), signs_lists: true };
        let end = authorities.and_then(|own| own.root_and_signers(path, self.presented.intermediates));
        below
            .zip(signers.chain([root]))
            .map(|(certificate, signer)| Step { certificate: certificate.der().into_owned(), signer })
            .chain(end.map(|(certificate, keys)| Step { certificate, signer: Signer::BeyondTheEnd(keys) }))
            .collect()
    }

    fn path<'p>(
        &self,
        leaf: &'p EndEntityCert<'p>,
        anchors: &'p [TrustAnchor<'_>],
        intermediates: &'p [CertificateDer<'p>],
        revocation: Option<RevocationOptions<'_>>,
        verify: Option<&Judge<'_>>,
    ) -> Result<VerifiedPath<'p>, Error> {
        leaf.verify_for_usage(
            provider().signature_verification_algorithms.all,
            anchors,
            intermediates,
            self.presented.now,
            KeyUsage::server_auth(),
            revocation,
            verify,
        )
    }
}

/// Whether the key usage lets a CA sign revocation lists (RFC 5280, section 4.2.1.3).
fn signs_lists(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| {
        certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.crl_sign()))
    })
}

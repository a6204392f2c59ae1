//! A path from the server's certificate to a root, with all that must hold along it.

use std::cell::RefCell;
use std::slice;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{Cert, EndEntityCert, Error, KeyUsage, RevocationCheckDepth, UnknownStatusPolicy, VerifiedPath};

use super::revocation::Revocation;
use super::{Presented, Refusal, pins};
use crate::config::Pin;
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
    /// nothing is revoked; then looks at the name (RFC 9525).
    pub(super) fn verify(&self, anchors: &[TrustAnchor<'static>]) -> Result<(), Refusal> {
        let leaf = EndEntityCert::try_from(self.presented.leaf).map_err(Refusal::Invalid)?;
        let not_pinned = RefCell::new(None);
        let pinned = |path: &VerifiedPath<'_>| {
            pins::check(self.pins, || pins::links(path)).map_err(|refusal| {
                not_pinned.replace(Some(refusal));
                // The search for another path goes on.
                Error::UnknownIssuer
            })
        };
        // A CA whose status no list knows may be on the path, but none that a list revokes.
        let every = (RevocationCheckDepth::Chain, UnknownStatusPolicy::Allow);
        let path = self.path(&leaf, anchors, self.presented.intermediates, every, Some(&pinned));
        let path = path.map_err(|error| match not_pinned.take() {
            Some(refusal) => refusal,
            None => self.revocation.refusal(error, self.presented),
        })?;
        if self.covered && !self.revocation.is_empty() {
            // The same path again, on which the status of the leaf must be known.
            let intermediates: Vec<CertificateDer<'_>> = path.intermediate_certificates().map(Cert::der).collect();
            let known = (RevocationCheckDepth::EndEntity, UnknownStatusPolicy::Deny);
            self.path(&leaf, slice::from_ref(path.anchor()), &intermediates, known, None)
                .map_err(|error| self.revocation.refusal(error, self.presented))?;
        }
        if !self.named {
            return Ok(());
        }
        leaf.verify_is_valid_for_subject_name(self.presented.name).map_err(Refusal::Invalid)
    }

    fn path<'p>(
        &self,
        leaf: &'p EndEntityCert<'p>,
        anchors: &'p [TrustAnchor<'_>],
        intermediates: &'p [CertificateDer<'p>],
        (depth, unknown): (RevocationCheckDepth, UnknownStatusPolicy),
        verify: Option<&Judge<'_>>,
    ) -> Result<VerifiedPath<'p>, Error> {
        let lists = self.revocation.lists();
        leaf.verify_for_usage(
            provider().signature_verification_algorithms.all,
            anchors,
            intermediates,
            self.presented.now,
            KeyUsage::server_auth(),
            Revocation::options(&lists, depth, unknown),
            verify,
        )
    }
}

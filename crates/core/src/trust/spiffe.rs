//! A server that is known by its SPIFFE ID: whoever owns the name in the URL says nothing of it.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::TrustAnchor;

use super::path::Checks;
use super::revocation::Revocation;
use super::{Presented, Refusal};
use crate::config::{Pin, Spiffe, SpiffeId, SpiffeServer};
use crate::error::{Code, Failure, Result, quoted};
use crate::identity::Identity;
use crate::identity::facts::CertificateFacts;
use crate::identity::spiffe::{NotSvid, spiffe_id};

/// Which SPIFFE IDs are believed, and the CA certificates of their trust domain.
pub(crate) struct SpiffeTrust {
    expected: SpiffeServer,
    domain: String,
    roots: Vec<TrustAnchor<'static>>,
    /// The subjects of the roots, for messages.
    subjects: Vec<String>,
}

/// Why a certificate is not that of the server, whoever signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotTheServer {
    /// It identifies nobody.
    NotSvid(NotSvid),
    /// It identifies somebody else.
    Other(SpiffeId),
}

impl SpiffeTrust {
    /// # Errors
    /// `bundle-missing`.
    pub(super) fn load(settings: &Spiffe, identity: Option<&Identity>) -> Result<Self> {
        let Some((own, bundles)) = identity.and_then(Identity::bundles) else {
            return Err(Failure::new(
                Code::BundleMissing,
                "There is no SPIFFE identity whose bundles could be trusted",
            )
            .at(settings.origin.to_string())
            .fix("Have the SPIFFE agent give this program an identity."));
        };
        let domain = match &settings.server {
            SpiffeServer::Id(id) => id.trust_domain(),
            SpiffeServer::AnyInTrustDomain => own,
        };
        let bundle = bundles.of(domain).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(bundle.iter().cloned());
        if roots.is_empty() {
            let known: Vec<_> = bundles.domains().take(TOLD_DOMAINS).map(quoted).collect();
            let what = format!("No server of the trust domain `{domain}` can be verified");
            return Err(Failure::new(Code::BundleMissing, what)
                .at(settings.origin.to_string())
                .because(format!("The SPIFFE agent gives the CA certificates of {}.", known.join(", ")))
                .fix(format!(
                    "Have the trust domain federated with `{domain}`, and our registration say so (`-federatesWith`)."
                ))
                .fix("Correct `serverId`."));
        }
        let subjects = bundle.iter().filter_map(|der| CertificateFacts::parse(der).ok());
        Ok(Self {
            expected: settings.server.clone(),
            domain: domain.to_owned(),
            roots: roots.roots,
            subjects: subjects.map(|facts| facts.title().to_owned()).collect(),
        })
    }

    /// Verifies that the leaf is the SVID of the expected server, and that its own trust domain signed it.
    pub(super) fn verify(
        &self,
        presented: Presented<'_>,
        pins: &[Pin],
        revocation: &Revocation,
    ) -> std::result::Result<(), Refusal> {
        let refused = |why| Err(Refusal::NotTheServer(why));
        let id = match spiffe_id(presented.leaf) {
            Ok(id) => id,
            Err(why) => return refused(NotTheServer::NotSvid(why)),
        };
        let expected = match &self.expected {
            SpiffeServer::Id(expected) => id == *expected,
            SpiffeServer::AnyInTrustDomain => id.trust_domain() == self.domain,
        };
        if !expected {
            return refused(NotTheServer::Other(id));
        }
        // Whoever has the name in the URL says nothing of the ID.
        Checks { presented, pins, revocation, covered: false, named: false }.verify(&self.roots)
    }

    /// Which servers are believed, as the end of a sentence.
    pub(crate) fn expected(&self) -> String {
        match &self.expected {
            SpiffeServer::Id(id) => format!("{id} (`serverId`)"),
            SpiffeServer::AnyInTrustDomain => format!("any ID of the trust domain `{}`", self.domain),
        }
    }

    /// The trust domain of those servers.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// The subjects of its CA certificates.
    pub(crate) fn subjects(&self) -> &[String] {
        &self.subjects
    }
}

impl fmt::Debug for SpiffeTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpiffeTrust")
            .field("expected", &self.expected)
            .field("roots", &self.subjects)
            .finish_non_exhaustive()
    }
}

/// How many trust domains are told.
const TOLD_DOMAINS: usize = 10;

//! Whom we believe: the roots that a server's certificate must lead to, and what it must show besides.

mod authority;
mod exact;
mod linked;
mod path;
mod pins;
mod refusal;
mod revocation;
mod roots;
mod signature;
mod spiffe;

pub(crate) use authority::{Unfit, UnfitFor};
pub(crate) use pins::Link;
pub(crate) use refusal::{Refusal, Revoked};
pub(crate) use revocation::Unusable;
pub(crate) use signature::NotSigned;
pub(crate) use spiffe::{NotTheServer, SpiffeTrust};

use std::fmt;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

use crate::config::{Pin, Tls};
use crate::error::Result;
use crate::identity::Identity;
use crate::identity::facts::CertificateFacts;
use revocation::Revocation;
use roots::Roots;

/// The trusted roots (those of `ca`, and the system's unless they are switched off), pins and
/// revocation lists.
pub struct Trust {
    roots: Roots,
    pins: Vec<Pin>,
    revocation: Revocation,
    /// Whom to believe instead of all these roots.
    spiffe: Option<SpiffeTrust>,
    origins: Origins,
}

/// Where the settings stand that say whom to believe, for messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Those of the roots: `ca`, or `spiffe` instead of it.
    pub(crate) roots: Option<String>,
    pub(crate) pins: Option<String>,
    pub(crate) crl: Option<String>,
    pub(crate) server_name: Option<String>,
}

impl Origins {
    fn of(settings: &Tls) -> Self {
        let ca = settings.ca.as_ref().map(|ca| ca.origin.to_string());
        Self {
            roots: settings.spiffe.as_ref().map(|spiffe| spiffe.origin.to_string()).or(ca),
            pins: settings.pins_origin.as_ref().map(ToString::to_string),
            crl: settings.crl.as_ref().map(|crl| crl.origin.to_string()),
            server_name: settings.server_name_origin.as_ref().map(ToString::to_string),
        }
    }
}

/// What one server presents in a handshake, and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) leaf: &'a CertificateDer<'a>,
    /// As the server sends them: in any order, and perhaps more than belong to it.
    pub(crate) intermediates: &'a [CertificateDer<'a>],
    pub(crate) name: &'a ServerName<'a>,
    pub(crate) now: UnixTime,
}

impl Trust {
    /// Loads what the settings name, and with SPIFFE what came with the identity. Reads files, so it
    /// may block.
    ///
    /// # Errors
    /// `file-unreadable`, `material-invalid`, `key-unsupported`, `crl-invalid`, `bundle-missing`.
    pub fn load(settings: &Tls, identity: Option<&Identity>) -> Result<Self> {
        Ok(Self {
            roots: Roots::load(settings.ca.as_ref(), settings.system_roots)?,
            pins: settings.pins.clone(),
            revocation: Revocation::load(settings.crl.as_ref())?,
            spiffe: settings.spiffe.as_ref().map(|spiffe| SpiffeTrust::load(spiffe, identity)).transpose()?,
            origins: Origins::of(settings),
        })
    }

    /// Verifies a server: the path to a root, the name, the pins, and that nothing is revoked.
    pub(crate) fn verify(&self, presented: Presented<'_>) -> std::result::Result<(), Refusal> {
        self.check(presented, &self.pins, true)
    }

    /// Verifies a proxy on the way. Pins and the demand for a revocation list are about the server;
    /// a list that does cover the proxy counts.
    pub(crate) fn verify_proxy(&self, presented: Presented<'_>) -> std::result::Result<(), Refusal> {
        self.check(presented, &[], false)
    }

    fn check(&self, presented: Presented<'_>, pins: &[Pin], covered: bool) -> std::result::Result<(), Refusal> {
        if let Some(spiffe) = &self.spiffe {
            return spiffe.verify(presented, pins, &self.revocation);
        }
        if self.roots.vouch_for(presented.leaf) {
            exact::verify(presented)?;
            pins::check(pins, || vec![Link::of(presented.leaf)])?;
            // Nobody but itself could revoke it, and what is not in `ca` any more is not believed.
            return if covered && !self.revocation.is_empty() { Err(Refusal::OwnIssuer) } else { Ok(()) };
        }
        let checks = path::Checks { presented, pins, revocation: &self.revocation, covered, named: true };
        let by_ca = match self.roots.ca() {
            Some(authorities) => checks.verify_by(authorities),
            None => checks.verify(&[]),
        };
        // A root of the same name and another key, or one that has ended, says as little of the others as none.
        let Err(
            Refusal::Invalid(webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey)
            | Refusal::UnfitRoot(_),
        ) = by_ca
        else {
            return by_ca;
        };
        match self.roots.system().map(|anchors| checks.verify(anchors)) {
            None | Some(Err(Refusal::Invalid(webpki::Error::UnknownIssuer))) => by_ca,
            Some(by_system) => by_system,
        }
    }

    /// Whether verification will read the system's roots before anything else.
    pub(crate) fn needs_system_roots(&self) -> bool {
        self.spiffe.is_none() && self.roots.need_system()
    }

    /// Loads the system's roots. Reads files, so it may block.
    ///
    /// # Errors
    /// `trust-empty` when there are none and `ca` is not set.
    pub(crate) fn load_system_roots(&self) -> Result<()> {
        self.roots.load_system()
    }

    /// Whether `ca` holds this certificate, which signed itself.
    pub(crate) fn vouches_for(&self, leaf: &CertificateDer<'_>) -> bool {
        self.roots.vouch_for(leaf)
    }

    /// The file that `ca` names, and the subjects in it.
    pub(crate) fn source(&self) -> Option<(&str, &[String])> {
        self.roots.source()
    }

    /// The certificates that `ca` holds, as far as they make servers trusted.
    pub(crate) fn authorities(&self) -> Vec<CertificateFacts> {
        self.roots.authorities()
    }

    /// The names of the certificates in `ca`, in DER.
    pub(crate) fn names(&self) -> &[Vec<u8>] {
        self.roots.names()
    }

    /// A CA of this name (in DER) that `ca` holds, and in which file.
    pub(crate) fn authority(&self, name: &[u8]) -> Option<(CertificateFacts, &str)> {
        let ca = self.roots.ca()?;
        Some((ca.named(name)?, ca.place.as_str()))
    }

    /// Where its settings stand.
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether the system's roots are trusted.
    pub(crate) fn trusts_system(&self) -> bool {
        self.roots.trust_system()
    }

    /// What is believed of SPIFFE IDs.
    pub(crate) fn spiffe(&self) -> Option<&SpiffeTrust> {
        self.spiffe.as_ref()
    }

    /// The issuer of each revocation list, and when the next one is due.
    pub(crate) fn revocation_lists(&self) -> impl Iterator<Item = (&str, OffsetDateTime)> {
        self.revocation.lists()
    }

    /// The pins of which the server must have one.
    pub(crate) fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("ca", &self.roots.source())
            .field("system_roots", &self.roots.trust_system())
            .field("pins", &self.pins.len())
            .field("crl", &self.revocation)
            .field("spiffe", &self.spiffe)
            .finish_non_exhaustive()
    }
}

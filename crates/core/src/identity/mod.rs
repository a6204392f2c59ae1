//! Who we are: a certificate chain and its private key, from one of several sources (one file a
//! source), and facts about certificates.

mod der;
mod encrypted;
pub mod facts;
mod files;
mod footprint;
mod key;
mod lifetime;
pub mod pem;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod pkcs12;
mod program;
pub(crate) mod spiffe;
mod unlock;

pub use encrypted::EncryptedKey;
pub use key::PrivateKey;
#[cfg(feature = "pkcs11")]
pub use pkcs11::{certificates_on_tokens, close_tokens};
pub use pkcs12::Pkcs12;

pub(crate) use files::{place, read, wrong_kind};
pub(crate) use footprint::Footprint;
pub(crate) use key::provider;
pub(crate) use pkcs12::locked_store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use facts::CertificateFacts;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use time::OffsetDateTime;

use crate::config::{Material, Spiffe, SpiffeId, Tls};
#[cfg(not(feature = "pkcs11"))]
use crate::error::Code;
use crate::error::{Failure, Result};
use crate::secret::Secret;
use spiffe::{Bundles, Update, Workload};

/// A client certificate with its chain and key, proved to belong together.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    facts: Arc<CertificateFacts>,
    place: String,
    origin: String,
    renew_at: Option<OffsetDateTime>,
    warnings: Vec<Failure>,
    notes: Vec<String>,
    /// The certificates of its file in their order there; none of sources without one.
    written: Arc<[CertificateFacts]>,
    is_pkcs12: bool,
    /// Of an identity that is made anew while we run: where it came from, and what it was made of.
    workload: Option<(Arc<Workload>, Arc<Update>)>,
    /// Whether a signature may take so long that no async thread may wait for it.
    signs_slowly: bool,
}

impl Identity {
    /// Loads the identity that the settings name; `None` when they name none.
    ///
    /// Reads files, runs a program, decrypts an encrypted key, which takes as long as whoever
    /// encrypted it wanted it to, asks a token for a signature, and waits for the SPIFFE Workload API;
    /// so it may block for some seconds.
    ///
    /// # Errors
    /// `file-unreadable`, `material-invalid`, `key-missing`, `key-mismatch`, `key-encrypted`,
    /// `key-ambiguous`, `key-unsupported`, `passphrase-wrong`, `passphrase-needless`, `secret-exposed`;
    /// `token-module-failed`, `token-missing`, `token-object-missing`, `token-ambiguous`, `token-failed`,
    /// `pin-missing`, `pin-malformed`, `pin-wrong`, `pin-final-try`, `pin-locked`; `exec-failed`, `exec-output-invalid`; `workload-unavailable`, `svid-missing`, `svid-invalid`.
    pub fn load(settings: &Tls) -> Result<Option<Self>> {
        if let Some(spiffe) = &settings.spiffe {
            return Self::of_workload(Workload::open(spiffe, WORKLOAD_TIME)?, spiffe).map(Some);
        }
        if let Some(program) = &settings.exec {
            return program::load(program).map(Some);
        }
        if let Some(material) = [&settings.key, &settings.cert].into_iter().flatten().find(|one| one.is_on_token()) {
            return on_token(settings, material).map(Some);
        }
        settings
            .cert
            .as_ref()
            .map(|cert| files::load(cert, settings.key.as_ref(), settings.passphrase.as_ref()))
            .transpose()
    }

    /// `chain` is not empty and begins with the leaf, whose key is `key`.
    fn new(
        mut chain: Vec<(Vec<u8>, CertificateFacts)>,
        key: Arc<dyn SigningKey>,
        place: String,
        origin: String,
    ) -> Self {
        let facts = Arc::new(chain[0].1.clone());
        let certificates = chain.drain(..).map(|(der, _)| CertificateDer::from(der)).collect();
        Self {
            certified: Arc::new(CertifiedKey::new(certificates, key)),
            facts,
            place,
            origin,
            renew_at: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            written: Arc::default(),
            is_pkcs12: false,
            signs_slowly: false,
            workload: None,
        }
    }

    fn of_workload(workload: Arc<Workload>, settings: &Spiffe) -> Result<Self> {
        let update = workload.latest()?;
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(update.chain().to_vec(), Arc::clone(update.key()))),
            facts: Arc::new(update.leaf().clone()),
            place: format!("the SPIFFE agent at unix://{}", settings.socket.display()),
            origin: settings.origin.to_string(),
            renew_at: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            written: Arc::default(),
            is_pkcs12: false,
            signs_slowly: false,
            workload: Some((workload, update)),
        })
    }

    /// Whether its source gives the next one by itself.
    pub(crate) fn renews_itself(&self) -> bool {
        self.workload.is_some() || self.renew_at.is_some()
    }

    /// The certificates that are shown, the leaf first.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Whether its source will give, or has given, another to use instead. Never blocks.
    #[must_use]
    pub fn is_outdated(&self, now: OffsetDateTime) -> bool {
        let given = self.workload.as_ref().is_some_and(|(workload, update)| workload.is_past(update));
        given || self.renew_at.is_some_and(|at| at <= now)
    }

    /// The identity as its source has it now; `self` stays as it is. A source that is listened to
    /// is not asked again, and does not block.
    ///
    /// # Errors
    /// Those of [`Identity::load`]. After `svid-missing` the agent has taken the identity back, and
    /// `self` should not be used any more either.
    pub fn renewed(&self, settings: &Tls) -> Result<Option<Self>> {
        match (&self.workload, &settings.spiffe) {
            (Some((workload, _)), Some(spiffe)) => Self::of_workload(Arc::clone(workload), spiffe).map(Some),
            _ => Self::load(settings),
        }
    }

    /// What the certificate says of itself.
    #[must_use]
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// The file it came from.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The setting that named it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// When to load it again, since what gave it will give another by then; none for one that only
    /// changes when somebody changes it. It is at least 10 s after it was loaded.
    #[must_use]
    pub fn renew_at(&self) -> Option<OffsetDateTime> {
        self.renew_at
    }

    /// What works, and should be seen to.
    #[must_use]
    pub fn warnings(&self) -> &[Failure] {
        &self.warnings
    }

    /// What deserves a word but stops nothing.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The certificates of its file in their order there; none of sources that have no order.
    pub(crate) fn written(&self) -> &[CertificateFacts] {
        &self.written
    }

    /// Whether it came from a PKCS#12 file.
    pub(crate) fn is_pkcs12(&self) -> bool {
        self.is_pkcs12
    }

    /// What to call it: its SPIFFE ID when it has one, else its subject.
    pub(crate) fn title(&self) -> &str {
        self.spiffe_id().map_or(self.facts.title(), SpiffeId::as_str)
    }

    /// The SPIFFE ID that the Workload API gave it.
    pub(crate) fn spiffe_id(&self) -> Option<&SpiffeId> {
        self.workload.as_ref().map(|(_, update)| update.id())
    }

    /// The SPIFFE trust domain that it is in, and the CA certificates that came with it.
    pub(crate) fn bundles(&self) -> Option<(&str, &Bundles)> {
        self.workload.as_ref().map(|(_, update)| (update.id().trust_domain(), update.bundles()))
    }

    /// Whether a handshake must run where it may block, since the key signs on a token.
    pub(crate) fn signs_slowly(&self) -> bool {
        self.signs_slowly
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// The URI of an object on a token, without what may be secret in it.
fn uri_of(uri: &Secret) -> String {
    #[cfg(feature = "pkcs11")]
    if let Some(told) = pkcs11::told(uri) {
        return told;
    }
    let _ = uri;
    "a `pkcs11:` URI".to_owned()
}

#[cfg(feature = "pkcs11")]
fn on_token(settings: &Tls, _material: &Material) -> Result<Identity> {
    pkcs11::load(settings)
}

#[cfg(not(feature = "pkcs11"))]
fn on_token(_settings: &Tls, material: &Material) -> Result<Identity> {
    Err(Failure::new(Code::TokenModuleFailed, "This build of mcp-mtls reaches no tokens")
        .at(material.origin.to_string())
        .because("It was built without the feature `pkcs11`.")
        .fix("Use a build with that feature, or a key in a file."))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Identity");
        debug.field("subject", &self.facts.subject);
        if let Some((_, update)) = &self.workload {
            debug.field("version", &update.version());
        }
        debug.finish_non_exhaustive()
    }
}

/// How long the first answer of a Workload API may take. Half of the time that an `initialize` has.
const WORKLOAD_TIME: Duration = Duration::from_secs(5);

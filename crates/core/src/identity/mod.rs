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
mod program;
mod unlock;

pub use encrypted::EncryptedKey;
pub use key::PrivateKey;

pub(crate) use files::{place, read, wrong_kind};
pub(crate) use footprint::Footprint;
pub(crate) use key::provider;

use std::fmt;
use std::sync::Arc;

use facts::CertificateFacts;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use time::OffsetDateTime;

use crate::config::Tls;
use crate::error::Result;

/// A client certificate with its chain and key, proved to belong together.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    facts: Arc<CertificateFacts>,
    place: String,
    origin: String,
    renew_at: Option<OffsetDateTime>,
    notes: Vec<String>,
}

impl Identity {
    /// Loads the identity that the settings name; `None` when they name none.
    ///
    /// Reads files, runs a program, and decrypts an encrypted key, which takes as long as whoever
    /// encrypted it wanted it to; so it may block for some seconds.
    ///
    /// # Errors
    /// `file-unreadable`, `material-invalid`, `key-missing`, `key-mismatch`, `key-encrypted`,
    /// `key-unsupported`, `passphrase-wrong`, `passphrase-needless`, `exec-failed`, `exec-output-invalid`.
    pub fn load(settings: &Tls) -> Result<Option<Self>> {
        if let Some(program) = &settings.exec {
            return program::load(program).map(Some);
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
            notes: Vec::new(),
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

    /// What deserves a word but stops nothing.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("subject", &self.facts.subject).finish_non_exhaustive()
    }
}

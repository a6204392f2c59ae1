//! Whom we believe: the roots that a server's certificate must lead to.

mod spiffe;

pub(crate) use spiffe::{NotTheServer, SpiffeTrust};

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error as TlsError};

use crate::config::Tls;
use crate::error::{Code, Failure, Result};
use crate::identity::facts::CertificateFacts;
use crate::identity::{Identity, locked_store, place, provider, read, wrong_kind};

/// The trusted roots: those of `ca`, and the system's unless they are switched off.
pub struct Trust {
    ca: Option<Arc<WebPkiServerVerifier>>,
    /// What `ca` names: the file and the subjects in it, for messages.
    source: Option<(String, Vec<String>)>,
    system_roots: bool,
    /// Loaded when first needed: a server of a private CA never needs them, and they cost
    /// milliseconds at the start.
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    /// Whom to believe instead of all these roots.
    spiffe: Option<SpiffeTrust>,
}

impl Trust {
    /// Loads what the settings name, and with SPIFFE what came with the identity. Reads files, so it
    /// may block.
    ///
    /// # Errors
    /// `file-unreadable`, `material-invalid`, `key-unsupported`, `bundle-missing`.
    pub fn load(settings: &Tls, identity: Option<&Identity>) -> Result<Self> {
        let mut trust = Self {
            ca: None,
            source: None,
            system_roots: settings.system_roots,
            system: OnceLock::new(),
            spiffe: settings.spiffe.as_ref().map(|spiffe| SpiffeTrust::load(spiffe, identity)).transpose()?,
        };
        if let Some(ca) = &settings.ca {
            let pem = read(ca, "CA certificate")?.opened();
            if let Some(file) = &pem.pkcs12 {
                return Err(locked_store(ca, file));
            }
            if pem.certificates.is_empty() {
                return Err(wrong_kind(ca, "CA certificate", &pem));
            }
            let subjects = pem.certificates.iter().filter_map(|der| CertificateFacts::parse(der).ok());
            trust.source = Some((place(ca), subjects.map(|facts| facts.subject).collect()));
            let certificates = pem.certificates.into_iter().map(CertificateDer::from);
            trust.ca = Some(verifier(certificates).ok_or_else(|| {
                Failure::new(Code::MaterialInvalid, "The CA certificate cannot be used")
                    .at(place(ca))
                    .at(ca.origin.to_string())
                    .because("None of its certificates can serve as a root.")
            })?);
        }
        Ok(trust)
    }

    /// Whether verification will read the system's roots before anything else.
    pub(crate) fn needs_system_roots(&self) -> bool {
        self.ca.is_none() && self.spiffe.is_none() && self.system.get().is_none()
    }

    /// Loads the system's roots. Reads files, so it may block.
    ///
    /// # Errors
    /// `trust-empty` when there are none and `ca` is not set.
    pub(crate) fn load_system_roots(&self) -> Result<()> {
        if self.system().is_some() || self.ca.is_some() {
            return Ok(());
        }
        Err(Failure::new(Code::TrustEmpty, "No server can be verified: the system has no trusted roots")
            .because("`ca` is not set, and the system's store of CA certificates is empty or missing.")
            .fix("Set `ca` to the CA of the server.")
            .fix("Install the system's CA certificates (the package ca-certificates)."))
    }

    /// Verifies a server's certificate against `ca` first and the system's roots then; together
    /// they are one set, since a chain ends in one root.
    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        use CertificateError::{BadSignature, UnknownIssuer};
        if let Some(spiffe) = &self.spiffe {
            return spiffe.verify(leaf, intermediates, now);
        }
        let verify = |roots: &Arc<WebPkiServerVerifier>| roots.verify_server_cert(leaf, intermediates, name, &[], now);
        let by_ca = self.ca.as_ref().map_or(Err(TlsError::InvalidCertificate(UnknownIssuer)), verify);
        // A root of the same name and another key says as little of the others as none at all.
        let Err(TlsError::InvalidCertificate(UnknownIssuer | BadSignature)) = by_ca else { return by_ca };
        match self.system().map(verify) {
            None | Some(Err(TlsError::InvalidCertificate(UnknownIssuer))) => by_ca,
            Some(by_system) => by_system,
        }
    }

    /// The file that `ca` names, and the subjects in it.
    pub(crate) fn source(&self) -> Option<(&str, &[String])> {
        self.source.as_ref().map(|(place, subjects)| (place.as_str(), subjects.as_slice()))
    }

    /// What is believed of SPIFFE IDs.
    pub(crate) fn spiffe(&self) -> Option<&SpiffeTrust> {
        self.spiffe.as_ref()
    }

    /// Whether the system's roots are trusted.
    pub(crate) fn trusts_system(&self) -> bool {
        self.system_roots
    }

    /// With `ca` set, this reads the store within a handshake, once in the life of the process
    /// and only for a server of a public CA: a millisecond, where loading it always would cost
    /// every start that.
    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        if !self.system_roots {
            return None;
        }
        // What cannot be read in the system's store is not ours to report while other roots are there.
        self.system.get_or_init(|| verifier(rustls_native_certs::load_native_certs().certs)).as_ref()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("ca", &self.source)
            .field("system_roots", &self.system_roots)
            .field("spiffe", &self.spiffe)
            .finish_non_exhaustive()
    }
}

/// A verifier over these roots; none when no certificate can serve as a root.
fn verifier(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()
}

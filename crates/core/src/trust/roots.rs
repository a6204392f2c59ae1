//! The roots: those of `ca`, and the system's.

use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::config::Material;
use crate::error::{Code, Failure, Result};
use crate::identity::facts::CertificateFacts;
use crate::identity::{locked_store, place, read, wrong_kind};

/// The trusted roots.
pub(super) struct Roots {
    ca: Option<Ca>,
    trust_system: bool,
    /// Loaded when first needed: a server of a private CA never needs them, and they cost
    /// milliseconds at the start. None when there are none.
    system: OnceLock<Option<Vec<TrustAnchor<'static>>>>,
}

/// What `ca` names.
struct Ca {
    place: String,
    subjects: Vec<String>,
    anchors: Vec<TrustAnchor<'static>>,
    /// Those that name themselves as their issuer, of which a server may present one as its own.
    self_issued: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn load(ca: Option<&Material>, trust_system: bool) -> Result<Self> {
        Ok(Self { ca: ca.map(Ca::load).transpose()?, trust_system, system: OnceLock::new() })
    }

    pub(super) fn ca(&self) -> &[TrustAnchor<'static>] {
        self.ca.as_ref().map_or(&[], |ca| &ca.anchors)
    }

    /// Whether `ca` holds this very certificate, and it names itself as its issuer.
    pub(super) fn vouch_for(&self, leaf: &CertificateDer<'_>) -> bool {
        self.ca.as_ref().is_some_and(|ca| ca.self_issued.iter().any(|own| own.as_ref() == leaf.as_ref()))
    }

    pub(super) fn source(&self) -> Option<(&str, &[String])> {
        self.ca.as_ref().map(|ca| (ca.place.as_str(), ca.subjects.as_slice()))
    }

    pub(super) fn trust_system(&self) -> bool {
        self.trust_system
    }

    pub(super) fn need_system(&self) -> bool {
        self.ca.is_none() && self.system.get().is_none()
    }

    pub(super) fn load_system(&self) -> Result<()> {
        if self.system().is_some() || self.ca.is_some() {
            return Ok(());
        }
        Err(Failure::new(Code::TrustEmpty, "No server can be verified: the system has no trusted roots")
            .because("`ca` is not set, and the system's store of CA certificates is empty or missing.")
            .fix("Set `ca` to the CA of the server.")
            .fix("Install the system's CA certificates (the package ca-certificates)."))
    }

    /// With `ca` set, this reads the store within a handshake, once in the life of the process
    /// and only for a server of a public CA: a millisecond, where loading it always would cost
    /// every start that.
    pub(super) fn system(&self) -> Option<&[TrustAnchor<'static>]> {
        if !self.trust_system {
            return None;
        }
        let load = || {
            // What cannot be read in the system's store is not ours to report while other roots are there.
            let anchors = anchors(rustls_native_certs::load_native_certs().certs);
            (!anchors.is_empty()).then_some(anchors)
        };
        self.system.get_or_init(load).as_deref()
    }
}

impl Ca {
    fn load(material: &Material) -> Result<Self> {
        let pem = read(material, "CA certificate")?.opened();
        if let Some(file) = &pem.pkcs12 {
            return Err(locked_store(material, file));
        }
        if pem.certificates.is_empty() {
            return Err(wrong_kind(material, "CA certificate", &pem));
        }
        let mut subjects = Vec::new();
        let mut self_issued = Vec::new();
        for der in &pem.certificates {
            let Ok(facts) = CertificateFacts::parse(der) else { continue };
            subjects.push(facts.subject);
            if facts.self_issued {
                self_issued.push(CertificateDer::from(der.clone()));
            }
        }
        let anchors = anchors(pem.certificates.into_iter().map(CertificateDer::from));
        if anchors.is_empty() && self_issued.is_empty() {
            return Err(Failure::new(Code::MaterialInvalid, "The CA certificate cannot be used")
                .at(place(material))
                .at(material.origin.to_string())
                .because("None of its certificates can serve as a root."));
        }
        Ok(Self { place: place(material), subjects, anchors, self_issued })
    }
}

fn anchors(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Vec<TrustAnchor<'static>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots.roots
}

//! The roots: those of `ca`, and the system's.

use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};

use super::authority::{Authorities, NoAuthority};
use crate::config::Material;
use crate::error::{Code, Failure, Result, brief, quoted};
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
    subjects: Vec<String>,
    /// The same in DER.
    names: Vec<Vec<u8>>,
    authorities: Authorities,
    /// Those that name themselves as their issuer, of which a server may present one as its own.
    self_issued: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn load(ca: Option<&Material>, trust_system: bool) -> Result<Self> {
        Ok(Self { ca: ca.map(Ca::load).transpose()?, trust_system, system: OnceLock::new() })
    }

    pub(super) fn ca(&self) -> Option<&Authorities> {
        self.ca.as_ref().map(|ca| &ca.authorities)
    }

    /// Whether `ca` holds this very certificate, and it names itself as its issuer.
    pub(super) fn vouch_for(&self, leaf: &CertificateDer<'_>) -> bool {
        self.ca.as_ref().is_some_and(|ca| ca.self_issued.iter().any(|own| own.as_ref() == leaf.as_ref()))
    }

    pub(super) fn source(&self) -> Option<(&str, &[String])> {
        self.ca.as_ref().map(|ca| (ca.authorities.place.as_str(), ca.subjects.as_slice()))
    }

    pub(super) fn authorities(&self) -> Vec<CertificateFacts> {
        let Some(ca) = &self.ca else { return Vec::new() };
        let mut all: Vec<_> = ca.authorities.facts().collect();
        let own = ca.self_issued.iter().filter_map(|der| CertificateFacts::parse(der).ok());
        for facts in own {
            if !all.iter().any(|other| other.fingerprint == facts.fingerprint) {
                all.push(facts);
            }
        }
        all
    }

    pub(super) fn names(&self) -> &[Vec<u8>] {
        self.ca.as_ref().map_or(&[], |ca| &ca.names)
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
            .at("the system's store of CA certificates")
            .because("`ca` is not set, and the system's store of CA certificates is empty or missing.")
            .fix("Set `ca` (--ca) to the CA of the server.")
            .fix("Install the system's CA certificates (the package ca-certificates); SSL_CERT_FILE, where it is set, names another file."))
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
        let mut ca = Self {
            subjects: Vec::new(),
            names: Vec::new(),
            authorities: Authorities::new(place(material)),
            self_issued: Vec::new(),
        };
        // One that vouches for nobody does no harm beside others, as in the file of a server's whole chain.
        let mut of_no_use = None;
        for (index, der) in pem.certificates.into_iter().map(CertificateDer::from).enumerate() {
            let added = ca.authorities.add(&der);
            let Ok(facts) = CertificateFacts::parse(&der) else {
                let which = format!("Certificate {} of it", index + 1);
                of_no_use.get_or_insert_with(|| unusable(material, &which, None, NoAuthority::Unreadable));
                continue;
            };
            match added {
                Err(why) if !facts.self_issued => {
                    of_no_use
                        .get_or_insert_with(|| unusable(material, &quoted(facts.title()), Some(&facts.issuer), why));
                    continue;
                }
                _ => {}
            }
            ca.subjects.push(facts.subject);
            ca.names.push(facts.subject_der);
            if facts.self_issued {
                ca.self_issued.push(der);
            }
        }
        of_no_use.filter(|_| ca.subjects.is_empty()).map_or(Ok(ca), Err)
    }
}

/// A certificate that could neither sign that of a server nor be one that signed itself.
fn unusable(material: &Material, which: &str, issuer: Option<&str>, why: NoAuthority) -> Failure {
    let why = match why {
        NoAuthority::Unreadable => "cannot be read",
        NoAuthority::NoCa => "is not that of a CA (basicConstraints CA:TRUE), and did not sign itself",
        NoAuthority::NoCertSign => "may not sign others (key usage keyCertSign), and did not sign itself",
    };
    let fix = match issuer {
        Some(issuer) => format!("Set `ca` to the certificate of its issuer, {}.", brief(&quoted(issuer))),
        None => "Set `ca` to the certificate of the CA that signed the server's.".to_owned(),
    };
    Failure::new(Code::MaterialInvalid, "`ca` holds no CA that could make a server trusted")
        .at(place(material))
        .at(material.origin.to_string())
        .because(format!("{which} {why}."))
        .fix(fix)
}

fn anchors(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Vec<TrustAnchor<'static>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots.roots
}

//! One answer of the Workload API, proved to be of use: the SVID that we present, and the bundles.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::SigningKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::message::{Response, Svid};
use super::svid::spiffe_id;
use super::trouble;
use crate::config::{Spiffe, SpiffeId};
use crate::error::{Result, quoted};
use crate::identity::facts::CertificateFacts;
use crate::identity::key::PrivateKey;

/// What holds until the next update.
pub(crate) struct Update {
    version: u64,
    id: SpiffeId,
    leaf: CertificateFacts,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
    bundles: Bundles,
}

/// The CA certificates of trust domains, by the name of the trust domain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bundles(BTreeMap<String, Vec<CertificateDer<'static>>>);

impl Update {
    /// Reads a message of the stream, and picks the SVID that the settings name.
    ///
    /// # Errors
    /// `svid-missing`, `svid-invalid`, `crl-invalid`.
    pub(super) fn read(message: &[u8], settings: &Spiffe) -> Result<Self> {
        let invalid = |why: String| trouble::invalid(why, settings);
        let response =
            Response::read(message).map_err(|_| invalid("It cannot be read, or lacks what it must have.".into()))?;
        if response.has_revocations {
            // To pass over them would be to trust what somebody has revoked.
            return Err(trouble::revocations(settings));
        }
        let svid = match &settings.id {
            Some(id) => response.svids.iter().find(|svid| svid.id == id.as_str()),
            // The first is the default (SPIFFE Workload API, section 5.3).
            None => response.svids.first(),
        };
        let Some(svid) = svid else {
            let ids = response.svids.iter().map(|svid| svid.id);
            return Err(trouble::no_such_id(ids, settings));
        };
        let (id, leaf, chain, key) = check(svid).map_err(invalid)?;
        let bundles = Bundles::read(svid, &response).map_err(invalid)?;
        Ok(Self { version: 0, id, leaf, chain, key, bundles })
    }

    pub(super) fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// How many updates there were with it; the same again is none.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether nothing but the version differs.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.chain == other.chain && self.bundles == other.bundles
    }

    /// Who we are.
    pub(crate) fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// What our certificate says of itself.
    pub(crate) fn leaf(&self) -> &CertificateFacts {
        &self.leaf
    }

    /// Our certificate, then its issuers.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key of our certificate.
    pub(crate) fn key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }

    /// Whom to believe.
    pub(crate) fn bundles(&self) -> &Bundles {
        &self.bundles
    }
}

impl Bundles {
    /// Our own trust domain's comes first, and counts before what others say of it.
    fn read(own: &Svid<'_>, response: &Response<'_>) -> Result<Self, String> {
        let svids = std::iter::once(own).chain(&response.svids).map(|svid| (svid.id, svid.bundle));
        let mut bundles = Self(BTreeMap::new());
        for (id, bundle) in svids.chain(response.federated.iter().copied()) {
            let name = domain(id)?;
            if bundles.of(&name).is_none() {
                bundles.0.insert(name, certificates(bundle)?);
            }
        }
        Ok(bundles)
    }

    /// The CA certificates of this trust domain.
    pub(crate) fn of(&self, domain: &str) -> Option<&[CertificateDer<'static>]> {
        self.0.get(domain).map(Vec::as_slice)
    }

    /// The trust domains that there are bundles of.
    pub(crate) fn domains(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

type Checked = (SpiffeId, CertificateFacts, Vec<CertificateDer<'static>>, Arc<dyn SigningKey>);

/// Proves that certificate, ID and key belong together.
fn check(svid: &Svid<'_>) -> Result<Checked, String> {
    let chain = certificates(svid.chain)?;
    let leaf = chain.first().ok_or("It has no certificate.")?;
    let id = spiffe_id(leaf).map_err(|why| format!("{why}."))?;
    if id.as_str() != svid.id {
        return Err(format!("It calls {} what is the certificate of {id}.", quoted(svid.id)));
    }
    let facts = CertificateFacts::parse(leaf).map_err(|_| "The certificate cannot be read.")?;
    let key = PrivateKey::from_der(svid.key.to_vec()).and_then(|key| key.signing_key());
    let key = key.ok_or("The private key is of a kind that cannot be used, or damaged.")?;
    if key.public_key().is_none_or(|public| *public != *facts.public_key_der) {
        return Err(format!("The private key is not that of the certificate of {id}."));
    }
    Ok((id, facts, chain, key))
}

/// Certificates in DER, one behind the other.
fn certificates(mut der: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut certificates = Vec::new();
    while !der.is_empty() {
        let (rest, _) = X509Certificate::from_der(der).map_err(|_| "A certificate cannot be read.")?;
        let (certificate, rest) = der.split_at(der.len() - rest.len());
        certificates.push(CertificateDer::from(certificate.to_vec()));
        der = rest;
    }
    Ok(certificates)
}

/// The trust domain of an ID. Some agents name that of a bundle without `spiffe://`.
fn domain(id: &str) -> Result<String, String> {
    let id = if id.contains("://") { SpiffeId::parse(id) } else { SpiffeId::parse(&format!("spiffe://{id}")) };
    id.map(|id| id.trust_domain().to_owned()).map_err(|why| format!("The name of a trust domain in it {why}."))
}

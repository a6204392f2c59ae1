//! Which of the presented certificates could be believed as `ca`: those above the server's own, held
//! together by signatures. A name proves nothing, since anybody can write it into a certificate.

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::{Cert, EndEntityCert, KeyUsage, RawPublicKeyEntity, VerifiedPath, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{Presented, Trust};
use crate::identity::facts::CertificateFacts;
use crate::identity::provider;

/// So many CAs above a certificate, as the verifier takes too: each is searched for among all that a
/// server presents.
const DEPTH: usize = 6;

impl Trust {
    /// The places of these certificates among all that the server presents, the leaf being at 0.
    ///
    /// Where the system's roots vouch for the chain, they are those on the path to such a root: anybody can
    /// issue another certificate for the key of a CA, and sign that with a CA of his own.
    pub(crate) fn linked(&self, presented: Presented<'_>) -> Vec<usize> {
        let Presented { leaf, intermediates, .. } = presented;
        let chain: Vec<_> = std::iter::once(leaf).chain(intermediates).collect();
        let verified = EndEntityCert::try_from(leaf).ok().and_then(|parsed| {
            let path = parsed.verify_for_usage(
                provider().signature_verification_algorithms.all,
                self.roots.system()?,
                intermediates,
                presented.now,
                KeyUsage::server_auth(),
                None,
                None,
            );
            Some(on_path(&path.ok()?, &chain))
        });
        verified.unwrap_or_else(|| by_signature(&chain))
    }
}

/// The CAs on the path, and the root when it is presented too.
fn on_path(path: &VerifiedPath<'_>, chain: &[&CertificateDer<'_>]) -> Vec<usize> {
    let is_root = |der: &CertificateDer<'_>| anchor_from_trusted_cert(der).is_ok_and(|anchor| anchor == *path.anchor());
    let above = path.intermediate_certificates().map(Cert::der);
    let mut places: Vec<_> = above.filter_map(|der| chain.iter().position(|one| **one == der)).collect();
    places.extend(chain.iter().position(|der| is_root(der) && signs(der, der)));
    places
}

/// A leaf that signed itself, or the CAs above it.
fn by_signature(chain: &[&CertificateDer<'_>]) -> Vec<usize> {
    let facts: Vec<_> = chain.iter().map(|der| CertificateFacts::parse(der).ok()).collect();
    let named = |above: usize, below: usize| {
        let (Some(above), Some(below)) = (&facts[above], &facts[below]) else { return false };
        above.subject_der == below.issuer_der
    };
    let linked = |above: usize, below: usize| named(above, below) && signs(chain[above], chain[below]);
    if linked(0, 0) {
        return vec![0];
    }
    let is_ca = |at: usize| facts[at].as_ref().is_some_and(|facts| facts.is_ca);
    let mut places: Vec<usize> = Vec::new();
    while places.len() < DEPTH {
        let below = places.last().copied().unwrap_or(0);
        let above = (1..chain.len()).find(|at| !places.contains(at) && is_ca(*at) && linked(*at, below));
        let Some(above) = above else { break };
        places.push(above);
    }
    places
}

/// Whether the key of `above` signed `below`.
fn signs(above: &CertificateDer<'_>, below: &CertificateDer<'_>) -> bool {
    let (Ok((_, above)), Ok((_, below))) = (X509Certificate::from_der(above), X509Certificate::from_der(below)) else {
        return false;
    };
    let key = SubjectPublicKeyInfoDer::from(above.public_key().raw);
    let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
    let (signed, signature) = (below.tbs_certificate.as_ref(), below.signature_value.data.as_ref());
    // An algorithm for another kind of key, or another hash, does not verify.
    let all = provider().signature_verification_algorithms.all;
    all.iter().any(|algorithm| key.verify_signature(*algorithm, signed, signature).is_ok())
}

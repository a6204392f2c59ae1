//! The two decisions of a handshake, whom we believe and who we are, each written down as made.
//!
//! One recorder serves one connection. That is possible because sessions are never resumed: a
//! resumed session shows the server the identity of an earlier handshake, with neither our
//! certificate nor the server's looked at again.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use webpki::EndEntityCert;

use super::evidence::{Offer, Record};
use super::{Peer, signature};
use crate::identity::facts::CertificateFacts;
use crate::trust::{Presented, Trust};

/// Verifies the server and presents the client certificate, for one connection.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) record: Record,
    pub(super) peer: Peer,
    pub(super) trust: Arc<Trust>,
    pub(super) certified: Option<Arc<CertifiedKey>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        self.record.lock().server_chain = chain.map(|der| der.clone().into_owned()).collect();
        let presented = Presented { leaf: end_entity, intermediates, name: server_name, now };
        let verified = match self.peer {
            Peer::Server => self.trust.verify(presented),
            Peer::Proxy => self.trust.verify_proxy(presented),
        };
        verified.map(|()| ServerCertVerified::assertion()).map_err(|refusal| {
            let error = refusal.to_rustls();
            self.record.lock().refusal = Some(refusal);
            error
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.key_of_version_1(cert) {
            Some(key) => signature::verify_tls12(message, &key, dss, &self.algorithms),
            None => verify_tls12_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.key_of_version_1(cert) {
            Some(key) => verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms),
            None => verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Recorder {
    /// The key of a certificate of version 1, which is believed only when `ca` holds it, and of which
    /// the library would not even check the signature.
    fn key_of_version_1(&self, certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
        let unread = matches!(EndEntityCert::try_from(certificate), Err(webpki::Error::UnsupportedCertVersion));
        let facts = CertificateFacts::parse(certificate).ok().filter(|_| unread && self.trust.vouches_for(certificate));
        facts.map(|facts| facts.public_key_der.into())
    }
}

impl ResolvesClientCert for Recorder {
    /// The certificate is presented whatever CAs the server names: an issuer that is not among
    /// them may lead to one that is.
    fn resolve(&self, root_hint_subjects: &[&[u8]], sigschemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut evidence = self.record.lock();
        evidence.acceptable = root_hint_subjects.iter().map(|name| name.to_vec()).collect();
        let Some(certified) = &self.certified else {
            evidence.offer = Offer::NoneConfigured;
            return None;
        };
        if certified.key.choose_scheme(sigschemes).is_none() {
            // rustls would go on and send an empty certificate; the caller ends the connection.
            evidence.offer = Offer::CannotSign;
            return None;
        }
        evidence.offer = Offer::Presented;
        Some(Arc::clone(certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

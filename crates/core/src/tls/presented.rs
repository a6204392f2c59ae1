//! What a server presents, looked at without believing it.
//!
//! This handshake cannot end well: its verifier refuses whatever comes. So nothing is ever sent over
//! such a connection, neither a request nor the client certificate, which a client sends after it
//! has believed the server.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use url::Host;

use super::{Peer, Record, Tls, server_name, untrusted};
use crate::error::{Code, Failure, Result};
use crate::trust::Presented;

/// What a server presents.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The leaf first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// The places of those that could be believed as `ca`.
    pub(crate) linked: Vec<usize>,
    /// Whether a connection would believe it.
    pub(crate) verdict: Result<()>,
}

/// Takes what is presented, and refuses it.
#[derive(Debug)]
struct Onlooker {
    seen: Mutex<Vec<CertificateDer<'static>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Tls {
    /// What the server presents. The connection ends here.
    ///
    /// # Errors
    /// Every failure of a handshake before the server's certificate.
    pub(crate) async fn presented<S>(&self, stream: S, host: &Host, record: &Record) -> Result<Seen>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let roots = self.prepare().await;
        let name = server_name(self.name_of(host, Peer::Server))?;
        let onlooker =
            Arc::new(Onlooker { seen: Mutex::default(), algorithms: self.provider.signature_verification_algorithms });
        let mut config: ClientConfig = self.base.clone();
        config.dangerous().set_certificate_verifier(onlooker.clone());
        let handshake = TlsConnector::from(Arc::new(config)).connect(name.clone(), self.greet(stream, record)).await;
        let seen = std::mem::take(&mut *onlooker.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let (leaf, intermediates) = match (seen.split_first(), handshake) {
            (Some(presented), _) => presented,
            (None, Err(error)) => return Err(self.explain_handshake(record, &error, Peer::Server)),
            // The verifier refuses, so that there is no such end.
            (None, Ok(_)) => {
                return Err(Failure::new(Code::TlsFailed, "The server presents no certificate")
                    .fix("Check the port of the URL."));
            }
        };
        let presented = Presented { leaf, intermediates, name: &name, now: UnixTime::now() };
        // The system may have no roots; that says nothing of the server.
        let verdict = roots.and_then(|()| {
            let refusal = self.trust.verify(presented);
            let mut evidence = record.lock();
            evidence.server_chain.clone_from(&seen);
            refusal.map_err(|refusal| untrusted::explain(self, &evidence, &refusal, Peer::Server))
        });
        let linked = self.trust.linked(presented);
        Ok(Seen { certificates: seen, linked, verdict })
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain.map(|der| der.clone().into_owned()).collect();
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

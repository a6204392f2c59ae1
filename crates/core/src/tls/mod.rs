//! Opens one connection, and explains why one failed.

mod alert;
mod dial;
mod evidence;
mod explain;
mod recorder;
mod tap;

pub(crate) use dial::dial;
pub(crate) use evidence::{Offer, Record, Step};
pub(crate) use tap::Tap;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::error::{Code, Failure, Result};
use crate::identity::{Identity, provider};
use crate::trust::Trust;
use recorder::Recorder;

/// Who we are and whom we believe, for the TLS connections to one origin.
pub(crate) struct Tls {
    identity: Option<Identity>,
    trust: Arc<Trust>,
    provider: Arc<CryptoProvider>,
    base: ClientConfig,
    /// Whether the server has answered a request, and so has taken our identity as it is.
    proved: AtomicBool,
}

/// Which of the two ends a handshake is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The server, to which the client certificate is offered.
    Server,
    /// A proxy on the way, which never sees the client certificate.
    Proxy,
}

impl Tls {
    pub(crate) fn new(identity: Option<Identity>, trust: Trust) -> Result<Self> {
        let provider = provider();
        let trust = Arc::new(trust);
        let nobody = Arc::new(Recorder {
            record: Record::new(String::new()),
            trust: Arc::clone(&trust),
            certified: None,
            algorithms: provider.signature_verification_algorithms,
        });
        let mut base = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(Code::TlsFailed, "TLS cannot be set up").because(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(nobody)
            .with_no_client_auth();
        // A resumed session would show the server the identity of an earlier handshake, and its evidence
        // would be that handshake's. Few connections are opened; each proves itself anew.
        base.resumption = Resumption::disabled();
        Ok(Self { identity, trust, provider, base, proved: AtomicBool::new(false) })
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Loads what a handshake will need off the async threads, so that it does not block there.
    pub(crate) async fn prepare(&self) -> Result<()> {
        if !self.trust.needs_system_roots() {
            return Ok(());
        }
        let trust = Arc::clone(&self.trust);
        let loaded = tokio::task::spawn_blocking(move || trust.load_system_roots()).await;
        loaded.unwrap_or_else(|error| {
            Err(Failure::new(Code::TrustEmpty, "The system's roots cannot be loaded").because(error.to_string()))
        })
    }

    /// Speaks TLS over `stream` with `host`, offering these application protocols (ALPN).
    ///
    /// # Errors
    /// Every failure of a handshake, explained; `key-unsupported` when the server asked for our
    /// certificate and takes no signature that our key can make.
    pub(crate) async fn handshake<S>(
        &self,
        stream: S,
        host: &Host,
        peer: Peer,
        alpn: &[&[u8]],
        record: &Record,
    ) -> Result<Tap<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.prepare().await?;
        record.reach(Step::Handshake);
        let name = server_name(host)?;
        let connector = TlsConnector::from(Arc::new(self.config(peer, alpn, record)));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| explain::handshake(&record.lock(), &error, self.shown_to(peer), &self.trust, peer))?;
        let mut evidence = record.lock();
        evidence.version = stream.get_ref().1.protocol_version().and_then(|version| version.as_str());
        if evidence.offer == Offer::CannotSign {
            return Err(explain::cannot_sign(&evidence, self.identity()));
        }
        drop(evidence);
        Ok(Tap::new(stream, record.clone()))
    }

    /// Says that the server has answered a request.
    pub(crate) fn prove(&self) {
        self.proved.store(true, Ordering::Relaxed);
    }

    /// Explains a connection that broke after the handshake; `cause` is what the reader of the
    /// connection said.
    pub(crate) fn explain_lost(&self, record: &Record, cause: &str) -> Failure {
        explain::lost(&record.lock(), cause, self.identity(), self.proved.load(Ordering::Relaxed))
    }

    /// Explains a connection on which nothing came any more, not even a sign of life.
    pub(crate) fn explain_silent(&self, record: &Record) -> Failure {
        explain::silent(&record.lock(), self.identity())
    }

    /// A failure because the server refused or missed the client certificate, told in its HTTP answer.
    pub(crate) fn explain_refused(&self, record: &Record, words: &str) -> Failure {
        explain::refused_by_answer(&record.lock(), words, self.identity())
    }

    /// The identity that this end may see.
    fn shown_to(&self, peer: Peer) -> Option<&Identity> {
        self.identity().filter(|_| peer == Peer::Server)
    }

    fn config(&self, peer: Peer, alpn: &[&[u8]], record: &Record) -> ClientConfig {
        let identity = self.shown_to(peer);
        let recorder = Arc::new(Recorder {
            record: record.clone(),
            trust: Arc::clone(&self.trust),
            certified: identity.map(|identity| Arc::clone(identity.certified())),
            algorithms: self.provider.signature_verification_algorithms,
        });
        let mut config = self.base.clone();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.client_auth_cert_resolver = recorder.clone();
        config.dangerous().set_certificate_verifier(recorder);
        config
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("identity", &self.identity).field("trust", &self.trust).finish_non_exhaustive()
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>> {
    match host {
        Host::Ipv4(address) => Ok(ServerName::IpAddress(std::net::IpAddr::from(*address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress(std::net::IpAddr::from(*address).into())),
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|_| {
            Failure::new(Code::ConfigInvalidValue, "The host of the URL is not a name that a certificate can have")
                .because(format!("It is {}.", crate::error::quoted(name)))
                .fix("Write the DNS name or the IP address of the server.")
        }),
    }
}

//! Opens one connection, and explains why one failed.

mod dial;
mod evidence;
mod explain;
mod listening;
mod presented;
mod recorder;
mod signature;
mod tap;
mod untrusted;

pub(crate) use dial::dial;
pub(crate) use evidence::{Evidence, Offer, Record, Step};
pub(crate) use listening::Listening;
pub(crate) use presented::Seen;
pub(crate) use tap::Tap;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ALL_VERSIONS, ClientConfig, NamedGroup, ProtocolVersion};
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
    options: Options,
    base: ClientConfig,
    /// Whether the server has answered a request, and so has taken our identity as it is.
    proved: AtomicBool,
}

/// What is asked of the connections besides identity and trust.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The name that the server's certificate must have, when it is not the one that was dialed.
    pub(crate) server_name: Option<Host>,
    /// Whether TLS 1.3 alone is spoken.
    pub(crate) only_tls13: bool,
    /// Whether key exchange is without the post-quantum part.
    pub(crate) classical: bool,
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
    pub(crate) fn new(identity: Option<Identity>, trust: Arc<Trust>, options: Options) -> Result<Self> {
        let provider = if options.classical { classical() } else { provider() };
        let versions = if options.only_tls13 { &[&TLS13][..] } else { ALL_VERSIONS };
        let nobody = Arc::new(Recorder {
            record: Record::new(String::new()),
            peer: Peer::Server,
            trust: Arc::clone(&trust),
            certified: None,
            algorithms: provider.signature_verification_algorithms,
        });
        let mut base = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| {
                Failure::new(Code::TlsFailed, "TLS cannot be set up")
                    .fix("Remove `minVersion` and `keyExchange`.")
                    .cause(error)
            })?
            .dangerous()
            .with_custom_certificate_verifier(nobody)
            .with_no_client_auth();
        // A resumed session would show the server the identity of an earlier handshake, and its evidence
        // would be that handshake's. Few connections are opened; each proves itself anew.
        base.resumption = Resumption::disabled();
        Ok(Self { identity, trust, provider, options, base, proved: AtomicBool::new(false) })
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The name that is asked for instead of the host that was dialed, and where it was set.
    pub(crate) fn server_name(&self) -> Option<(String, String)> {
        let name = self.options.server_name.as_ref()?;
        Some((name.to_string(), self.trust.origins().server_name.clone().unwrap_or_default()))
    }

    /// Loads what a handshake will need off the async threads, so that it does not block there.
    pub(crate) async fn prepare(&self) -> Result<()> {
        if !self.trust.needs_system_roots() {
            return Ok(());
        }
        let trust = Arc::clone(&self.trust);
        let loaded = tokio::task::spawn_blocking(move || trust.load_system_roots()).await;
        loaded.unwrap_or_else(|error| {
            Err(Failure::new(Code::TrustEmpty, "The system's roots cannot be loaded")
                .fix("Set `ca` (--ca) to the CA of the server.")
                .cause(error))
        })
    }

    /// Speaks TLS over `stream` with `host`, offering these application protocols (ALPN).
    ///
    /// # Errors
    /// Every failure of a handshake, explained; the failure of the token that did not sign; `key-unsupported` when the server asked for our
    /// certificate and takes no signature that our key can make.
    pub(crate) async fn handshake<S>(
        &self,
        stream: S,
        host: &Host,
        peer: Peer,
        alpn: &[&[u8]],
        record: &Record,
    ) -> Result<Tap<TlsStream<Listening<S>>>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.prepare().await?;
        let name = server_name(self.name_of(host, peer))?;
        let connector = TlsConnector::from(Arc::new(self.config(peer, alpn, record)));
        let connecting = connector.connect(name, self.greet(stream, record));
        let stream = if self.shown_to(peer).is_some_and(Identity::signs_slowly) {
            off_the_async_threads(connecting).await
        } else {
            connecting.await
        };
        let stream = stream.map_err(|error| self.explain_handshake(record, &error, peer))?;
        let mut evidence = record.lock();
        let negotiated = stream.get_ref().1;
        evidence.version = negotiated.protocol_version().map(version);
        evidence.group = negotiated.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
        evidence.cipher = negotiated.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        evidence.alpn = negotiated.alpn_protocol().map(<[u8]>::to_vec);
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

    /// Explains a handshake that did not come to its end.
    pub(crate) fn explain_handshake(&self, record: &Record, error: &io::Error, peer: Peer) -> Failure {
        explain::handshake(self, &record.lock(), error, peer)
    }

    /// Explains a connection that broke after the handshake; `cause` is what the reader of the
    /// connection said.
    pub(crate) fn explain_lost(&self, record: &Record, cause: &str) -> Failure {
        explain::lost(self, &record.lock(), cause, self.proved.load(Ordering::Relaxed))
    }

    /// Why a proxy ended its TLS connection after the handshake, when it sent an alert.
    pub(crate) fn explain_refused_by_proxy(&self, record: &Record) -> Option<Failure> {
        explain::refused_by_proxy(self, &record.lock())
    }

    /// Explains a connection on which nothing came any more, not even a sign of life.
    pub(crate) fn explain_silent(&self, record: &Record) -> Failure {
        explain::silent(self, &record.lock())
    }

    /// A failure because the server refused or missed the client certificate, told in its HTTP answer by these
    /// words, quoted, which may say what an alert `of` this kind would.
    pub(crate) fn explain_refused(
        &self,
        record: &Record,
        words: &str,
        of: Option<rustls::AlertDescription>,
    ) -> Failure {
        explain::refused_by_answer(self, &record.lock(), words, of)
    }

    /// A failure because the server forbids access with this status, and the client certificate likely was not
    /// accepted: it has expired, say, or is of a CA that the server does not name.
    pub(crate) fn explain_unaccepted(&self, record: &Record, status: u16) -> Option<Failure> {
        explain::unaccepted(self, &record.lock(), status)
    }

    /// A failure because the server refuses access for the reason `why`, a sentence, and never asked for the
    /// client certificate.
    pub(crate) fn explain_unasked(&self, record: &Record, why: &str) -> Failure {
        explain::refused_unasked(self, &record.lock(), why)
    }

    /// The stream to shake hands on, whose first byte is written down.
    fn greet<S>(&self, stream: S, record: &Record) -> Listening<S> {
        let mut evidence = record.lock();
        evidence.reach(Step::Handshake);
        evidence.large_greeting = self.provider.kx_groups.iter().any(|group| !is_classical(group.name()));
        evidence.only_tls13 = self.options.only_tls13;
        drop(evidence);
        Listening::new(stream, record.clone())
    }

    /// The name that this end must prove. A proxy has its own.
    fn name_of<'a>(&'a self, host: &'a Host, peer: Peer) -> &'a Host {
        self.options.server_name.as_ref().filter(|_| peer == Peer::Server).unwrap_or(host)
    }

    /// The identity that this end may see.
    fn shown_to(&self, peer: Peer) -> Option<&Identity> {
        self.identity().filter(|_| peer == Peer::Server)
    }

    fn config(&self, peer: Peer, alpn: &[&[u8]], record: &Record) -> ClientConfig {
        let identity = self.shown_to(peer);
        let recorder = Arc::new(Recorder {
            record: record.clone(),
            peer,
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

/// A version as people write it. No others are negotiated.
fn version(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::TLSv1_2 { "TLS 1.2" } else { "TLS 1.3" }
}

/// The cryptography in use without post-quantum key exchange.
fn classical() -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider::clone(&provider());
    provider.kx_groups.retain(|group| is_classical(group.name()));
    Arc::new(provider)
}

fn is_classical(group: NamedGroup) -> bool {
    matches!(group, NamedGroup::X25519 | NamedGroup::secp256r1 | NamedGroup::secp384r1)
}

/// Runs a handshake where it may block: rustls signs in the middle of it, and a token takes its time.
/// The rest of the bridge goes on meanwhile. When the caller stops waiting, the handshake ends: at once,
/// or with the signature that is being made.
async fn off_the_async_threads<T: Send + 'static>(
    handshake: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let runtime = tokio::runtime::Handle::current();
    let (waiting, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                result = handshake => result,
                _ = stopped => Err(io::Error::from(io::ErrorKind::Interrupted)),
            }
        })
    });
    let result = run.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    drop(waiting);
    result
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_handshake_that_nobody_waits_for_any_more_ends() {
        let (alive, ended) = tokio::sync::oneshot::channel::<()>();
        let handshake = async move {
            let _alive = alive;
            std::future::pending::<io::Result<()>>().await
        };
        let waited = tokio::time::timeout(Duration::from_millis(20), off_the_async_threads(handshake)).await;
        assert!(waited.is_err());
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert!(ended.is_ok_and(|dropped| dropped.is_err()), "the handshake was dropped, with all that it held");
    }
}

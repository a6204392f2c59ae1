//! Servers that refuse every client, each for a reason of its own, which their alert tells.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConnection, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::ServerBuilder;
use crate::tasks::Tasks;

/// Asks as another verifier does, and refuses every certificate.
#[derive(Debug)]
pub(super) struct Refusing {
    pub(super) asks: Arc<dyn ClientCertVerifier>,
    pub(super) because: CertificateError,
}

impl ClientCertVerifier for Refusing {
    fn client_auth_mandatory(&self) -> bool {
        self.asks.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.asks.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Err(self.because.clone().into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.asks.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.asks.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.asks.supported_verify_schemes()
    }
}

/// A server that breaks off every handshake, as no server on a library would. It ends when dropped.
pub struct BreakingServer {
    addr: SocketAddr,
    tasks: Tasks,
}

/// What it answers by breaking off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The greeting.
    Greeting,
    /// The certificate of the client, over TLS 1.2, where alerts of a handshake are in clear.
    Certificate,
}

/// How it breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// With this fatal alert (RFC 8446, section 6).
    Alert(u8),
    /// With these bytes.
    Bytes(&'static [u8]),
    /// By closing the connection, without a word.
    Close,
    /// By a TCP reset.
    Reset,
}

impl BreakingServer {
    /// Breaks off at this moment. `server` says what it is until then.
    pub async fn start(server: &ServerBuilder, moment: Moment, how: Break) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let config = Arc::new(server.clone().tls12_only().config());
        let server = Self { addr, tasks: Tasks::default() };
        let tasks = server.tasks.clone();
        server.tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let tls = ServerConnection::new(config.clone()).expect("a configuration that serves");
                tasks.spawn(async move {
                    // A client that breaks off is seen by what it says.
                    let _ended = answer(tcp, tls, moment, how).await;
                });
            }
        });
        server
    }

    /// `https://localhost:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.addr.port())
    }
}

impl Drop for BreakingServer {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

async fn answer(mut tcp: TcpStream, mut tls: ServerConnection, moment: Moment, how: Break) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    let mut read = tcp.read(&mut bytes).await?;
    if moment == Moment::Certificate {
        tls.read_tls(&mut &bytes[..read])?;
        tls.process_new_packets().map_err(io::Error::other)?;
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight)?;
        }
        tcp.write_all(&flight).await?;
        read = tcp.read(&mut bytes).await?;
    }
    match how {
        Break::Alert(alert) => tcp.write_all(&[ALERT, 3, 3, 0, 2, FATAL, alert]).await?,
        Break::Bytes(answer) => tcp.write_all(answer).await?,
        Break::Close => {}
        Break::Reset => return tcp.set_zero_linger(),
    }
    tcp.shutdown().await?;
    // What the client still sends is read, or the alert would be lost to a reset.
    while read > 0 {
        read = tcp.read(&mut bytes).await?;
    }
    Ok(())
}

const ALERT: u8 = 21;
const FATAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Pki;
    use crate::plain::PlainClient;
    use crate::server::TlsServer;

    #[tokio::test]
    async fn a_client_that_has_no_fault_is_refused_for_the_reason_that_was_given() {
        let pki = Pki::new();
        let because = CertificateError::Revoked;
        let server = TlsServer::builder(&pki).tls12_only().refuses_clients(because).start().await;
        let alice = PlainClient::with(&pki, &pki.client("alice"));
        let error = alice.connect(server.addr()).await.unwrap_err();
        assert!(error.to_string().contains("CertificateRevoked"), "{error}");
        let seen = server.wait_for_connections(1).await;
        assert!(seen[0].refusal().is_some_and(|reason| reason.contains("Revoked")), "{seen:?}");
    }

    #[tokio::test]
    async fn a_handshake_is_broken_off_in_every_way_at_each_moment() {
        let pki = Pki::new();
        let alice = PlainClient::with(&pki, &pki.client("alice"));
        let builder = TlsServer::builder(&pki);
        for moment in [Moment::Greeting, Moment::Certificate] {
            for (how, words) in
                [(Break::Alert(71), "InsufficientSecurity"), (Break::Close, "eof"), (Break::Reset, "reset")]
            {
                let server = BreakingServer::start(&builder, moment, how).await;
                let error = alice.connect(server.addr).await.unwrap_err();
                assert!(error.to_string().contains(words), "{moment:?}, {how:?}: {error}");
            }
        }
    }
}

//! A plain client on hyper and tokio-rustls, with none of the code under test in it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::{Client, Pki};
use crate::server::provider;

/// A client that trusts the server CA and may have a certificate.
#[derive(Clone)]
pub struct PlainClient {
    config: Arc<ClientConfig>,
}

impl PlainClient {
    /// A client without a certificate.
    pub fn anonymous(pki: &Pki) -> Self {
        Self::build(pki, None)
    }

    /// A client with this certificate.
    pub fn with(pki: &Pki, client: &Client) -> Self {
        Self::build(pki, Some(client))
    }

    /// The same client offering these protocols.
    #[must_use]
    pub fn alpn(&self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config) }
    }

    fn build(pki: &Pki, client: Option<&Client>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(pki.server_ca_der()).expect("the server CA is a root");
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider speaks these versions")
            .with_root_certificates(roots);
        let config = match client {
            Some(client) => builder.with_client_auth_cert(client.chain(), client.key()).expect("a matching key"),
            None => builder.with_no_client_auth(),
        };
        Self { config: Arc::new(config) }
    }

    /// TCP and TLS, to the name `localhost`.
    pub async fn connect(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        self.handshake(tcp, "localhost").await
    }

    /// TLS over a stream that exists.
    pub async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(&self, io: IO, name: &str) -> io::Result<TlsStream<IO>> {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        TlsConnector::from(self.config.clone()).connect(name, io).await
    }

    /// A connection for one request after another, by HTTP/2 when the server chose it.
    pub async fn open(&self, addr: SocketAddr) -> io::Result<PlainConnection> {
        let tls = self.connect(addr).await?;
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        PlainConnection::over(tls, h2).await
    }

    /// One request on a fresh connection.
    pub async fn send(&self, addr: SocketAddr, request: Request<Full<Bytes>>) -> io::Result<Response<Bytes>> {
        self.open(addr).await?.send(request).await
    }
}

/// One HTTP connection.
pub enum PlainConnection {
    /// HTTP/1.1.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2.
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl PlainConnection {
    /// HTTP over any stream.
    pub async fn over<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: IO, h2: bool) -> io::Result<Self> {
        if h2 {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Ok(Self::Http2(sender))
        } else {
            let (sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Ok(Self::Http1(sender))
        }
    }

    /// Sends, and returns as soon as the head of the answer is there.
    pub async fn start(&mut self, request: Request<Full<Bytes>>) -> io::Result<Response<Incoming>> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => sender.send_request(request).await,
        };
        response.map_err(io::Error::other)
    }

    /// Sends, and reads the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> io::Result<Response<Bytes>> {
        let (parts, body) = self.start(request).await?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

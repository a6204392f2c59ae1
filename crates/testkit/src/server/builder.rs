//! How a server is described before it starts.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ServerConfig};
use tokio::net::TcpListener;

use super::{Connection, Door, RawServer, Stream, TlsOptions, TlsServer};
use crate::log::LIMIT;
use crate::pki::{Pki, ServerIdentity};
use crate::reply::{self, Body};

/// Describes a server.
#[derive(Clone)]
#[must_use = "a described server does not run; call start or start_raw"]
pub struct ServerBuilder {
    tls: TlsOptions,
    pub(super) plain: bool,
    pub(super) addr: SocketAddr,
    pub(super) streams: u32,
    pub(super) handler: Handler,
}

/// What a server does about client certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate, no connection.
    #[default]
    Required,
    /// Asks for one, goes on without, refuses a bad one.
    Requested,
    /// Does not ask.
    None,
}

impl ServerBuilder {
    pub(super) fn new(pki: &Pki) -> Self {
        Self {
            tls: TlsOptions::new(pki),
            plain: false,
            addr: (Ipv4Addr::LOCALHOST, 0).into(),
            streams: 200,
            handler: Arc::new(|_, _| Box::pin(std::future::ready(reply::empty(200)))),
        }
    }

    /// The certificate the server shows; `localhost` by default.
    pub fn identity(mut self, identity: &ServerIdentity) -> Self {
        self.tls.identity = identity.clone();
        self
    }

    /// What it does about client certificates; required by default.
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.tls.client_auth = client_auth;
        self
    }

    /// The CA that client certificates must lead to; that of the PKI by default.
    pub fn client_ca(mut self, ca: CertificateDer<'static>) -> Self {
        self.tls.client_ca = ca;
        self
    }

    /// Refuses every client certificate for this reason, which its alert tells.
    pub fn refuses_clients(mut self, because: CertificateError) -> Self {
        self.tls.refuses = Some(because);
        self
    }

    /// Does not tell the client which CAs it accepts.
    pub fn without_ca_names(mut self) -> Self {
        self.tls.names_cas = false;
        self
    }

    /// TLS 1.2 alone.
    pub fn tls12_only(mut self) -> Self {
        self.tls.versions = vec![&rustls::version::TLS12];
        self
    }

    /// TLS 1.3 alone.
    pub fn tls13_only(mut self) -> Self {
        self.tls.versions = vec![&rustls::version::TLS13];
        self
    }

    /// The protocols it chooses from, best first. None by default, which makes HTTP/1.1.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.tls.alpn = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// No TLS at all: HTTP/1.1 in clear.
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Listens on this address, for instance that of a server that was stopped. A free port by default.
    pub fn at(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// How many streams it allows at once on an HTTP/2 connection.
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.streams = streams;
        self
    }

    /// Answers the requests.
    pub fn handler<F, Answer>(mut self, handler: F) -> Self
    where
        F: Fn(Request<Bytes>, Arc<Connection>) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Response<Body>> + Send + 'static,
    {
        self.handler = Arc::new(move |request, connection| Box::pin(handler(request, connection)));
        self
    }

    /// Starts it.
    pub async fn start(self) -> TlsServer {
        let listener = self.listen().await;
        TlsServer::serve(listener, self)
    }

    /// Starts a server that hands each stream to a script, below HTTP.
    pub async fn start_raw<F, Script>(self, script: F) -> RawServer
    where
        F: Fn(Stream, Arc<Connection>) -> Script + Send + Sync + 'static,
        Script: Future<Output = ()> + Send + 'static,
    {
        let listener = self.listen().await;
        RawServer::serve(listener, self.door(), script)
    }

    pub(super) fn door(&self) -> Door {
        if self.plain { Door::plain() } else { Door::tls(&self.tls) }
    }

    pub(super) fn config(&self) -> ServerConfig {
        self.tls.config()
    }

    pub(super) async fn listen(&self) -> TcpListener {
        listen_at(self.addr).await
    }
}

/// Listens, also on a port that was in use a moment ago.
pub(crate) async fn listen_at(addr: SocketAddr) -> TcpListener {
    let bind = async {
        loop {
            match TcpListener::bind(addr).await {
                // The server that was here has been dropped, and the runtime has not yet closed its socket.
                Err(e) if e.kind() == ErrorKind::AddrInUse => tokio::task::yield_now().await,
                other => return other,
            }
        }
    };
    match tokio::time::timeout(LIMIT, bind).await {
        Ok(Ok(listener)) => listener,
        Ok(Err(e)) => panic!("cannot listen on {addr}: {e}"),
        Err(_) => panic!("{addr} is still in use after {LIMIT:?}"),
    }
}

/// What answers a request.
pub(super) type Handler =
    Arc<dyn Fn(Request<Bytes>, Arc<Connection>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

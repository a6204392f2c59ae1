//! The baseline: a keep-alive client on plain hyper and tokio-rustls, without any of our code.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::Http;
use super::bridge::{INITIALIZE, INITIALIZED};
use super::server::Place;
use crate::programs::Outcome;

/// A client with a session and one connection.
pub(super) struct Direct {
    runtime: Runtime,
    target: Target,
    wire: Wire,
}

/// Whom to speak to, and as whom.
#[derive(Clone)]
struct Target {
    http: Http,
    url: String,
    addr: std::net::SocketAddr,
    tls: Arc<ClientConfig>,
    session: Option<http::HeaderValue>,
}

/// One connection.
enum Wire {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Direct {
    /// Connects, and goes through the beginning of a session.
    pub(super) fn start(place: &Place) -> Outcome<Self> {
        let tls = tls(place)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut target = Target { http: place.http, url: place.url.clone(), addr: place.addr, tls, session: None };
        let wire = runtime.block_on(async {
            let mut wire = target.connect().await?;
            let response = wire.send(target.post(INITIALIZE)?).await?;
            target.session = response.headers().get("mcp-session-id").cloned();
            wire.send(target.post(INITIALIZED)?).await?;
            Outcome::Ok(wire)
        })?;
        Ok(Self { runtime, target, wire })
    }

    /// One `initialize` on a fresh connection, for a program that does nothing else.
    pub(super) fn once(place: &Place) -> Outcome<Bytes> {
        let target =
            Target { http: place.http, url: place.url.clone(), addr: place.addr, tls: tls(place)?, session: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut wire = target.connect().await?;
            Ok(wire.send(target.post(INITIALIZE)?).await?.into_body())
        })
    }

    /// One call, to the last byte of its answer.
    pub(super) fn call(&mut self, message: &str) -> Outcome<Bytes> {
        let request = self.target.post(message)?;
        self.runtime.block_on(async { Ok(self.wire.send(request).await?.into_body()) })
    }

    /// One call; what `seen` makes of the first piece of its answer.
    pub(super) fn first<T>(&mut self, message: &str, seen: impl FnOnce(&[u8]) -> Outcome<T>) -> Outcome<T> {
        let request = self.target.post(message)?;
        self.runtime.block_on(async {
            let mut body = self.wire.open(request).await?.into_body();
            let first = body.frame().await.ok_or("an answer without a body")??;
            let seen = seen(first.data_ref().ok_or("a first piece without data")?);
            body.collect().await?;
            seen
        })
    }

    /// How long so many calls take with so many in flight: on HTTP/1.1 each on a connection of its own.
    pub(super) fn many(&self, total: usize, in_flight: usize, message: fn(usize) -> String) -> Outcome<Duration> {
        self.runtime.block_on(async {
            let mut wires = vec![self.target.connect().await?];
            while wires.len() < in_flight {
                wires.push(match &wires[0] {
                    Wire::One(_) => self.target.connect().await?,
                    Wire::Two(sender) => Wire::Two(sender.clone()),
                });
            }
            let mut lanes = tokio::task::JoinSet::new();
            let start = Instant::now();
            for (lane, mut wire) in wires.into_iter().enumerate() {
                let target = self.target.clone();
                lanes.spawn(async move {
                    for number in (lane..total).step_by(in_flight) {
                        wire.send(target.post(&message(number))?).await?;
                    }
                    Outcome::Ok(())
                });
            }
            while let Some(lane) = lanes.join_next().await {
                lane??;
            }
            Ok(start.elapsed())
        })
    }
}

impl Target {
    async fn connect(&self) -> Outcome<Wire> {
        let tcp = TcpStream::connect(self.addr).await?;
        tcp.set_nodelay(true)?;
        let tls = TlsConnector::from(self.tls.clone()).connect(ServerName::try_from("localhost")?, tcp).await?;
        Ok(match self.http {
            Http::One => {
                let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
                tokio::spawn(connection);
                Wire::One(sender)
            }
            Http::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await?;
                tokio::spawn(connection);
                Wire::Two(sender)
            }
        })
    }

    fn post(&self, message: &str) -> Outcome<Request<Full<Bytes>>> {
        let mut request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        }
        if self.http == Http::One {
            let uri: http::Uri = self.url.parse()?;
            request = request.uri(uri.path()).header("host", uri.authority().map_or("", |host| host.as_str()));
        }
        Ok(request.body(Full::new(Bytes::copy_from_slice(message.as_bytes())))?)
    }
}

impl Wire {
    /// Sends, and reads the head of the answer.
    async fn open(&mut self, request: Request<Full<Bytes>>) -> Outcome<Response<Incoming>> {
        match self {
            Self::One(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Self::Two(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }

    /// Sends, and reads the answer to its last byte.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Outcome<Response<Bytes>> {
        let (parts, body) = self.open(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if parts.status.is_success() {
            Ok(Response::from_parts(parts, body))
        } else {
            Err(parts.status.as_str().into())
        }
    }
}

fn tls(place: &Place) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(&place.ca)?)?)?;
    let chain = CertificateDer::pem_slice_iter(&fs::read(&place.cert)?).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(&place.key)?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![place.http.alpn().into()];
    Ok(Arc::new(config))
}

//! What a server saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::log::Log;

/// All that one server saw, in order.
#[derive(Default)]
pub struct Record {
    /// Connections whose handshake has ended.
    pub connections: Log<Arc<Connection>>,
    /// Requests whose body has arrived.
    pub requests: Log<SeenRequest>,
    accepted: AtomicUsize,
}

/// One TCP connection after its handshake.
#[derive(Clone, Debug)]
pub struct Connection {
    /// 1 for the first that was accepted.
    pub number: usize,
    /// Where the client sat.
    pub peer: SocketAddr,
    /// How the handshake ended.
    pub outcome: Outcome,
    /// The URIs that the verified client certificate names.
    pub uris: Vec<String>,
    /// `1.2` or `1.3`.
    pub version: Option<&'static str>,
    /// The protocol agreed on.
    pub alpn: Option<String>,
    /// The name the client asked for (SNI).
    pub server_name: Option<String>,
    /// The key exchange, as rustls names it.
    pub key_exchange: Option<String>,
    /// Whether it resumed an older session, in which case the certificate is the one of then.
    pub resumed: bool,
}

/// How a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server verified the client certificate with this SHA-256.
    Verified(String),
    /// TLS without a client certificate.
    NoCertificate,
    /// No connection, and the server's reason.
    Refused(String),
    /// A server without TLS.
    Plain,
}

/// One request with its whole body.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The number of its connection.
    pub connection: usize,
    /// The certificate verified on that connection.
    pub fingerprint: Option<String>,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// When its body had arrived.
    pub at: Instant,
}

impl Record {
    /// The fingerprint verified on each connection that had one.
    pub fn verified(&self) -> Vec<String> {
        self.connections.all().iter().filter_map(|connection| connection.fingerprint().map(str::to_owned)).collect()
    }

    pub(crate) fn next_number(&self) -> usize {
        self.accepted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Collects the body and notes the request.
    pub(super) async fn read(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Request<Bytes>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.requests.push(SeenRequest {
            connection: connection.number,
            fingerprint: connection.fingerprint().map(str::to_owned),
            method: parts.method.clone(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: parts.headers.clone(),
            body: body.clone(),
            at: Instant::now(),
        });
        Ok(Request::from_parts(parts, body))
    }
}

impl Connection {
    /// The certificate that the server verified.
    pub fn fingerprint(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Verified(fingerprint) => Some(fingerprint),
            Outcome::NoCertificate | Outcome::Refused(_) | Outcome::Plain => None,
        }
    }

    /// The server's reason, when it refused.
    pub fn refusal(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Refused(reason) => Some(reason),
            Outcome::NoCertificate | Outcome::Verified(_) | Outcome::Plain => None,
        }
    }

    pub(super) fn unopened(number: usize, peer: SocketAddr) -> Self {
        Self {
            number,
            peer,
            outcome: Outcome::Plain,
            uris: Vec::new(),
            version: None,
            alpn: None,
            server_name: None,
            key_exchange: None,
            resumed: false,
        }
    }
}

impl SeenRequest {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of plain ASCII"))
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }
}

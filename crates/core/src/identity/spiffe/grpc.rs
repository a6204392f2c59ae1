//! As much of gRPC as one streaming call over a Unix socket takes: HTTP/2, messages with their
//! length before them, and a status at the end.

use std::io;
use std::path::Path;

use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use percent_encoding::percent_decode_str;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// The answer to one call.
pub(super) struct Stream {
    body: Incoming,
    /// What came and belongs to the messages to come.
    rest: Bytes,
    /// Drives the connection, and ends with this.
    _connection: JoinSet<()>,
}

/// Why there is no stream, or not any more.
#[derive(Debug)]
pub(super) enum Lost {
    /// The socket could not be connected to.
    NotReached(io::Error),
    /// The connection broke, or is not what it should be.
    Broken(hyper::Error),
    /// What answers does not speak gRPC.
    NotGrpc(String),
    /// The other side ended the call with this status and these words.
    Ended(u32, String),
    /// A message beyond the limit.
    TooLarge(usize),
    /// Nothing came in time.
    Silent,
}

impl Lost {
    /// Whether nobody expects better of another try (SPIFFE Workload Endpoint, appendix A).
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::NotGrpc(_) | Self::TooLarge(_) | Self::Ended(INVALID_ARGUMENT | UNIMPLEMENTED, _))
    }
}

impl Stream {
    /// Calls a method that takes an empty message.
    pub(super) async fn open(socket: &Path, method: &str) -> Result<Self, Lost> {
        let stream = TokioIo::new(connect(socket).await.map_err(Lost::NotReached)?);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let (mut sender, connection) = builder.handshake(stream).await.map_err(Lost::Broken)?;
        let mut connections = JoinSet::new();
        connections.spawn(async {
            // How it ended is told by the body too.
            let _ = connection.await;
        });
        let request = Request::post(format!("http://localhost{method}"))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            // Without it the agent must refuse (SPIFFE Workload Endpoint, section 3).
            .header("workload.spiffe.io", "true")
            .body(Full::new(Bytes::from_static(&[0; PREFIX])))
            .map_err(|_| Lost::NotGrpc("The request cannot be made".to_owned()))?;
        let response = sender.send_request(request).await.map_err(Lost::Broken)?;
        // An answer without messages has its status here ("Trailers-Only").
        if let Some(lost) = ended(response.headers()) {
            return Err(lost);
        }
        if response.status() != StatusCode::OK {
            return Err(Lost::NotGrpc(format!("It answers with the HTTP status {}", response.status().as_u16())));
        }
        let kind = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        if !kind.starts_with(b"application/grpc") {
            return Err(Lost::NotGrpc(format!("Its answer is of the type `{}`", String::from_utf8_lossy(kind))));
        }
        Ok(Self { body: response.into_body(), rest: Bytes::new(), _connection: connections })
    }

    /// The next message; it may hold a private key.
    pub(super) async fn message(&mut self) -> Result<Zeroizing<Vec<u8>>, Lost> {
        let prefix = self.take(PREFIX).await?;
        let length = prefix[1..].iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        if prefix[0] != 0 {
            return Err(Lost::NotGrpc("It compresses a message, which was not offered".to_owned()));
        }
        if length > LONGEST {
            return Err(Lost::TooLarge(length));
        }
        self.take(length).await
    }

    async fn take(&mut self, length: usize) -> Result<Zeroizing<Vec<u8>>, Lost> {
        // At once as long as it will be: a buffer that grows leaves copies behind.
        let mut taken = Zeroizing::new(Vec::with_capacity(length));
        while taken.len() < length {
            if self.rest.is_empty() {
                self.rest = self.data().await?;
            }
            let now = self.rest.len().min(length - taken.len());
            taken.extend_from_slice(&self.rest[..now]);
            self.rest.advance(now);
        }
        Ok(taken)
    }

    async fn data(&mut self) -> Result<Bytes, Lost> {
        loop {
            let Some(frame) = self.body.frame().await else { return Err(Lost::Ended(OK, String::new())) };
            match frame.map_err(Lost::Broken)?.into_data() {
                Ok(data) => return Ok(data),
                Err(frame) => {
                    if let Some(lost) = frame.trailers_ref().and_then(ended) {
                        return Err(lost);
                    }
                }
            }
        }
    }
}

/// The status, where there is one.
fn ended(headers: &HeaderMap) -> Option<Lost> {
    let status = headers.get("grpc-status")?;
    let status = status.to_str().ok().and_then(|status| status.parse().ok()).unwrap_or(UNKNOWN);
    let words = headers.get("grpc-message").map_or(&b""[..], |words| words.as_bytes());
    let words = percent_decode_str(&String::from_utf8_lossy(words)).decode_utf8_lossy().into_owned();
    Some(Lost::Ended(status, words))
}

#[cfg(unix)]
async fn connect(socket: &Path) -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(socket).await
}

/// Never called: the settings are refused where there are no Unix sockets.
#[cfg(not(unix))]
async fn connect(_socket: &Path) -> io::Result<tokio::net::TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Statuses of gRPC.
const OK: u32 = 0;
const UNKNOWN: u32 = 2;
const INVALID_ARGUMENT: u32 = 3;
pub(super) const PERMISSION_DENIED: u32 = 7;
const UNIMPLEMENTED: u32 = 12;

/// Whether a message is compressed, and its length in four bytes.
const PREFIX: usize = 5;

/// The limit that gRPC libraries have of themselves; answers have some kilobytes.
const LONGEST: usize = 4 << 20;

/// How much may lie in memory unread.
const WINDOW: u32 = 64 << 10;

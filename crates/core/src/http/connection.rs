//! One HTTP connection: dialing it, sending a request on it, and what its failure means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use url::{Host, Url};

use super::moment::Moment;
use super::multiplexed::{Limit, Multiplexed, NotProcessed, UNKNOWN};
use super::pool::Pool;
use super::proxy::{Proxy, Stream};
use super::tasks::Spawner;
use super::trouble::{in_words, slow_step, whole};
use super::{Body, Response};
use crate::config::told;
use crate::error::{Code, Failure, Result, brief};
use crate::tls::{Peer, Record, Seen, Step, Tap, Tls, dial};

/// The way to one origin, which stays the same whoever we are.
#[derive(Debug)]
pub(super) struct Route {
    host: Host,
    port: u16,
    /// Only on loopback.
    plain: bool,
    proxy: Option<Proxy>,
    timeout: Duration,
}

/// Opens connections to one origin.
#[derive(Debug)]
pub(super) struct Dialer {
    route: Arc<Route>,
    tls: Arc<Tls>,
}

/// The sending half of a connection.
#[derive(Debug)]
pub(super) enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(Multiplexed),
}

/// A connection taken from the pool for one request.
pub(super) struct Lease {
    pub(super) sender: Sender,
    pub(super) record: Record,
    /// Whether it has served a request before.
    pub(super) reused: bool,
    /// When it was taken.
    pub(super) since: Moment,
    /// Where it goes back to. The background work of its connection belongs to that, which so lives
    /// until the answer has been read, also when newer requests go out elsewhere.
    pub(super) pool: Arc<Pool>,
}

/// What became of a request.
pub(super) enum Outcome {
    Response(Response),
    Failed(Failure),
    /// The connection ended before the request was handed to it, or the server did not process it.
    NotSent(http::Request<Bytes>, Failure),
}

impl Route {
    pub(super) fn new(url: &Url, proxy: Option<Proxy>, timeout: Duration) -> Result<Self> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Failure::new(Code::ConfigInvalidValue, "The URL of the server has no host")
                .at(told(url))
                .fix("Write https://HOST/PATH."));
        };
        Ok(Self { host: host.to_owned(), port, plain: url.scheme() == "http", proxy, timeout })
    }
}

impl Dialer {
    pub(super) fn new(route: Arc<Route>, tls: Tls) -> Self {
        Self { route, tls: Arc::new(tls) }
    }

    pub(super) fn tls(&self) -> &Arc<Tls> {
        &self.tls
    }

    pub(super) fn record(&self) -> Record {
        Record::new(format!("{}:{}", self.route.host, self.route.port))
    }

    /// Opens a connection within the time limit; its background work belongs to `tasks`.
    pub(super) async fn open(&self, record: &Record, tasks: &Spawner) -> Result<Sender> {
        // Boxed, since the steps of a handshake are large, and every waiting request would carry their size.
        self.within(record, Box::pin(self.connect(record, tasks))).await
    }

    /// What the server presents, within the time limit.
    pub(super) async fn presented(&self, record: &Record, tasks: &Spawner) -> Result<Seen> {
        self.within(record, async {
            let stream = self.reach(record, tasks).await?;
            self.tls.presented(stream, &self.route.host, record).await
        })
        .await
    }

    async fn within<T>(&self, record: &Record, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Route { host, port, timeout, .. } = self.route.as_ref();
        tokio::time::timeout(*timeout + AFTER_REQUESTS, work).await.unwrap_or_else(|_| {
            let target = format!("{host}:{port}");
            let what = format!("No connection to {} within {} s", brief(&target), timeout.as_secs_f64());
            Err(slow_step(Failure::new(Code::TimedOut, what), Some(record)))
        })
    }

    /// A stream of bytes to the server, through the proxy if there is one.
    async fn reach(&self, record: &Record, tasks: &Spawner) -> Result<Stream> {
        let Route { host, port, proxy, .. } = self.route.as_ref();
        let Some(proxy) = proxy else { return Ok(Box::new(dial(host, *port, Peer::Server, record).await?)) };
        record.lock().proxy = Some(proxy.told().to_owned());
        proxy.tunnel(host, *port, &self.tls, record, tasks).await
    }

    async fn connect(&self, record: &Record, tasks: &Spawner) -> Result<Sender> {
        let Route { host, plain, .. } = self.route.as_ref();
        let stream = self.reach(record, tasks).await?;
        if *plain {
            let loopback = record.lock().address.is_some_and(|address| address.ip().is_loopback());
            if !loopback {
                return Err(Failure::new(
                    Code::ConnectFailed,
                    format!("{} is not on this machine's loopback", brief(&host.to_string())),
                )
                .because("The URL says http://, and messages are not sent anywhere else without TLS.")
                .fix("Write https:// in the URL."));
            }
            record.reach(Step::Open);
            return self.http1(Tap::new(stream, record.clone()), tasks).await;
        }
        let stream = self.tls.handshake(stream, host, Peer::Server, &[b"h2", b"http/1.1"], record).await?;
        record.reach(Step::Open);
        if stream.alpn() == Some(b"h2") { self.http2(stream, tasks).await } else { self.http1(stream, tasks).await }
    }

    async fn http1<S>(&self, stream: S, tasks: &Spawner) -> Result<Sender>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_headers(HEADERS)
            .max_buf_size(HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed(&error))?;
        tasks.spawn(connection);
        Ok(Sender::H1(sender))
    }

    async fn http2<S>(&self, stream: S, tasks: &Spawner) -> Result<Sender>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .max_header_list_size(HEAD_HTTP2)
            .initial_max_send_streams(UNKNOWN)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // A connection that a network has silently dropped must not be used for ever.
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(Sender::H2(Multiplexed::drive(sender, connection, tasks)))
    }

    fn failed(&self, error: &hyper::Error) -> Failure {
        Failure::new(
            Code::ConnectionLost,
            format!("HTTP cannot be spoken with {}", brief(&format!("{}:{}", self.route.host, self.route.port))),
        )
        .because(in_words(error))
        .fix("Check that the URL is that of an MCP endpoint.")
        .cause(whole(error))
    }
}

impl Sender {
    /// A handle to an HTTP/2 connection with a free stream; HTTP/1.1 serves one request at a time.
    pub(super) fn share(&self) -> Option<Self> {
        match self {
            Self::H1(_) => None,
            Self::H2(connection) => connection.take().map(Self::H2),
        }
    }

    /// Where the number of streams will be told, of an HTTP/2 connection whose server has not said it.
    pub(super) fn unknown(&self) -> Option<Limit> {
        match self {
            Self::H1(_) => None,
            Self::H2(connection) => connection.unknown(),
        }
    }

    /// The handle for whoever opened the connection, and the one that others share.
    pub(super) fn split(self) -> (Self, Option<Self>) {
        match self {
            Self::H1(_) => (self, None),
            Self::H2(connection) => (Self::H2(connection.taken()), Some(Self::H2(connection))),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::H1(sender) => sender.is_closed(),
            Self::H2(connection) => connection.sender.is_closed(),
        }
    }

    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::H1(sender) => sender.ready().await,
            Self::H2(connection) => connection.sender.ready().await,
        }
    }

    async fn send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> std::result::Result<http::Response<Incoming>, TrySendError<http::Request<Full<Bytes>>>> {
        match self {
            Self::H1(sender) => sender.try_send_request(request).await,
            Self::H2(connection) => connection.sender.try_send_request(request).await,
        }
    }
}

impl Lease {
    pub(super) fn tls(&self) -> &Arc<Tls> {
        self.pool.tls()
    }

    /// Sends one request and waits for the head of the response.
    pub(super) async fn send(mut self, request: http::Request<Bytes>, sent: Option<&watch::Sender<bool>>) -> Outcome {
        if let Err(failure) = self.ready().await {
            self.forget();
            return if self.reused { Outcome::NotSent(request, failure) } else { Outcome::Failed(failure) };
        }
        let (parts, body) = request.into_parts();
        let asked = Box::new((parts.method.clone(), parts.uri.clone()));
        let again = http::Request::from_parts(parts.clone(), body.clone());
        let mut request = http::Request::from_parts(parts, Full::new(body));
        if let Sender::H1(_) = self.sender {
            to_origin_form(&mut request);
        }
        let exchange = self.sender.send(request);
        if let Some(sent) = sent {
            sent.send_replace(true);
        }
        match exchange.await {
            Ok(response) => {
                self.tls().prove();
                let (parts, body) = response.into_parts();
                let record = self.record.clone();
                let body = Body::new(body, self, &parts.headers);
                Outcome::Response(Response {
                    status: parts.status,
                    headers: parts.headers,
                    body,
                    request: asked,
                    credential: None,
                    not_renewed: None,
                    generation: 0,
                    own: Arc::default(),
                    record,
                })
            }
            Err(error) => {
                let failure = self.lost(error.error());
                let closed = error.message().is_some();
                let not_processed = NotProcessed::read(error.error());
                if closed || not_processed == Some(NotProcessed::GoingAway) {
                    self.forget();
                }
                if (closed && self.reused) || not_processed.is_some() {
                    Outcome::NotSent(again, failure)
                } else {
                    Outcome::Failed(failure)
                }
            }
        }
    }

    /// Waits until the connection takes a request. One that was used before does so at once.
    async fn ready(&mut self) -> Result<()> {
        let limit = if self.reused { READY } else { Duration::MAX };
        match tokio::time::timeout(limit, self.sender.ready()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => Err(self.tls().explain_lost(&self.record, "The connection takes no further request.")),
        }
    }
}

/// HTTP/1.1 wants the path alone in the request line and the host in its header (RFC 9112, section 3.2).
fn to_origin_form(request: &mut http::Request<Full<Bytes>>) {
    let host = request.uri().authority().and_then(|authority| http::HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(http::header::HOST, host);
    }
    let path = request.uri().path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = path;
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// How long a connection may have been idle to be used again; servers keep them for 60 s and more.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// When an idle connection is too old: what the server said in `Keep-Alive`, or [`IDLE`].
pub(super) fn expiry(headers: &http::HeaderMap, now: Instant) -> Instant {
    let said = headers.get("keep-alive").and_then(|value| value.to_str().ok()).and_then(|value| {
        value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.trim().parse::<u64>().ok())
    });
    // One second before the server closes it, so that no request crosses with the end.
    now + said.map_or(IDLE, |seconds| Duration::from_secs(seconds.saturating_sub(1)).min(IDLE))
}

/// How long a connection that was used before may take to be ready for the next request.
const READY: Duration = Duration::from_millis(100);
/// Together with [`PING_TIMEOUT`] the time after which a dead network is told, as TCP's own is for HTTP/1.1.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// A request that has a limit of its own ends by that one, which tells the URL; the two began together.
const AFTER_REQUESTS: Duration = Duration::from_millis(50);
/// How many headers a response may have, and how large its head may be: beyond every server seen,
/// and no burden.
const HEADERS: usize = 256;
const HEAD: usize = 512 << 10;
const HEAD_HTTP2: u32 = 512 << 10;

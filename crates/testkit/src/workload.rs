//! A SPIFFE agent: the Workload API on a Unix socket, with the answers that a test wants.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

use crate::log::{LIMIT, Log};
use crate::pki::{Identity, TrustDomain};
use crate::tasks::Tasks;

/// A Workload API that answers `FetchX509SVID`, and sends what it is told to all who listen. It
/// ends when dropped.
pub struct WorkloadApi {
    socket: PathBuf,
    says: watch::Sender<Says>,
    calls: Arc<Log<String>>,
    connections: Tasks,
    accepting: Tasks,
}

/// An answer of the Workload API (`X509SVIDResponse`).
#[derive(Clone, Debug, Default)]
#[must_use = "an answer is given with start or update"]
pub struct Svids(Vec<u8>);

#[derive(Clone, Debug)]
enum Says {
    /// Bytes of the stream.
    Bytes(Bytes),
    /// The end of it.
    Status(u32, &'static str),
    /// Nothing at all.
    Nothing,
}

impl Svids {
    /// An SVID, with the bundle of its trust domain.
    pub fn and(self, id: &str, svid: &Identity, domain: &TrustDomain<'_>) -> Self {
        let chain: Vec<u8> = svid.chain().iter().flat_map(|der| der.to_vec()).collect();
        self.and_raw(id, &chain, &svid.key_pkcs8_der(), &domain.ca_der())
    }

    /// An SVID in which anything may be wrong.
    pub fn and_raw(mut self, id: &str, chain: &[u8], key: &[u8], bundle: &[u8]) -> Self {
        let fields = [(1, id.as_bytes()), (2, chain), (3, key), (4, bundle), (5, b"a hint")];
        let svid = fields.iter().flat_map(|(number, value)| field(*number, value)).collect::<Vec<_>>();
        self.0.extend(field(1, &svid));
        self
    }

    /// The bundle of a federated trust domain.
    pub fn and_federated(mut self, domain: &TrustDomain<'_>) -> Self {
        let entry = [field(1, domain.id().as_bytes()), field(2, &domain.ca_der())].concat();
        self.0.extend(field(3, &entry));
        self
    }

    /// A revocation list.
    pub fn and_revocations(mut self, list: &[u8]) -> Self {
        self.0.extend(field(2, list));
        self
    }
}

impl WorkloadApi {
    /// Listens on `socket`, and answers with these.
    pub fn start(socket: &Path, svids: &Svids) -> Self {
        let api = Self {
            socket: socket.to_owned(),
            says: watch::Sender::new(message(&svids.0)),
            calls: Arc::default(),
            connections: Tasks::default(),
            accepting: Tasks::default(),
        };
        api.start_again();
        api
    }

    /// The socket as a URI.
    pub fn uri(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Sends these to all who listen, and to all who come.
    pub fn update(&self, svids: &Svids) {
        self.says.send_replace(message(&svids.0));
    }

    /// Says that there is no identity, to all who listen and to all who come.
    pub fn deny(&self) {
        self.end(7, "no identity issued");
    }

    /// Ends the call of all who listen and of all who come.
    pub fn end(&self, status: u32, words: &'static str) {
        self.says.send_replace(Says::Status(status, words));
    }

    /// Sends bytes as they are into the stream of all who listen and of all who come.
    pub fn send_raw(&self, bytes: impl Into<Bytes>) {
        self.says.send_replace(Says::Bytes(bytes.into()));
    }

    /// Says nothing to those who come.
    pub fn fall_silent(&self) {
        self.says.send_replace(Says::Nothing);
    }

    /// The calls so far; each is the path, or what was wrong with it.
    pub fn calls(&self) -> Vec<String> {
        self.calls.all()
    }

    /// Waits for `n` calls, 30 seconds at most.
    pub async fn wait_for_calls(&self, n: usize) -> Vec<String> {
        self.calls.wait_for(n).await
    }

    /// Waits until so many streams are open, 30 seconds at most.
    pub async fn wait_for_listeners(&self, n: usize) {
        let began = Instant::now();
        while self.says.receiver_count() != n {
            assert!(began.elapsed() < LIMIT, "{} streams are open, and not {n}", self.says.receiver_count());
            tokio::task::yield_now().await;
        }
    }

    /// Closes every connection, and goes on listening.
    pub async fn hang_up(&self) {
        self.connections.end().await;
    }

    /// Closes all, and removes the socket.
    pub async fn stop(&self) {
        self.accepting.end().await;
        self.connections.end().await;
        std::fs::remove_file(&self.socket).expect("the socket can be removed");
    }

    /// Closes all, and leaves the socket behind, as an agent that was killed does.
    pub async fn die(&self) {
        self.accepting.end().await;
        self.connections.end().await;
    }

    /// Listens again after [`stop`](Self::stop).
    pub fn start_again(&self) {
        let listener = UnixListener::bind(&self.socket).unwrap_or_else(|e| panic!("{}: {e}", self.socket.display()));
        let (says, calls, connections) = (self.says.clone(), self.calls.clone(), self.connections.clone());
        self.accepting.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, calls, tasks) = (says.clone(), calls.clone(), connections.clone());
                let answering = connections.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let response = answer(&request, &says, &calls, &answering);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    // How a connection ended is the client's business.
                    let _ended = http2::Builder::new(tasks).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    }
}

impl Drop for WorkloadApi {
    fn drop(&mut self) {
        self.accepting.abort();
        self.connections.abort();
    }
}

fn answer(
    request: &Request<Incoming>,
    says: &watch::Sender<Says>,
    calls: &Log<String>,
    tasks: &Tasks,
) -> Response<Frames> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut response = Response::new(Frames(receiver));
    response.headers_mut().insert("content-type", "application/grpc".parse().expect("a header"));
    let fault = [("workload.spiffe.io", "true"), ("te", "trailers"), ("content-type", "application/grpc")]
        .into_iter()
        .find(|(name, value)| request.headers().get(*name).is_none_or(|found| found != value));
    let mut says = says.subscribe();
    let first = match fault {
        Some(_) => Says::Status(3, "security header missing from request"),
        None => says.borrow_and_update().clone(),
    };
    // Last, so that whoever waits for the call knows that its first answer is chosen.
    calls.push(fault.map_or_else(|| request.uri().path().to_owned(), |(name, _)| format!("without {name}")));
    if let Says::Status(status, words) = first {
        // Without messages the status stands in the head.
        response.headers_mut().extend(trailers(status, words));
        return response;
    }
    tasks.spawn(async move {
        let mut next = first;
        loop {
            match next {
                Says::Bytes(bytes) => drop(sender.send(Frame::data(bytes))),
                Says::Status(status, words) => return drop(sender.send(Frame::trailers(trailers(status, words)))),
                Says::Nothing => {}
            }
            tokio::select! {
                () = sender.closed() => return,
                changed = says.changed() => if changed.is_err() { return },
            }
            next = says.borrow_and_update().clone();
        }
    });
    response
}

fn trailers(status: u32, words: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    trailers.insert("grpc-message", words.replace(' ', "%20").parse().expect("a header"));
    trailers
}

/// A message with its length before it.
fn message(bytes: &[u8]) -> Says {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(bytes.len().try_into().expect("a short message"));
    message.put_slice(bytes);
    Says::Bytes(message.freeze())
}

/// A field of protobuf with bytes in it.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        field.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).expect("seven bits"));
    field.extend_from_slice(value);
    field
}

struct Frames(mpsc::UnboundedReceiver<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

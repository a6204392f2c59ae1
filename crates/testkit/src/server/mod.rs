//! Servers on loopback that record what they themselves verified.

mod builder;
mod raw;
mod record;
mod refusing;
mod stream;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::pki::Pki;
use crate::tasks::Tasks;
use builder::Handler;
pub(crate) use builder::listen_at;
pub use builder::{ClientAuth, ServerBuilder};
pub use raw::RawServer;
pub use record::{Connection, Outcome, Record, SeenRequest};
pub use refusing::{Break, BreakingServer, Moment};
pub use stream::Stream;
pub(crate) use tls::{Door, TlsOptions, provider};

/// An HTTP server, by default over TLS and with client certificates required. It ends when dropped.
///
/// ```no_run
/// # async fn example() {
/// use mcp_mtls_testkit::{Pki, TlsServer, reply};
/// let pki = Pki::new();
/// let server = TlsServer::builder(&pki).handler(async |_request, _connection| reply::text(200, "hello")).start().await;
/// println!("{}", server.url("/mcp"));
/// # }
/// ```
pub struct TlsServer {
    /// How it was described, and where it listens.
    plan: ServerBuilder,
    record: Arc<Record>,
    connections: Tasks,
    accepting: Tasks,
}

impl TlsServer {
    /// Starts the description of a server. Without a handler it answers every request with 200 and no body.
    pub fn builder(pki: &Pki) -> ServerBuilder {
        ServerBuilder::new(pki)
    }

    /// A server that listens here already.
    fn serve(listener: TcpListener, plan: ServerBuilder) -> Self {
        let addr = listener.local_addr().expect("a bound socket has an address");
        let server = Self {
            plan: plan.at(addr),
            record: Arc::default(),
            connections: Tasks::default(),
            accepting: Tasks::default(),
        };
        server.accept(listener);
        server
    }

    fn accept(&self, listener: TcpListener) {
        let (record, connections) = (self.record.clone(), self.connections.clone());
        let answers = (self.plan.streams, self.plan.handler.clone());
        self.accepting.spawn(accept(listener, Arc::new(self.plan.door()), record, connections, answers));
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.plan.addr
    }

    /// `https://localhost:PORT` and the path (`http://127.0.0.1:PORT` for a plain server).
    pub fn url(&self, path: &str) -> String {
        let origin = if self.plan.plain { "http://127.0.0.1" } else { "https://localhost" };
        format!("{origin}:{}{path}", self.addr().port())
    }

    /// All that it saw, with ways to wait for more.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Every TCP connection whose handshake has ended, well or not.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.record.connections.all()
    }

    /// Every request whose body has arrived.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.record.requests.all()
    }

    /// The fingerprint verified on each connection that had one.
    pub fn verified(&self) -> Vec<String> {
        self.record.verified()
    }

    /// Waits for `n` requests, 10 seconds at most.
    pub async fn wait_for_requests(&self, n: usize) -> Vec<SeenRequest> {
        self.record.requests.wait_for(n).await
    }

    /// Waits for `n` connections whose handshake has ended, 10 seconds at most.
    pub async fn wait_for_connections(&self, n: usize) -> Vec<Arc<Connection>> {
        self.record.connections.wait_for(n).await
    }

    /// Closes every open connection in mid-sentence, and goes on accepting.
    pub async fn cut(&self) {
        self.connections.end().await;
    }

    /// Closes the listening socket: new clients get "connection refused". Open connections live on.
    pub async fn stop_accepting(&self) {
        self.accepting.end().await;
    }

    /// Closes all, and returns when it is closed.
    pub async fn stop(&self) {
        self.accepting.end().await;
        self.connections.end().await;
    }

    /// After [`stop`](Self::stop), serves again on the same port, with the same certificate and no memory of TLS
    /// sessions. What it records goes on.
    pub async fn start_again(&self) {
        self.accept(self.plan.listen().await);
    }

    /// Stops and serves again.
    pub async fn restart(&self) {
        self.stop().await;
        self.start_again().await;
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.connections.abort();
    }
}

async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    record: Arc<Record>,
    connections: Tasks,
    answers: (u32, Handler),
) {
    loop {
        let Ok((tcp, peer)) = listener.accept().await else { return };
        let (door, record, answers) = (door.clone(), record.clone(), answers.clone());
        let (number, tasks) = (record.next_number(), connections.clone());
        connections.spawn(async move {
            let (connection, stream) = door.open(tcp, peer, number).await;
            record.connections.push(connection.clone());
            if let Some(stream) = stream {
                converse(stream, connection, record, answers, tasks).await;
            }
        });
    }
}

async fn converse(
    stream: Stream,
    connection: Arc<Connection>,
    record: Arc<Record>,
    (streams, handler): (u32, Handler),
    tasks: Tasks,
) {
    let h2 = connection.alpn.as_deref() == Some("h2");
    let service = service_fn(move |request| {
        let (connection, record, handler) = (connection.clone(), record.clone(), handler.clone());
        async move {
            let request = record.read(request, &connection).await?;
            Ok::<_, hyper::Error>(handler(request, connection).await)
        }
    });
    // How a connection ended is the client's business; what it sent has been recorded.
    let _ended = if h2 {
        http2::Builder::new(tasks).max_concurrent_streams(streams).serve_connection(TokioIo::new(stream), service).await
    } else {
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    };
}

#[cfg(test)]
mod tests;

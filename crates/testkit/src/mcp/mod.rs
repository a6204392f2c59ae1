//! A small scripted MCP server (Streamable HTTP of both eras, and HTTP+SSE) that keeps what it sent, to the byte.

mod channel;
mod endpoint;
mod message;
mod modern;
mod options;
mod session;
mod sse;
mod tools;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::log::{LIMIT, Log};
use crate::pki::Pki;
use crate::server::{SeenRequest, ServerBuilder, TlsServer};
use crate::tasks::Tasks;
use channel::Channel;
pub use modern::invalid_tools;
use modern::{Catalogue, Subscription};
pub use options::{Answers, Endpoint, Era, EventIds, HttpSse, LostSession, McpOptions, Pages, ToolList};
pub use session::Session;
use session::Sessions;

/// An MCP server at `/mcp`, or at `/sse` when it speaks HTTP+SSE. Its tools are `echo`, `whoami`, `big`, `wait`, `ask` and `progress`. It ends when dropped.
///
/// `whoami` answers with the SHA-256 of the certificate the server verified on this connection, or `none`.
pub struct McpServer {
    server: TlsServer,
    shared: Arc<Shared>,
}

impl McpServer {
    /// A server that requires client certificates, with default options.
    pub async fn start(pki: &Pki) -> Self {
        Self::with(pki, McpOptions::default()).await
    }

    /// A server that requires client certificates.
    pub async fn with(pki: &Pki, options: McpOptions) -> Self {
        Self::on(TlsServer::builder(pki), options).await
    }

    /// The same on any server: other certificates, TLS versions, ALPN, plain HTTP. Replaces its handler.
    pub async fn on(builder: ServerBuilder, options: McpOptions) -> Self {
        let shared = Arc::new(Shared::new(options));
        let handling = shared.clone();
        let server =
            builder.handler(move |request, connection| handling.clone().handle(request, connection)).start().await;
        Self { server, shared }
    }

    /// The server below: connections, requests, `cut`, `stop`.
    pub fn server(&self) -> &TlsServer {
        &self.server
    }

    /// The URL of the endpoint.
    pub fn url(&self) -> String {
        self.server.url(if self.shared.options.http_sse.is_some() { "/sse" } else { "/mcp" })
    }

    /// Every HTTP request so far.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.server.requests()
    }

    /// The fingerprint verified on each connection that had one.
    pub fn verified(&self) -> Vec<String> {
        self.server.verified()
    }

    /// The exact JSON texts it sent, in order.
    pub fn sent(&self) -> Vec<String> {
        self.shared.sent.all()
    }

    /// The exact JSON texts of every message the host sent, in order.
    pub fn received(&self) -> Vec<String> {
        self.shared.received.all()
    }

    /// The exact JSON texts of the messages with this method, in order.
    pub fn received_of(&self, method: &str) -> Vec<String> {
        of_method(self.shared.received.all(), method)
    }

    /// How many requests to initialize have come.
    pub fn initializes(&self) -> usize {
        self.received_of("initialize").len()
    }

    /// Waits until the host sent a message with this method (10 seconds at most); returns the exact text of the first.
    pub async fn wait_for_method(&self, method: &str) -> String {
        self.wait_for_methods(method, 1).await.remove(0)
    }

    /// Waits until `n` messages with this method have come, 10 seconds at most; returns their exact texts.
    pub async fn wait_for_methods(&self, method: &str, n: usize) -> Vec<String> {
        let enough = |texts: &[String]| texts.iter().filter(|text| is_of_method(text, method)).count() >= n;
        of_method(self.shared.received.wait_until(&format!("{n} times {method}"), enough).await, method)
    }

    /// From now on, lets every message with this method wait at the server until [`let_go`](Self::let_go).
    pub fn hold(&self, method: &str) {
        self.shared.held.send_modify(|held| {
            held.insert(method.to_owned());
        });
    }

    /// Goes on with the messages that [`hold`](Self::hold) keeps waiting, and holds no more of them.
    pub fn let_go(&self, method: &str) {
        self.shared.held.send_modify(|held| {
            held.remove(method);
        });
    }

    /// The exact texts of the host's answers to what the server asked.
    pub fn host_answers(&self) -> Vec<String> {
        self.shared.host_answers.all()
    }

    /// Lets every waiting call of `wait` complete. Waits for one, if there is none yet (10 seconds at most).
    pub async fn release(&self) {
        self.wait_for_waiting(1).await;
        let mut waiting = locked(&self.shared.waiting);
        for (_, call) in waiting.drain() {
            // The call may have ended meanwhile with its connection.
            let _gone = call.send(true);
        }
        self.shared.waiting_now.send_replace(0);
    }

    /// Waits until `n` calls of `wait` hang, 10 seconds at most.
    pub async fn wait_for_waiting(&self, n: usize) {
        let mut waiting = self.shared.waiting_now.subscribe();
        let enough = tokio::time::timeout(LIMIT, waiting.wait_for(|now| *now >= n)).await.map(|now| now.is_ok());
        assert_eq!(enough, Ok(true), "fewer than {n} calls of `wait` came within {LIMIT:?}");
    }

    /// The sessions that the host ended by DELETE.
    pub fn ended_sessions(&self) -> Vec<String> {
        self.shared.ended.all()
    }

    /// Waits until the host ended a session by DELETE, 10 seconds at most.
    pub async fn wait_for_delete(&self) -> String {
        self.shared.ended.wait_for(1).await.remove(0)
    }

    /// Closes all, and returns when it is closed.
    pub async fn stop(&self) {
        self.shared.tasks.end().await;
        self.server.stop().await;
    }

    /// After [`stop`](Self::stop), serves again on the same port, with no memory of sessions, streams and calls. What
    /// it records goes on.
    pub async fn start_again(&self) {
        self.forget_sessions();
        self.shared.streams.send_replace(Vec::new());
        self.shared.subscriptions.send_replace(Vec::new());
        locked(&self.shared.asked).clear();
        self.server.start_again().await;
    }

    /// Stops and serves again.
    pub async fn restart(&self) {
        self.stop().await;
        self.start_again().await;
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.shared.tasks.abort();
    }
}

/// What the handlers share.
struct Shared {
    options: McpOptions,
    sent: Log<String>,
    received: Log<String>,
    host_answers: Log<String>,
    ended: Log<String>,
    sessions: Sessions,
    /// The methods whose messages wait.
    held: watch::Sender<HashSet<String>>,
    /// The GET streams, the newest last.
    streams: watch::Sender<Vec<Arc<Channel>>>,
    /// Every stream with event ids; its number is its place, from 1.
    kept: Mutex<Vec<Arc<Channel>>>,
    subscriptions: watch::Sender<Vec<Arc<Subscription>>>,
    /// Modern requests whose answer the client did not wait for.
    closed: Log<String>,
    catalogue: Catalogue,
    /// Calls of `wait`, by session and id. True completes one, false cancels it.
    waiting: Mutex<HashMap<(String, String), oneshot::Sender<bool>>>,
    waiting_now: watch::Sender<usize>,
    /// Questions to the host, by id. The answer is the exact text.
    asked: Mutex<HashMap<String, oneshot::Sender<String>>>,
    counter: AtomicUsize,
    tasks: Tasks,
}

impl Shared {
    fn new(options: McpOptions) -> Self {
        Self {
            options,
            sent: Log::default(),
            received: Log::default(),
            host_answers: Log::default(),
            ended: Log::default(),
            sessions: Sessions::default(),
            held: watch::Sender::default(),
            streams: watch::Sender::default(),
            kept: Mutex::default(),
            subscriptions: watch::Sender::default(),
            closed: Log::default(),
            catalogue: Catalogue::default(),
            waiting: Mutex::default(),
            waiting_now: watch::Sender::new(0),
            asked: Mutex::default(),
            counter: AtomicUsize::new(0),
            tasks: Tasks::default(),
        }
    }
}

fn of_method(texts: Vec<String>, method: &str) -> Vec<String> {
    texts.into_iter().filter(|text| is_of_method(text, method)).collect()
}

fn is_of_method(text: &str, method: &str) -> bool {
    message::method_of(text).as_deref() == Some(method)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! A server below HTTP: each stream goes to a script, for answers that no HTTP library would send.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Connection, Door, Record, ServerBuilder, Stream, TlsServer};
use crate::pki::Pki;
use crate::tasks::Tasks;

/// A server that hands each accepted stream to a script. It ends when dropped.
pub struct RawServer {
    addr: SocketAddr,
    record: Arc<Record>,
    tasks: Tasks,
}

impl RawServer {
    /// A server with TLS and required client certificates; [`TlsServer::builder`] and `start_raw` for any other.
    pub async fn start<F, Script>(pki: &Pki, script: F) -> Self
    where
        F: Fn(Stream, Arc<Connection>) -> Script + Send + Sync + 'static,
        Script: Future<Output = ()> + Send + 'static,
    {
        Self::builder(pki).start_raw(script).await
    }

    /// A server in clear.
    pub async fn start_plain<F, Script>(script: F) -> Self
    where
        F: Fn(Stream, Arc<Connection>) -> Script + Send + Sync + 'static,
        Script: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::serve(listener, Door::plain(), script)
    }

    /// Starts the description of one; ends in `start_raw`.
    pub fn builder(pki: &Pki) -> ServerBuilder {
        TlsServer::builder(pki)
    }

    pub(super) fn serve<F, Script>(listener: TcpListener, door: Door, script: F) -> Self
    where
        F: Fn(Stream, Arc<Connection>) -> Script + Send + Sync + 'static,
        Script: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (record, tasks) = (Arc::new(Record::default()), Tasks::default());
        let server = Self { addr, record: record.clone(), tasks: tasks.clone() };
        let (door, script) = (Arc::new(door), Arc::new(script));
        server.tasks.spawn(async move {
            while let Ok((tcp, peer)) = listener.accept().await {
                let (door, script, record) = (door.clone(), script.clone(), record.clone());
                let number = record.next_number();
                tasks.spawn(async move {
                    let (connection, stream) = door.open(tcp, peer, number).await;
                    record.connections.push(connection.clone());
                    if let Some(stream) = stream {
                        script(stream, connection).await;
                    }
                });
            }
        });
        server
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `https://localhost:PORT` and the path. Right for TLS and for "HTTP spoken where TLS is expected".
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.addr.port())
    }

    /// All that it saw, with ways to wait for more. It parses no requests.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Every TCP connection whose handshake has ended, well or not.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.record.connections.all()
    }

    /// The fingerprint verified on each connection that had one.
    pub fn verified(&self) -> Vec<String> {
        self.record.verified()
    }

    /// Closes all, and returns when it is closed.
    pub async fn stop(&self) {
        self.tasks.end().await;
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

//! An HTTP proxy that knows CONNECT.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::{Routes, carry};
use crate::log::Log;
use crate::pki::{Pki, ServerIdentity};
use crate::server::{ClientAuth, Connection, Door, Record, Stream, TlsOptions};
use crate::tasks::Tasks;

/// An HTTP proxy that knows CONNECT. It ends when dropped.
pub struct ConnectProxy {
    addr: SocketAddr,
    scheme: &'static str,
    record: Arc<Record>,
    tunnels: Arc<Log<Tunnel>>,
    tasks: Tasks,
}

/// What a [`ConnectProxy`] insists on. The default is a proxy in clear that serves everyone.
#[derive(Clone, Default)]
#[must_use = "options alone start nothing; call start"]
pub struct ConnectProxyOptions {
    credentials: Option<String>,
    tls: Option<TlsOptions>,
    routes: Routes,
}

/// One request to a [`ConnectProxy`].
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// Name and port that the client asked for.
    pub target: String,
    /// The fingerprint of a client certificate shown to the proxy itself, which must never happen.
    pub certificate: Option<String>,
    /// The whole head of the request.
    pub head: String,
    /// The status of the answer.
    pub status: u16,
}

impl ConnectProxyOptions {
    /// Asks for Basic credentials, and answers 407 without them.
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self
    }

    /// Speaks TLS itself. It requests a client certificate, to see whether it gets one.
    pub fn tls(mut self, pki: &Pki, identity: &ServerIdentity) -> Self {
        let mut options = TlsOptions::new(pki);
        options.identity = identity.clone();
        options.client_auth = ClientAuth::Requested;
        self.tls = Some(options);
        self
    }

    /// Takes `target` (`name:port`) to this address.
    pub fn route(mut self, target: &str, addr: SocketAddr) -> Self {
        self.routes.add(target, addr);
        self
    }

    /// Starts it.
    pub async fn start(self) -> ConnectProxy {
        ConnectProxy::with(self).await
    }
}

impl ConnectProxy {
    /// A proxy in clear that serves everyone.
    pub async fn start() -> Self {
        Self::with(ConnectProxyOptions::default()).await
    }

    /// Starts the description of one.
    pub fn options() -> ConnectProxyOptions {
        ConnectProxyOptions::default()
    }

    async fn with(options: ConnectProxyOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (record, tunnels, tasks) = (Arc::new(Record::default()), Arc::new(Log::default()), Tasks::default());
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let proxy = Self { addr, scheme, record: record.clone(), tunnels: tunnels.clone(), tasks: tasks.clone() };
        let door = Arc::new(options.tls.as_ref().map_or_else(Door::plain, Door::tls));
        let options = Arc::new(options);
        proxy.tasks.spawn(async move {
            while let Ok((tcp, peer)) = listener.accept().await {
                let (door, options) = (door.clone(), options.clone());
                let (record, tunnels) = (record.clone(), tunnels.clone());
                let number = record.next_number();
                tasks.spawn(async move {
                    let (connection, stream) = door.open(tcp, peer, number).await;
                    record.connections.push(connection.clone());
                    if let Some(stream) = stream {
                        options.serve(stream, &connection, &tunnels).await;
                    }
                });
            }
        });
        proxy
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` over TLS.
    pub fn url(&self) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.addr.port())
    }

    /// The URL with credentials in it.
    pub fn url_with(&self, user: &str, password: &str) -> String {
        self.url().replacen("://", &format!("://{user}:{password}@"), 1)
    }

    /// Every request, refused ones too.
    pub fn tunnels(&self) -> Vec<Tunnel> {
        self.tunnels.all()
    }

    /// The targets that were asked for.
    pub fn targets(&self) -> Vec<String> {
        self.tunnels().into_iter().map(|tunnel| tunnel.target).collect()
    }

    /// Waits for `n` requests, 10 seconds at most.
    pub async fn wait_for_tunnels(&self, n: usize) -> Vec<Tunnel> {
        self.tunnels.wait_for(n).await
    }

    /// Every connection to the proxy itself.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.record.connections.all()
    }

    /// Closes all, tunnels too, and returns when it is closed.
    pub async fn stop(&self) {
        self.tasks.end().await;
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl ConnectProxyOptions {
    async fn serve(&self, mut stream: Stream, connection: &Connection, tunnels: &Log<Tunnel>) {
        while let Ok(head) = stream.read_head().await {
            let mut words = head.split_whitespace();
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
            let far = if method != "CONNECT" {
                Err((405, "Method Not Allowed", ""))
            } else if !self.admits(&head) {
                Err((407, "Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"testkit\"\r\n"))
            } else {
                self.routes.connect(&target).await.map_err(|_| (502, "Bad Gateway", ""))
            };
            tunnels.push(Tunnel {
                target,
                certificate: connection.fingerprint().map(str::to_owned),
                status: far.as_ref().map_or_else(|(status, _, _)| *status, |_| 200),
                head,
            });
            match far {
                Ok(far) => {
                    if stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
                        carry(stream, far).await;
                    }
                    return;
                }
                Err((status, reason, extra)) => {
                    let answer = format!("HTTP/1.1 {status} {reason}\r\n{extra}Content-Length: 0\r\n\r\n");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn admits(&self, head: &str) -> bool {
        let Some(wanted) = &self.credentials else { return true };
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == wanted)
    }
}

//! A TCP relay in front of a server: bytes pass, or stop passing without a word, as networks do.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::log::LIMIT;
use crate::server::listen_at;
use crate::tasks::Tasks;

/// A relay on loopback. It ends when dropped.
///
/// ```no_run
/// # async fn example() {
/// use mcp_mtls_testkit::{McpServer, Pki, Relay};
/// let pki = Pki::new();
/// let server = McpServer::start(&pki).await;
/// let relay = Relay::to(server.server().addr()).await;
/// println!("{}", relay.url("/mcp"));
/// relay.freeze();
/// relay.thaw();
/// relay.reset().await;
/// # }
/// ```
pub struct Relay {
    addr: SocketAddr,
    target: SocketAddr,
    wires: Arc<Wires>,
    carrying: Tasks,
    accepting: Tasks,
}

/// What all connections share.
struct Wires {
    frozen: watch::Sender<bool>,
    /// The newest connection that must end, and whether with a reset.
    ended: watch::Sender<(usize, bool)>,
    /// The numbers of the open connections.
    open: watch::Sender<Vec<usize>>,
    accepted: AtomicUsize,
}

impl Relay {
    /// A relay to this address.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = listen_at((Ipv4Addr::LOCALHOST, 0).into()).await;
        let relay = Self {
            addr: listener.local_addr().expect("a bound socket has an address"),
            target,
            wires: Arc::new(Wires {
                frozen: watch::Sender::new(false),
                ended: watch::Sender::new((0, false)),
                open: watch::Sender::default(),
                accepted: AtomicUsize::new(0),
            }),
            carrying: Tasks::default(),
            accepting: Tasks::default(),
        };
        relay.accept(listener);
        relay
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `https://localhost:PORT` and the path, which is right for a server over TLS behind it.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.addr.port())
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.wires.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.wires.open.borrow().len()
    }

    /// From now on nothing passes, neither bytes nor ends of streams, and nobody is told. New connections are accepted
    /// and treated the same. Bytes that come meanwhile wait.
    pub fn freeze(&self) {
        self.wires.frozen.send_replace(true);
    }

    /// Lets everything pass that waits, and what comes.
    pub fn thaw(&self) {
        self.wires.frozen.send_replace(false);
    }

    /// Closes every open connection on both sides, frozen or not, with FIN; returns when it is done. A peer whose
    /// bytes were never read gets RST all the same, as TCP has it.
    pub async fn cut(&self) {
        self.end(false).await;
    }

    /// The same with RST.
    pub async fn reset(&self) {
        self.end(true).await;
    }

    /// Refuses new connections ("connection refused"). Open ones live on.
    pub async fn refuse(&self) {
        self.accepting.end().await;
    }

    /// Accepts connections again, on the same port.
    pub async fn admit(&self) {
        self.accept(listen_at(self.addr).await);
    }

    async fn end(&self, reset: bool) {
        let newest = self.accepted();
        self.wires.ended.send_replace((newest, reset));
        let mut open = self.wires.open.subscribe();
        let closed = open.wait_for(|open| open.iter().all(|number| *number > newest));
        let in_time = tokio::time::timeout(LIMIT, closed).await.is_ok_and(|closed| closed.is_ok());
        assert!(in_time, "connections of the relay did not close within {LIMIT:?}");
    }

    fn accept(&self, listener: TcpListener) {
        let (wires, target, carrying) = (self.wires.clone(), self.target, self.carrying.clone());
        self.accepting.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let number = wires.accepted.fetch_add(1, Ordering::Relaxed) + 1;
                wires.open.send_modify(|open| open.push(number));
                let open = Open { wires: wires.clone(), number };
                carrying.spawn(async move { open.carry(near, target).await });
            }
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.carrying.abort();
    }
}

/// One connection, on the list while it lives.
struct Open {
    wires: Arc<Wires>,
    number: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.wires.open.send_modify(|open| open.retain(|number| *number != self.number));
    }
}

impl Open {
    async fn carry(self, mut near: TcpStream, target: SocketAddr) {
        let mut ended = self.wires.ended.subscribe();
        let mut ended = Box::pin(ended.wait_for(|(newest, _)| self.number <= *newest));
        let mut far = tokio::select! {
            // A relay that is frozen does not call either.
            far = self.thawed(TcpStream::connect(target)) => match far {
                Ok(far) => far,
                Err(_) => return abort(&near),
            },
            end = &mut ended => {
                if end.is_ok_and(|end| end.1) {
                    abort(&near);
                }
                return;
            }
        };
        near.set_nodelay(true).expect("TCP_NODELAY on a fresh socket");
        far.set_nodelay(true).expect("TCP_NODELAY on a fresh socket");
        let reset = {
            let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
            let both = async { tokio::try_join!(self.pass(from_near, to_far), self.pass(from_far, to_near)) };
            tokio::select! {
                passed = both => passed.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset),
                end = &mut ended => end.is_ok_and(|end| end.1),
            }
        };
        if reset {
            abort(&near);
            abort(&far);
        }
        // The sockets close before the connection leaves the list.
        drop((near, far));
    }

    /// Carries bytes one way, and in the end the end.
    async fn pass(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = self.thawed(from.read(&mut buffer)).await?;
            if read == 0 {
                return self.thawed(to.shutdown()).await;
            }
            let mut written = 0;
            while written < read {
                written += self.thawed(to.write(&buffer[written..read])).await?;
            }
        }
    }

    /// Does this, and pauses while all is frozen: no byte moves in a future that nobody polls.
    async fn thawed<T>(&self, step: impl Future<Output = T>) -> T {
        let (mut freeze, mut thaw) = (self.wires.frozen.subscribe(), self.wires.frozen.subscribe());
        let mut step = pin!(step);
        loop {
            thaw.wait_for(|frozen| !frozen).await.expect("the relay's connections hold the sender");
            tokio::select! {
                biased;
                _ = freeze.wait_for(|frozen| *frozen) => {}
                done = &mut step => return done,
            }
        }
    }
}

/// Makes the socket close with RST.
fn abort(tcp: &TcpStream) {
    // A socket that the peer has reset already may refuse; then there is nothing left to say.
    let _gone = tcp.set_zero_linger();
}

#[cfg(test)]
mod tests;

//! A SOCKS5 proxy (RFC 1928), with user and password (RFC 1929) when told to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Routes, carry};
use crate::log::Log;
use crate::tasks::Tasks;

/// A SOCKS5 proxy. It ends when dropped.
pub struct Socks5Proxy {
    addr: SocketAddr,
    targets: Arc<Log<SocksTarget>>,
    tasks: Tasks,
}

/// What a [`Socks5Proxy`] insists on. The default serves everyone.
#[derive(Clone, Default)]
#[must_use = "options alone start nothing; call start"]
pub struct Socks5ProxyOptions {
    credentials: Option<(String, String)>,
    routes: Routes,
}

/// Where a client of a [`Socks5Proxy`] wanted to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocksTarget {
    /// Host and port, `host:port`.
    pub target: String,
    /// Whether the host came as a name, for the proxy to resolve, and not as an IP address.
    pub by_name: bool,
    /// The user that signed in.
    pub user: Option<String>,
    /// Whether the proxy got there.
    pub reached: bool,
}

impl Socks5ProxyOptions {
    /// Insists on user and password.
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Takes `target` (`name:port`) to this address.
    pub fn route(mut self, target: &str, addr: SocketAddr) -> Self {
        self.routes.add(target, addr);
        self
    }

    /// Starts it.
    pub async fn start(self) -> Socks5Proxy {
        Socks5Proxy::with(self).await
    }
}

impl Socks5Proxy {
    /// A proxy that serves everyone.
    pub async fn start() -> Self {
        Self::with(Socks5ProxyOptions::default()).await
    }

    /// Starts the description of one.
    pub fn options() -> Socks5ProxyOptions {
        Socks5ProxyOptions::default()
    }

    async fn with(options: Socks5ProxyOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (targets, tasks) = (Arc::new(Log::default()), Tasks::default());
        let proxy = Self { addr, targets: targets.clone(), tasks: tasks.clone() };
        let options = Arc::new(options);
        proxy.tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (options, targets) = (options.clone(), targets.clone());
                tasks.spawn(async move {
                    // A client that breaks off is seen by what it did not reach.
                    let _ended = options.serve(tcp, &targets).await;
                });
            }
        });
        proxy
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The proxy's URL; `scheme` is `socks5` or `socks5h`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.addr)
    }

    /// The URL with credentials in it.
    pub fn url_with(&self, scheme: &str, user: &str, password: &str) -> String {
        format!("{scheme}://{user}:{password}@{}", self.addr)
    }

    /// Every target that was asked for.
    pub fn targets(&self) -> Vec<SocksTarget> {
        self.targets.all()
    }

    /// Waits for `n` targets, 10 seconds at most.
    pub async fn wait_for_targets(&self, n: usize) -> Vec<SocksTarget> {
        self.targets.wait_for(n).await
    }

    /// Closes all, tunnels too, and returns when it is closed.
    pub async fn stop(&self) {
        self.tasks.end().await;
    }
}

impl Drop for Socks5Proxy {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Socks5ProxyOptions {
    async fn serve(&self, mut tcp: TcpStream, targets: &Log<SocksTarget>) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let Some(user) = self.sign_in(&mut tcp).await? else { return Ok(()) };
        let [_version, command, _reserved, kind] = read_array(&mut tcp).await?;
        let (host, by_name) = match kind {
            IPV4 => (Ipv4Addr::from(read_array::<4>(&mut tcp).await?).to_string(), false),
            IPV6 => (format!("[{}]", Ipv6Addr::from(read_array::<16>(&mut tcp).await?)), false),
            _ => (read_text(&mut tcp).await?, true),
        };
        let target = format!("{host}:{}", tcp.read_u16().await?);
        let far = if command == CONNECT { self.routes.connect(&target).await.ok() } else { None };
        targets.push(SocksTarget { target, by_name, user, reached: far.is_some() });
        let Some(far) = far else {
            return tcp.write_all(&[5, HOST_UNREACHABLE, 0, IPV4, 0, 0, 0, 0, 0, 0]).await;
        };
        tcp.write_all(&[5, 0, 0, IPV4, 0, 0, 0, 0, 0, 0]).await?;
        carry(tcp, far).await;
        Ok(())
    }

    /// Agrees on a method. `None` when the client was turned away.
    async fn sign_in(&self, tcp: &mut TcpStream) -> io::Result<Option<Option<String>>> {
        let [_version, count] = read_array(tcp).await?;
        let mut methods = vec![0; usize::from(count)];
        tcp.read_exact(&mut methods).await?;
        let wanted = if self.credentials.is_some() { PASSWORD } else { NO_AUTH };
        if !methods.contains(&wanted) {
            tcp.write_all(&[5, 0xff]).await?;
            return Ok(None);
        }
        tcp.write_all(&[5, wanted]).await?;
        let Some(credentials) = &self.credentials else { return Ok(Some(None)) };
        let _version = tcp.read_u8().await?;
        let given = (read_text(tcp).await?, read_text(tcp).await?);
        let good = given == *credentials;
        tcp.write_all(&[1, u8::from(!good)]).await?;
        Ok(good.then_some(Some(given.0)))
    }
}

async fn read_array<const N: usize>(tcp: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    tcp.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_text(tcp: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(tcp.read_u8().await?)];
    tcp.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const NO_AUTH: u8 = 0;
const PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const IPV6: u8 = 4;
const HOST_UNREACHABLE: u8 = 4;

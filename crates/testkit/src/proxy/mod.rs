//! Two small forward proxies that record where they were asked to go.

mod connect;
mod socks;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use connect::{ConnectProxy, ConnectProxyOptions, Tunnel};
pub use socks::{Socks5Proxy, Socks5ProxyOptions, SocksTarget};

/// Where a target really is, for names that only the proxy can resolve.
#[derive(Clone, Default)]
struct Routes(HashMap<String, SocketAddr>);

impl Routes {
    fn add(&mut self, target: &str, addr: SocketAddr) {
        self.0.insert(target.to_owned(), addr);
    }

    async fn connect(&self, target: &str) -> io::Result<TcpStream> {
        let tcp = match self.0.get(target) {
            Some(addr) => TcpStream::connect(addr).await?,
            None => TcpStream::connect(target).await?,
        };
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }
}

/// Carries bytes both ways until one side is done.
async fn carry(mut near: impl AsyncRead + AsyncWrite + Unpin, mut far: TcpStream) {
    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}

#[cfg(test)]
mod tests;

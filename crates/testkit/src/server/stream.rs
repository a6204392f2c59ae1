//! One accepted stream, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A stream that a server accepted.
pub enum Stream {
    /// Bytes in clear.
    Plain(TcpStream),
    /// Bytes inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Reads to the end of an HTTP/1.1 head and returns it. What follows stays unread.
    pub async fn read_head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        // One byte at a time, so that a tunnel behind the head loses nothing.
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads an HTTP/1.1 request with a `Content-Length` body; returns head and body.
    pub async fn read_request(&mut self) -> io::Result<(String, Vec<u8>)> {
        let head = self.read_head().await?;
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.read_exact(&mut body).await?;
        Ok((head, body))
    }

    /// Closes the connection with a TCP reset.
    pub fn reset(self) {
        self.tcp().set_zero_linger().expect("SO_LINGER on an open socket");
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut dyn Io> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp),
            Self::Tls(tls) => Pin::new(tls.as_mut()),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}

//! A tap on a connection: it writes down what the server says last, and sees to it that this is heard.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::evidence::Record;
use tokio_rustls::client::TlsStream;

/// A stream whose alerts and first bytes are written down.
///
/// Under TLS 1.3 a server refuses a certificate when the client is already sending. The refusal
/// comes as an alert and then the connection is reset, so the client's next write fails, and a
/// client that stops there never reads the alert. Here a write to a connection that the server
/// has closed succeeds without effect; the reads that follow give what the server had sent: the
/// alert, an early answer, or the end.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    stream: S,
    record: Record,
    heard: bool,
    deaf: bool,
    stalled: bool,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, record: Record) -> Self {
        Self { stream, record, heard: false, deaf: false, stalled: false }
    }

    /// Writes down whether the other end takes what is sent.
    fn follow<T>(&mut self, result: Poll<T>) -> Poll<T> {
        if self.stalled != result.is_pending() {
            self.stalled = result.is_pending();
            self.record.lock().stalled = self.stalled;
        }
        result
    }

    /// Whether the other end is gone for writing; from then on writes have no effect.
    fn gone<T>(&mut self, result: &io::Result<T>) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        if let Err(error) = result {
            let closed = matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected);
            self.deaf |= closed;
        }
        self.deaf
    }
}

impl<S> Tap<TlsStream<S>> {
    /// The application protocol that was agreed on (ALPN).
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (before, room) = (buf.filled().len(), buf.remaining());
        let result = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        match &result {
            Ok(()) if !this.heard && buf.filled().len() > before => {
                this.heard = true;
                this.record.lock().heard = true;
            }
            Ok(()) if room > 0 && buf.filled().len() == before => this.record.lock().ended = true,
            Ok(()) => {}
            Err(error) => {
                this.record.lock().ended = true;
                if let Some(rustls::Error::AlertReceived(alert)) = tls_error(error) {
                    this.record.lock().alert = Some(*alert);
                }
            }
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        let result = ready!(this.follow(result));
        Poll::Ready(if this.gone(&result) { Ok(buf.len()) } else { result })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        let result = ready!(this.follow(result));
        Poll::Ready(if this.gone(&result) { Ok(()) } else { result })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf { Poll::Ready(Ok(())) } else { Pin::new(&mut this.stream).poll_shutdown(cx) }
    }
}

/// The TLS error inside an I/O error. `io::Error::source` skips the error it wraps, so this
/// descends with `get_ref`.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| inner.downcast_ref::<io::Error>().and_then(tls_error))
}

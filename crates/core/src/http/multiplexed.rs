//! An HTTP/2 connection, shared by as many requests as the server allows at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;

use super::tasks::Spawner;

/// A handle to an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Multiplexed {
    pub(super) sender: http2::SendRequest<Full<Bytes>>,
    streams: Arc<Streams>,
    /// Whether this handle is for one request, and so holds a stream.
    taken: bool,
}

/// The streams of a connection.
#[derive(Debug)]
struct Streams {
    /// What the server allows at once (RFC 9113, section 5.1.2).
    limit: AtomicUsize,
    taken: AtomicUsize,
}

impl Multiplexed {
    /// A handle that holds a stream, unless the connection is closed or all its streams are taken.
    pub(super) fn take(&self) -> Option<Self> {
        let free = self.streams.taken.load(Ordering::Relaxed) < self.streams.limit.load(Ordering::Relaxed);
        (free && !self.sender.is_closed()).then(|| self.taken())
    }

    /// A handle that holds a stream.
    pub(super) fn taken(&self) -> Self {
        self.streams.taken.fetch_add(1, Ordering::Relaxed);
        Self { sender: self.sender.clone(), streams: Arc::clone(&self.streams), taken: true }
    }

    /// Drives a new connection in the background, and follows what the server allows.
    pub(super) fn drive<T>(
        sender: http2::SendRequest<Full<Bytes>>,
        connection: http2::Connection<T, Full<Bytes>, Spawner>,
        tasks: &Spawner,
    ) -> Self
    where
        T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let limit = AtomicUsize::new(connection.current_max_send_streams());
        let streams = Arc::new(Streams { limit, taken: AtomicUsize::new(0) });
        let followed = Arc::clone(&streams);
        tasks.spawn(async move {
            let mut connection = pin!(connection);
            std::future::poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                followed.limit.store(connection.current_max_send_streams(), Ordering::Relaxed);
                polled
            })
            .await
        });
        Self { sender, streams, taken: false }
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        if self.taken {
            self.streams.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What the server says of a request that it did not process, which may be sent again (RFC 9113, section 8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotProcessed {
    /// It takes no stream more at the moment.
    Refused,
    /// It takes no further stream on this connection.
    GoingAway,
}

impl NotProcessed {
    pub(super) fn read(error: &hyper::Error) -> Option<Self> {
        use std::error::Error;
        let error = error.source()?.downcast_ref::<h2::Error>().filter(|error| error.is_remote())?;
        match error.reason()? {
            h2::Reason::REFUSED_STREAM if error.is_reset() => Some(Self::Refused),
            h2::Reason::NO_ERROR if error.is_go_away() => Some(Self::GoingAway),
            _ => None,
        }
    }
}

//! An HTTP/2 connection, shared by as many requests as the server allows at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use tokio::sync::watch;

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
    /// What the server allows at once (RFC 9113, section 5.1.2); none before it has said so.
    limit: Limit,
    taken: AtomicUsize,
}

/// How many streams a connection has; none before the server has said so, which it does first of all.
pub(super) type Limit = watch::Receiver<Option<usize>>;

impl Multiplexed {
    /// A handle that holds a stream, unless the connection is closed, all its streams are taken, or
    /// their number is not known: what is too much would wait within the connection for a stream
    /// that may be free only when it has been answered.
    pub(super) fn take(&self) -> Option<Self> {
        let limit = (*self.streams.limit.borrow()).unwrap_or(0);
        let free = self.streams.taken.load(Ordering::Relaxed) < limit;
        (free && !self.sender.is_closed()).then(|| self.taken())
    }

    /// Where the number of streams will be told, when it is not known.
    pub(super) fn unknown(&self) -> Option<Limit> {
        let limit = &self.streams.limit;
        (limit.borrow().is_none() && !self.sender.is_closed()).then(|| limit.clone())
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
        let known = |limit| (limit != UNKNOWN).then_some(limit);
        let (told, limit) = watch::channel(known(connection.current_max_send_streams()));
        let streams = Arc::new(Streams { limit, taken: AtomicUsize::new(0) });
        tasks.spawn(async move {
            let mut connection = pin!(connection);
            // The HTTP library reads frames in a task of its own, which tells nobody of the number.
            let mut look = tokio::time::interval(LOOK);
            std::future::poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                let now = known(connection.current_max_send_streams());
                while now.is_none() && look.poll_tick(cx).is_ready() {}
                told.send_if_modified(|limit| std::mem::replace(limit, now) != now);
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

/// What the HTTP library takes for the number of streams before the server has said it.
pub(super) const UNKNOWN: usize = usize::MAX - 1;
/// How often the number is looked for; it is there within a round trip.
const LOOK: Duration = Duration::from_millis(1);

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

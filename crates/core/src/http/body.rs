//! The body of a response; read to its end it gives its connection back.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::Stream;
use hyper::body::{Body as _, Incoming};

use super::connection::{Lease, expiry};
use super::pool::Settler;
use super::trouble::{in_words, whole};
use crate::error::{Code, Failure, Result};
use crate::tls::Tls;

/// The body of a response.
pub(crate) struct Body {
    /// What was looked at before it was read.
    ahead: Bytes,
    incoming: Incoming,
    /// Until the end of the body; dropped before, an HTTP/1.1 connection is closed.
    lease: Option<Lease>,
    tls: Arc<Tls>,
    expires: Instant,
}

impl Body {
    pub(super) fn new(incoming: Incoming, lease: Lease, headers: &http::HeaderMap) -> Self {
        let tls = Arc::clone(lease.tls());
        let mut body =
            Self { ahead: Bytes::new(), incoming, lease: Some(lease), tls, expires: expiry(headers, Instant::now()) };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    pub(super) fn tls(&self) -> &Arc<Tls> {
        &self.tls
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Up to about `limit` bytes of the beginning, as far as they come within `time`; they are read
    /// again afterwards.
    pub(crate) async fn peek(&mut self, limit: usize, time: Duration) -> &[u8] {
        let mut ahead = bytes::BytesMut::from(std::mem::take(&mut self.ahead));
        let deadline = tokio::time::Instant::now() + time;
        while ahead.len() < limit
            && let Ok(Some(Ok(chunk))) = tokio::time::timeout_at(deadline, self.chunk()).await
        {
            ahead.extend_from_slice(&chunk);
        }
        self.ahead = ahead.freeze();
        &self.ahead
    }

    /// How many bytes are still to come at least, as the head of the response says.
    pub(crate) fn at_least(&self) -> usize {
        let unread = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        unread.saturating_add(self.ahead.len())
    }

    /// Up to `limit` bytes of the beginning, as far as they come within `time`.
    pub(crate) async fn beginning(mut self, limit: usize, time: Duration) -> Vec<u8> {
        let mut bytes = Vec::new();
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout_at(deadline, self.chunk()).await {
            bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
            if bytes.len() == limit {
                break;
            }
        }
        bytes
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.ahead))));
        }
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Err(error)) => {
                    let failure = self.lease.take().map(|lease| lease.lost(&error));
                    return Poll::Ready(Some(Err(failure.unwrap_or_else(|| {
                        Failure::new(Code::ConnectionLost, "The answer broke off")
                            .because(in_words(&error))
                            .fix("Call again if the call may run twice.")
                            .cause(whole(&error))
                    }))));
                }
            }
        }
    }

    /// Where to say that only the end of the body is missing; none when it has ended.
    pub(crate) fn settler(&self) -> Option<Settler> {
        self.lease.as_ref().map(Lease::settler)
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(self.expires);
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("ended", &self.lease.is_none()).finish_non_exhaustive()
    }
}

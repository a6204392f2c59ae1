//! The messages in a stream of server-sent events, behind a cap on the size of each.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use sse_stream::{Error, SseByteStream};

use super::MESSAGE_LIMIT;
use super::message::{Malformed, Message};
use crate::error::{Code, Failure, Result};
use crate::http::{Body, Settler, Settling};

/// Reads messages from an event stream.
pub(super) struct Events<S = Body>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    decoder: SseByteStream<Capped<S>>,
    settler: Option<Settler>,
    /// Bytes since the last event.
    pending: Arc<AtomicUsize>,
}

/// One event of the stream.
pub(super) struct Event {
    /// Its messages; none for an event without data, or of another type.
    pub(super) messages: Vec<Message>,
    /// What is wrong with its data: some servers keep a stream alive with words that are no message.
    pub(super) malformed: Option<Malformed>,
    /// Its id, for resuming.
    pub(super) id: Option<String>,
    /// How long the server wants a client to wait before it comes back, in milliseconds.
    pub(super) retry: Option<u64>,
    /// Where messages are POSTed, which a server of HTTP+SSE (2024-11-05) says first.
    pub(super) endpoint: Option<String>,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
        let settler = body.settler();
        Self { settler, ..Self::over(body) }
    }
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Events<S> {
    pub(super) fn over(chunks: S) -> Self {
        let pending = Arc::new(AtomicUsize::new(0));
        let capped = Capped { chunks, pending: Arc::clone(&pending) };
        Self { decoder: SseByteStream::new(capped), settler: None, pending }
    }

    /// Says that only the end of the stream is missing, until the result is dropped.
    pub(super) fn settling(&self) -> Option<Settling> {
        self.settler.as_ref().and_then(Settler::begin)
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// `message-too-large`, `connection-lost`, and `protocol-violation` for what is not UTF-8.
    pub(super) async fn next(&mut self) -> Option<Result<Event>> {
        let event = std::future::poll_fn(|cx| Pin::new(&mut self.decoder).poll_next(cx)).await?;
        self.pending.store(0, Ordering::Relaxed);
        let event = match event {
            Ok(event) => event,
            Err(error) => return Some(Err(broken(error))),
        };
        let name = event.event.as_deref().unwrap_or_default();
        let (of_mcp, of_transport) = (matches!(name, "" | "message"), name == "endpoint");
        let endpoint = if of_transport { event.data.clone() } else { None };
        let data = event.data.filter(|data| of_mcp && !data.is_empty());
        let mut malformed = None;
        let read = data.into_iter().flat_map(|data| Message::read(data.into()));
        let messages = read.filter_map(|message| message.map_err(|defect| malformed = Some(defect)).ok()).collect();
        Some(Ok(Event { messages, malformed, id: event.id, retry: event.retry, endpoint }))
    }
}

/// The messages of a body of the server.
pub(super) fn read(text: Bytes) -> Result<Vec<Message>, Malformed> {
    Message::read(without_mark(text)).into_iter().collect()
}

/// The text without the byte order mark that some servers begin with (RFC 8259, section 8.1).
pub(super) fn without_mark(text: Bytes) -> Bytes {
    if text.starts_with(b"\xef\xbb\xbf") { text.slice(3..) } else { text }
}

/// The failure for what a server sent instead of a message.
pub(super) fn no_message(malformed: Malformed) -> Failure {
    Failure::new(Code::ProtocolViolation, "The server sent something that is no MCP message")
        .because(format!("What it sent {}.", malformed.words()))
        .fix("Check that the URL is that of an MCP endpoint.")
}

fn broken(error: Error) -> Failure {
    match error {
        Error::Body(error) => match error.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(error) => Failure::new(Code::ConnectionLost, "The event stream broke off")
                .fix("Call again if the call may run twice.")
                .cause(error),
        },
        _ => Failure::new(Code::ProtocolViolation, "The server's event stream is not UTF-8 text")
            .fix("Tell whoever runs the server."),
    }
}

/// A body that ends with an error when too much of it came without an event.
struct Capped<S> {
    chunks: S,
    pending: Arc<AtomicUsize>,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Stream for Capped<S> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.chunks).poll_next(cx));
        if let Some(Ok(chunk)) = &chunk
            && self.pending.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > MESSAGE_LIMIT
        {
            return Poll::Ready(Some(Err(Failure::new(Code::MessageTooLarge, "An event of the server is too large")
                .because(format!("It has more than {} MiB.", MESSAGE_LIMIT >> 20))
                .fix("Ask the server for less at a time."))));
        }
        Poll::Ready(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many pieces of a line that never ends as are asked for.
    struct Endless;

    impl Stream for Endless {
        type Item = Result<Bytes>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            static PIECE: [u8; 1 << 20] = [b'x'; 1 << 20];
            Poll::Ready(Some(Ok(Bytes::from_static(&PIECE))))
        }
    }

    #[tokio::test]
    async fn an_event_without_end_is_an_error() {
        let failure = Events::over(Endless).next().await.map(Result::err);
        assert_eq!(failure.flatten().map(|failure| failure.code()), Some(Code::MessageTooLarge));
    }
}

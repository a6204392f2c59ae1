//! Answers for handlers: texts, and event streams that a script writes to.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// The body of every answer.
pub type Body = BoxBody<Bytes, Infallible>;

/// A status without a body.
pub fn empty(status: u16) -> Response<Body> {
    with(status, None, Empty::new().boxed())
}

/// Plain text.
pub fn text(status: u16, text: impl Into<Bytes>) -> Response<Body> {
    with(status, Some("text/plain"), Full::new(text.into()).boxed())
}

/// JSON, exactly as given.
pub fn json(status: u16, text: impl Into<Bytes>) -> Response<Body> {
    with(status, Some("application/json"), Full::new(text.into()).boxed())
}

/// A redirect.
pub fn redirect(status: u16, location: &str) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(http::header::LOCATION, location.parse().expect("a location"));
    response
}

/// An event stream, which ends when every clone of [`Events`] is gone.
pub fn events() -> (Events, Response<Body>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Events(sender), with(200, Some("text/event-stream"), Scripted(receiver, None).boxed()))
}

/// An event stream that begins like this, and neither goes on nor ends.
pub fn endless(beginning: &'static str) -> Response<Body> {
    let (sender, receiver) = mpsc::unbounded_channel();
    // The receiver is here, so it is taken.
    let _taken = sender.send(Bytes::from_static(beginning.as_bytes()));
    with(200, Some("text/event-stream"), Scripted(receiver, Some(sender)).boxed())
}

/// The writing end of an event stream.
#[derive(Clone, Debug)]
pub struct Events(mpsc::UnboundedSender<Bytes>);

impl Events {
    /// One event of type `message`, a `data:` line for each line of the text. False when the reader is gone.
    pub fn send(&self, message: &str) -> bool {
        self.raw(event("", message))
    }

    /// Bytes as they are, in a chunk of their own. False when the reader is gone.
    pub fn raw(&self, bytes: impl Into<Bytes>) -> bool {
        self.0.send(bytes.into()).is_ok()
    }

    /// Waits until the reader is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Whether the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// One event of type `message`, a `data:` line for each line of the text, after these lines.
pub(crate) fn event(before: &str, message: &str) -> String {
    let mut event = String::with_capacity(before.len() + message.len() + 32);
    event.push_str(before);
    event.push_str("event: message\n");
    for line in message.lines() {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}

/// With the sender of a stream that does not end.
struct Scripted(
    mpsc::UnboundedReceiver<Bytes>,
    #[expect(dead_code, reason = "it is kept")] Option<mpsc::UnboundedSender<Bytes>>,
);

impl hyper::body::Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn with(status: u16, content_type: Option<&'static str>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status.try_into().expect("a status between 100 and 999");
    if let Some(content_type) = content_type {
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    }
    response
}

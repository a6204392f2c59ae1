//! The answer to a POSTed request, in each of the forms a server may give it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::events::{self, Event, Events};
use super::message::{Kind, Malformed, Message};
use super::method::INITIALIZE;
use super::refusal::{compressed, no_message_at_all, not_mcp};
use super::{Asked, MESSAGE_LIMIT, Outbox};
use crate::error::{Code, Failure, Result};
use crate::http::{Body, HeaderValue, Response};

/// An answer that did not come.
#[derive(Debug)]
pub(super) enum Broken {
    /// There was no stream of events, or what came is no answer.
    Whole(Failure),
    /// The stream of events broke off or ended.
    Stream(Failure, Position),
}

/// How far a stream of events was read.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The id of the last event that had one.
    pub(super) last_id: Option<HeaderValue>,
    /// How long the server wants a client to wait before it comes back, in milliseconds.
    pub(super) retry: Option<u64>,
    /// Whether a message came.
    pub(super) messages: bool,
}

impl Broken {
    /// Whether a stream of events had begun.
    pub(super) fn in_stream(&self) -> bool {
        matches!(self, Self::Stream(..))
    }

    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Whole(failure) | Self::Stream(failure, _) => failure,
        }
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Whole(failure)
    }
}

impl Position {
    /// Where a stream is taken up again.
    pub(super) fn after(last_id: &HeaderValue) -> Self {
        Self { last_id: Some(last_id.clone()), ..Self::default() }
    }

    /// Takes note of an event.
    pub(super) fn pass(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            // An empty id takes the last one back (HTML, "Server-sent events").
            self.last_id = HeaderValue::from_bytes(id.as_bytes()).ok().filter(|id| !id.is_empty());
        }
        self.retry = event.retry.or(self.retry);
        self.messages |= !event.messages.is_empty();
    }
}

/// Reads the answer to a request from a successful response; other messages go to its outbox. What is left of an event stream after the answer is read in the background, so that its
/// connection is used again.
pub(super) async fn read(response: Response, asked: Asked<'_>, rests: &Mutex<JoinSet<()>>) -> Result<Message, Broken> {
    let media_type = response.media_type();
    if let (Some(coding), "application/json" | "text/event-stream") = (response.coding(), media_type.as_str()) {
        return Err(compressed(response.asked(), &coding).into());
    }
    match media_type.as_str() {
        "application/json" => {
            let place = response.asked();
            Ok(json(response.body, asked, place).await?)
        }
        "text/event-stream" => stream(Events::new(response.body), Position::default(), asked, rests).await,
        _ => Err(not_mcp(response).await.into()),
    }
}

/// Reads the answer to a request from a stream of events that begins at `position`.
pub(super) async fn stream(
    mut stream: Events,
    mut position: Position,
    asked: Asked<'_>,
    rests: &Mutex<JoinSet<()>>,
) -> Result<Message, Broken> {
    let mut malformed = None;
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(failure) => return Err(Broken::Stream(failure, position)),
        };
        position.pass(&event);
        malformed = malformed.or(event.malformed);
        let mut answer = None;
        for message in event.messages {
            match message.kind() {
                Kind::Response { .. } if !message.is_sound() => malformed = malformed.or(Some(Malformed::NotMessage)),
                Kind::Response { id: Some(of), .. } if of == asked.id => answer = Some(message),
                Kind::Response { id: None, .. } => answer = Some(message.with_id(asked.id)),
                _ => pass(asked.outbox, message).await,
            }
        }
        if let Some(answer) = answer {
            let mut rests = rests.lock().unwrap_or_else(PoisonError::into_inner);
            while rests.try_join_next().is_some() {}
            rests.spawn(drain(stream, asked.outbox.clone()));
            return Ok(answer);
        }
    }
    let failure = match malformed {
        Some(malformed) if position.last_id.is_none() => events::no_message(malformed),
        _ => Failure::new(Code::ConnectionLost, "The server ended the stream without the answer")
            .because("The request may have been carried out all the same.")
            .fix("Look into the server's log, and call again if the call may run twice."),
    };
    Err(Broken::Stream(failure, position))
}

/// Takes the response to a notification or a response. Any 2xx is acceptance.
///
/// # Errors
/// The HTTP error as a [`Failure`].
pub(super) async fn accepted(response: Response) -> Result<()> {
    if !response.status.is_success() {
        return Err(super::refusal::Refusal::read(response).await.into_failure());
    }
    // What is accepted has no answer. Its empty body is read so that the connection is used again;
    // some servers open a stream here, which says nothing and is not waited for.
    response.body.beginning(ACCEPTED_BODY, ACCEPTED_TIME).await;
    Ok(())
}

/// `place` is the method and the URL of the request.
async fn json(body: Body, asked: Asked<'_>, place: String) -> Result<Message> {
    let mut answer = None;
    let first = asked.request.is_modern()
        || matches!(asked.request.kind(), Kind::Request { method, .. } if method == INITIALIZE);
    let body = collect(body, asked.outbox).await?;
    // What begins like one is a message that something cut off.
    let first = first && !begins_like_a_message(&body);
    let messages = match events::read(body.into()) {
        Ok(messages) if first && !messages.iter().any(Message::is_sound) => {
            return Err(no_message_at_all(place, Malformed::NotMessage.words()));
        }
        Err(malformed) if first => return Err(no_message_at_all(place, malformed.words())),
        read => read.map_err(events::no_message)?,
    };
    for message in messages {
        match message.kind() {
            Kind::Response { .. } if !message.is_sound() => {}
            Kind::Response { id: Some(of), .. } if of == asked.id => answer = Some(message),
            // The server could not tell whose error it is; it can be of this request only.
            Kind::Response { id: None, .. } => answer = Some(message.with_id(asked.id)),
            _ => pass(asked.outbox, message).await,
        }
    }
    answer.ok_or_else(|| {
        Failure::new(Code::ProtocolViolation, "The server's response holds no answer to the request")
            .because("Its messages have other ids, or are no answers of JSON-RPC 2.0.")
            .fix("Tell whoever runs the server: each request wants an answer with its id.")
    })
}

fn begins_like_a_message(body: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(&body[..body.len().min(BEGINNING)]);
    beginning.trim_start().starts_with(['{', '[']) && beginning.contains("\"jsonrpc\"")
}

/// The whole body. What the host cannot take yet is left with the server, in the middle too.
async fn collect(mut body: Body, outbox: &Outbox) -> Result<Vec<u8>> {
    let too_large = || {
        Err(Failure::new(Code::MessageTooLarge, "The server's message is too large")
            .because(format!("It has more than {} MiB.", MESSAGE_LIMIT >> 20))
            .fix("Ask the server for less at a time."))
    };
    let at_least = body.at_least();
    if at_least > MESSAGE_LIMIT {
        return too_large();
    }
    outbox.room().await;
    let mut bytes = Vec::with_capacity(at_least);
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > MESSAGE_LIMIT {
            return too_large();
        }
        bytes.extend_from_slice(&chunk);
        outbox.room().await;
    }
    Ok(bytes)
}

async fn drain(mut events: Events, outbox: Outbox) {
    let mut settling = events.settling();
    let mut until = Instant::now() + SETTLING;
    loop {
        match tokio::time::timeout_at(until, events.next()).await {
            Ok(Some(Ok(event))) => {
                if !event.messages.is_empty() {
                    until = Instant::now() + REST;
                }
                for message in event.messages {
                    pass(&outbox, message).await;
                }
            }
            Err(_) if settling.is_some() => {
                settling = None;
                until = Instant::now() + REST;
            }
            // A server that never ends its streams would otherwise use up its connections and ours.
            _ => return,
        }
    }
}

async fn pass(outbox: &Outbox, message: Message) {
    // Without a reader the host is gone, and all work is about to end.
    let _ = outbox.send(message).await;
}

/// In how much of a message its version stands, as software writes it.
const BEGINNING: usize = 4 << 10;

const ACCEPTED_BODY: usize = 64 << 10;
const ACCEPTED_TIME: Duration = Duration::from_millis(50);
/// How long a stream may bring no message after its answer before it is closed.
const REST: Duration = Duration::from_secs(2);
/// How long the end of a stream is expected after the answer.
const SETTLING: Duration = Duration::from_millis(5);

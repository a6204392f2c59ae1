//! The HTTP rules of the endpoint: who may send what, with which headers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, Method, Request as HttpRequest, Response};

use super::channel::LAST_EVENT_ID;
use super::message::{self, Message, Request};
use super::session::{SESSION, Session};
use super::{Answers, Era, Shared};
use crate::reply::{self, Body};
use crate::server::Connection;

impl Shared {
    pub(super) async fn handle(
        self: Arc<Self>,
        request: HttpRequest<Bytes>,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        let answer = match (&self.options.http_sse, request.uri().path(), request.method()) {
            (Some(options), _, _) => self.clone().handle_sse(&request, connection, options).await,
            (None, "/mcp", &Method::POST) => self.clone().post(&request, connection).await,
            (None, "/mcp", &Method::GET | &Method::DELETE) if self.options.era == Era::Modern => {
                Err(Box::new(reply::empty(405)))
            }
            (None, "/mcp", &Method::GET) => self.get(request.headers()),
            (None, "/mcp", &Method::DELETE) => self.delete(request.headers()),
            (None, "/mcp", _) => Err(Box::new(reply::empty(405))),
            _ => Err(Box::new(reply::text(404, "the endpoint is /mcp"))),
        };
        answer.unwrap_or_else(|refusal| *refusal)
    }

    async fn post(self: Arc<Self>, request: &HttpRequest<Bytes>, connection: Arc<Connection>) -> Answer {
        let headers = request.headers();
        accepts(headers, &["application/json", "text/event-stream"])?;
        let (messages, batch) = self.read(request).await?;
        if self.options.era.is_modern(&messages, headers) {
            return self.post_modern(messages, batch, headers, connection).await;
        }
        if let [Message::Request(request)] = messages.as_slice()
            && request.method == "initialize"
        {
            return self.initialize(request, headers);
        }
        let session = self.admit(headers)?;
        if batch && session.version != "2025-03-26" {
            return Err(refuse(400, -32600, "batches exist in 2025-03-26 only"));
        }
        let mut requests = Vec::new();
        for message in messages {
            match message {
                Message::Request(request) => requests.push(request),
                Message::Notification { method, params } => self.hear(&session, &method, &params),
                Message::Answer { id, text } => self.take_answer(&id, text),
            }
        }
        Ok(self.answer(requests, batch, session, connection).await)
    }

    /// Reads and keeps the messages of one POST, and waits while their methods are held. The flag says batch.
    pub(super) async fn read(&self, request: &HttpRequest<Bytes>) -> Result<(Vec<Message>, bool), Refusal> {
        if header(request.headers(), "content-type").is_none_or(|kind| !kind.starts_with("application/json")) {
            return Err(Box::new(reply::text(415, "Content-Type must be application/json")));
        }
        let body = std::str::from_utf8(request.body()).map_err(|_| refuse(400, -32700, "not UTF-8"))?;
        let (texts, batch) = message::split(body).map_err(|e| refuse(400, -32700, &e))?;
        let mut messages = Vec::new();
        for text in texts {
            messages.push(Message::parse(&text).map_err(|e| refuse(400, -32600, &e))?);
            self.received.push(text);
        }
        self.wait_while_held(&messages).await;
        Ok((messages, batch))
    }

    async fn wait_while_held(&self, messages: &[Message]) {
        let methods: Vec<&str> = messages.iter().filter_map(Message::method).collect();
        let mut held = self.held.subscribe();
        let free = held.wait_for(|held| !methods.iter().any(|method| held.contains(*method))).await;
        free.expect("the server holds the sender");
    }

    fn initialize(&self, request: &Request, headers: &HeaderMap) -> Answer {
        if headers.contains_key(SESSION) {
            return Err(refuse(400, -32600, "initialize must not carry a session id"));
        }
        let asked = request.params["protocolVersion"].as_str().unwrap_or_default();
        let known = KNOWN.iter().find(|known| **known == asked).copied();
        let version = self.options.version.or(known).unwrap_or(KNOWN[KNOWN.len() - 1]);
        let text = message::result(&request.id, &super::tools::initialize_result(version), &self.options);
        let id = if self.options.session {
            format!("testkit-session-{}", self.counter.fetch_add(1, Ordering::Relaxed) + 1)
        } else {
            String::new()
        };
        let mut response = match self.options.initialize {
            Answers::Json => {
                self.sent.push(text.clone());
                reply::json(200, text)
            }
            Answers::Sse => {
                let (channel, response) = self.open(&id, self.options.event_ids);
                self.send(&channel, &text);
                channel.end();
                response
            }
        };
        if self.options.session {
            response.headers_mut().insert(SESSION, id.parse().expect("visible ASCII"));
        }
        self.sessions.open(id, version);
        Ok(response)
    }

    fn get(&self, headers: &HeaderMap) -> Answer {
        let event = self.options.event_ids.and_then(|_| header(headers, LAST_EVENT_ID));
        // A server without a stream of its own still gives back the streams of its answers.
        if !self.options.get_stream && event.is_none() {
            return Err(Box::new(reply::empty(405)));
        }
        accepts(headers, &["text/event-stream"])?;
        let session = self.admit(headers)?;
        if let Some(event) = event {
            let (channel, place) =
                self.find_event(&session.id, event).ok_or_else(|| refuse(400, -32000, "unknown event id"))?;
            let response = channel.take_up(place);
            // It may be a GET stream that someone waits for.
            self.streams.send_modify(|_| ());
            return Ok(response);
        }
        let (channel, response) = self.open(&session.id, self.options.event_ids);
        // A comment at once, since some clients wait for the first byte.
        channel.raw(": open\n\n");
        self.streams.send_modify(|streams| {
            streams.retain(|stream| self.options.event_ids.is_some() || stream.is_open());
            streams.push(channel);
        });
        Ok(response)
    }

    fn delete(&self, headers: &HeaderMap) -> Answer {
        let session = self.admit(headers)?;
        if !self.options.session {
            return Err(Box::new(reply::empty(405)));
        }
        self.sessions.remove(&session.id);
        self.ended.push(session.id);
        Ok(reply::empty(200))
    }

    /// Runs the requests of one POST and answers as the options say.
    async fn answer(
        self: Arc<Self>,
        requests: Vec<Request>,
        batch: bool,
        session: Session,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        if requests.is_empty() {
            return reply::empty(202);
        }
        if self.options.answers == Answers::Json && !requests.iter().any(super::tools::streams) {
            let text = self.run_all(&requests, batch, &session, &connection, None).await;
            let Some(text) = text else { return reply::empty(202) };
            self.sent.push(text.clone());
            return reply::json(200, text);
        }
        let (channel, response) = self.open(&session.id, self.options.event_ids);
        if self.options.event_ids.is_some_and(|ids| ids.hang_up) {
            channel.hang_up();
        }
        let shared = self.clone();
        self.tasks.spawn(async move {
            if let Some(text) = shared.run_all(&requests, batch, &session, &connection, Some(&channel)).await {
                shared.send(&channel, &text);
            }
            channel.end();
        });
        response
    }
}

/// The answer, or the refusal that takes its place.
pub(super) type Answer = Result<Response<Body>, Refusal>;

/// An HTTP error, boxed since it is large and rare.
pub(super) type Refusal = Box<Response<Body>>;

/// An HTTP error with a JSON-RPC error in it, and `id: null`, as real servers send it.
#[expect(clippy::unnecessary_box_returns, reason = "every caller returns it as the error of a Result")]
pub(super) fn refuse(status: u16, code: i32, message: &str) -> Refusal {
    Box::new(reply::json(status, message::error("null", code, message)))
}

pub(super) fn accepts(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Refusal> {
    let accept = header(headers, "accept").unwrap_or_default();
    match kinds.iter().find(|kind| !accept.contains(**kind)) {
        None => Ok(()),
        Some(missing) => Err(Box::new(reply::text(406, format!("Accept must name {missing}, not {accept:?}")))),
    }
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) const KNOWN: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

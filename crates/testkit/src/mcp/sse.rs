//! The HTTP rules of revision 2024-11-05: one event stream at `/sse` for all answers, POSTs at `/messages`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Request as HttpRequest};

use super::Shared;
use super::channel::Channel;
use super::endpoint::{Answer, accepts, header};
use super::message::{self, Message, Request};
use super::options::{Endpoint, HttpSse};
use super::session::Session;
use crate::reply;
use crate::server::{Connection, Outcome};

impl Shared {
    pub(super) async fn handle_sse(
        self: Arc<Self>,
        request: &HttpRequest<Bytes>,
        connection: Arc<Connection>,
        options: &HttpSse,
    ) -> Answer {
        match (request.uri().path(), request.method()) {
            ("/sse", &Method::GET) => self.open_sse(request, &connection, options),
            ("/sse", &Method::POST) => {
                let (status, body) = options.post;
                Ok(if body.starts_with('{') { reply::json(status, body) } else { reply::text(status, body) })
            }
            ("/messages", &Method::POST) => self.take_message(request, connection).await,
            ("/sse" | "/messages", _) => Ok(reply::empty(405)),
            _ => Ok(reply::text(404, "the endpoints are /sse and /messages")),
        }
    }

    fn open_sse(&self, request: &HttpRequest<Bytes>, connection: &Connection, options: &HttpSse) -> Answer {
        accepts(request.headers(), &["text/event-stream"])?;
        let session = format!("testkit-session-{}", self.counter.fetch_add(1, Ordering::Relaxed) + 1);
        let path = format!("/messages?sessionId={session}");
        let scheme = if connection.outcome == Outcome::Plain { "http" } else { "https" };
        let endpoint = match &options.endpoint {
            Endpoint::Relative => Some(path),
            Endpoint::Absolute => {
                // HTTP/2 has the authority in the URI.
                let authority = request.uri().authority().map(http::uri::Authority::as_str);
                let host = authority.or(header(request.headers(), "host")).unwrap_or_default();
                Some(format!("{scheme}://{host}{path}"))
            }
            Endpoint::Text(text) => Some(text.replace("{path}", &path)),
            Endpoint::Never => None,
        };
        let (channel, response) = self.open(&session, None);
        match endpoint {
            Some(endpoint) => channel.raw(&format!("event: endpoint\ndata: {endpoint}\n\n")),
            None => channel.comment(),
        }
        self.sessions.open(session, self.options.version.unwrap_or("2024-11-05"));
        self.streams.send_modify(|streams| {
            streams.retain(|stream| stream.is_open());
            streams.push(channel);
        });
        Ok(response)
    }

    async fn take_message(self: Arc<Self>, request: &HttpRequest<Bytes>, connection: Arc<Connection>) -> Answer {
        let id = request.uri().query().and_then(|query| query.strip_prefix("sessionId="));
        let Some((session, channel)) = id.and_then(|id| self.sse_session(id)) else {
            return Ok(reply::text(404, "Session not found"));
        };
        let (messages, _batch) = self.read(request).await?;
        for message in messages {
            match message {
                Message::Request(request) => {
                    let (shared, session, channel) = (self.clone(), session.clone(), channel.clone());
                    let connection = connection.clone();
                    self.tasks.spawn(async move { shared.run_on(&request, session, &channel, &connection).await });
                }
                Message::Notification { method, params } => self.hear(&session, &method, &params),
                Message::Answer { id, text } => self.take_answer(&id, text),
            }
        }
        Ok(reply::text(202, "Accepted"))
    }

    /// A session lives as long as its stream.
    fn sse_session(&self, id: &str) -> Option<(Session, Arc<Channel>)> {
        let channel = self.streams.borrow().iter().find(|stream| stream.is_of(id) && stream.is_open()).cloned()?;
        Some((self.sessions.find(id)?, channel))
    }

    async fn run_on(&self, request: &Request, session: Session, channel: &Channel, connection: &Connection) {
        let text = if request.method == "initialize" {
            let result = super::tools::initialize_result(&session.version);
            Some(message::result(&request.id, &result, &self.options))
        } else {
            self.run_all(std::slice::from_ref(request), false, &session, connection, Some(channel)).await
        };
        if let Some(text) = text {
            self.send(channel, &text);
        }
    }
}

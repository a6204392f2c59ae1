//! One MCP endpoint over HTTP, in every revision of the protocol.
//!
//! A message that names its revision (2026-07-28 on) is sent as that revision wants, all others in
//! the session that `initialize` opened; one connection carries both. It knows messages by their
//! envelopes alone, and no certificates.

mod answer;
mod call;
mod events;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod headers;
mod legacy;
pub mod message;
pub(crate) mod method;
mod modern;
mod outbox;
mod pause;
mod refusal;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::config::{Endpoint, Transport};
use crate::error::{Code, Failure, Result};
use crate::http::{Client, Generations, HeaderMap, Method, Request, Response};
use message::{Id, Kind, Message};
pub use outbox::{Gone, Observer, Outbox, Parcel, Passage, Recipient};

/// Becomes true when a request has been handed to a connection.
pub type Sent = Option<watch::Sender<bool>>;

/// Has certificate, key and trust of a [`Remote`] read anew. Files that change are noticed without it.
#[derive(Clone, Debug)]
pub struct Renewer(Generations);

impl Renewer {
    /// Reads them, for the requests that follow. Running requests and streams of answers finish as
    /// they began; the server's own stream is opened again.
    ///
    /// # Errors
    /// Why they cannot be used; those that were there before stay in use.
    pub async fn renew(&self) -> Result<()> {
        self.0.renew().await
    }
}

/// A request on its way to its answer.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a Message,
    /// The id of the request.
    id: &'a Id,
    /// Where the server's other messages go.
    outbox: &'a Outbox,
    sent: Option<&'a watch::Sender<bool>>,
}

/// One MCP endpoint.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    transport: Transport,
    session: legacy::Session,
    modern: modern::Modern,
    /// What is left of streams after their answers.
    rests: Mutex<JoinSet<()>>,
    calls: call::Calls,
}

impl Remote {
    /// Loads what the endpoint names; nothing is connected yet. Reads files, so it may block.
    ///
    /// # Errors
    /// Every failure of loading the identity and the trusted roots.
    pub fn new(endpoint: &Endpoint) -> Result<Self> {
        Ok(Self::over(Client::new(endpoint)?, endpoint.transport))
    }

    /// The endpoint of a client.
    pub(crate) fn over(client: Client, transport: Transport) -> Self {
        Self {
            client,
            transport,
            session: legacy::Session::default(),
            modern: modern::Modern::default(),
            rests: Mutex::default(),
            calls: call::Calls::default(),
        }
    }

    /// What its messages go over.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the session is one of HTTP+SSE (MCP 2024-11-05).
    pub(crate) fn is_http_sse(&self) -> bool {
        self.session.is_http_sse()
    }

    /// What should be seen to of what was loaded.
    #[must_use]
    pub fn warnings(&self) -> Vec<Failure> {
        self.client.warnings()
    }

    /// What deserves a word of it, but stops nothing.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.client.notes()
    }

    /// How long connecting, and the answer to `initialize`, may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.client.timeout()
    }

    /// The failure for the time being up, which names the step that took too long.
    #[must_use]
    pub fn timed_out(&self) -> Failure {
        self.client.timed_out(self.timeout())
    }

    /// Sends a request and returns its answer; what the server sends before it goes to `outbox`.
    /// `sent` becomes true when the request is on its way. An HTTP error that carries a JSON-RPC
    /// error is an answer.
    ///
    /// A request that was handed to a connection is sent again only where the server says that it
    /// did not process it: a lost session, a header that it missed. Dropping the future closes the
    /// stream of the answer.
    ///
    /// Instead of the answer to a subscription (`subscriptions/listen`) whose stream broke off, the
    /// notification comes back that tells the host so.
    ///
    /// # Errors
    /// Every failure of connecting, `certificate-not-asked`, `http-*`, `not-mcp`, `protocol-violation`, `message-too-large`,
    /// `connection-lost`, `session-lost`, `method-unsupported` for a modern request over HTTP+SSE.
    pub async fn request(&self, request: &Message, outbox: &Outbox, sent: Sent) -> Result<Message> {
        let Kind::Request { id, method } = request.kind() else {
            return Err(Failure::new(Code::HostMessageInvalid, "The message is not a request")
                .fix("Send it as a notification or an answer."));
        };
        let asked = Asked { request, id, outbox, sent: sent.as_ref() };
        let answer = if request.is_modern() {
            self.modern_request_if_spoken(asked, method).await
        } else {
            self.legacy_request(asked).await
        };
        answer.map_err(|failure| failure.at_least(self.client.told()))
    }

    async fn modern_request_if_spoken(&self, asked: Asked<'_>, method: &str) -> Result<Message> {
        if self.transport == Transport::HttpSse {
            return Err(Failure::new(Code::MethodUnsupported, format!("{} is not supported", crate::error::plain(method)))
                .because("The entry says that the server speaks HTTP+SSE (\"type\": \"sse\"), which knows the revision 2024-11-05 only.")
                .fix("Send `initialize`."));
        }
        self.modern_request(asked).await
    }

    /// Sends a notification or a response. Any 2xx is acceptance.
    ///
    /// # Errors
    /// As [`Remote::request`].
    pub async fn send(&self, message: &Message, outbox: &Outbox) -> Result<()> {
        if message.is_modern() {
            self.modern_send(message, outbox).await
        } else {
            self.legacy_send(message, outbox).await
        }
    }

    /// By which certificate, key and trust are read anew when somebody says so.
    #[must_use]
    pub fn renewer(&self) -> Renewer {
        Renewer(self.client.generations())
    }

    /// Ends the session at the server, if there is one.
    pub async fn close(&self) {
        self.end_session().await;
    }

    /// POSTs a request to where the server wants it; to the endpoint when that is nowhere else.
    async fn ask(&self, asked: Asked<'_>, target: Option<Url>, headers: HeaderMap) -> Result<Response> {
        self.post(asked.request, target, headers, asked.outbox, asked.sent).await
    }

    /// Tells what deserves a word about the connection itself.
    fn note(&self, outbox: &Outbox) {
        for note in self.client.news() {
            outbox.note(&note);
        }
    }

    async fn post(
        &self,
        message: &Message,
        target: Option<Url>,
        headers: HeaderMap,
        outbox: &Outbox,
        sent: Option<&watch::Sender<bool>>,
    ) -> Result<Response> {
        let began = Instant::now();
        let (body, sent) = (message.raw().clone(), sent.cloned());
        let request = Request { method: Method::POST, target, headers, body, sent };
        let response = self.client.send(request).await;
        self.note(outbox);
        outbox.passed(&Passage {
            to: Recipient::Server,
            message,
            status: response.as_ref().ok().map(|response| response.status.as_u16()),
            took: Some(began.elapsed()),
        });
        if let Some(failure) = response.as_ref().ok().and_then(|response| response.not_renewed.as_ref()) {
            outbox.note(failure);
        }
        response
    }
}

/// The largest message that passes: 256 MiB.
pub const MESSAGE_LIMIT: usize = 256 << 20;

/// A JSON-RPC error of the server as evidence: its number and its words, without data of any size.
fn error_as_told(error: &serde_json::Value) -> serde_json::Value {
    let words = error["message"].as_str().unwrap_or_default();
    serde_json::json!({ "code": error["code"].as_i64(), "message": crate::error::plain(words) })
}

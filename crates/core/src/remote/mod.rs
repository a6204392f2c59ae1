//! One MCP endpoint over Streamable HTTP: sessions, headers, answers and streams.
//!
//! It speaks the revisions from 2024-11-05 to 2025-11-25. It knows messages by their envelopes
//! alone, and no certificates.

mod answer;
mod call;
mod events;
mod listen;
pub mod message;
mod session;

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::Endpoint;
use crate::error::{Code, Failure, Result};
use crate::http::{Client, HeaderMap, Method, Request, Response};
use answer::{failure_of_status, finish};
use message::{Kind, Message};
use session::Session;

/// Where messages of the server go that are not the answer to the request at hand.
pub type Outbox = mpsc::Sender<Message>;

/// One MCP endpoint.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    session: Session,
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
        Ok(Self {
            client: Client::new(endpoint)?,
            session: Session::default(),
            rests: Mutex::default(),
            calls: call::Calls::default(),
        })
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

    /// POSTs a request and returns its answer; what the server sends before it goes to `outbox`.
    /// `sent` becomes true when the request is on its way. An HTTP error that carries a JSON-RPC
    /// error is an answer.
    ///
    /// # Errors
    /// Every failure of connecting, `http-status`, `protocol-violation`, `message-too-large`, `connection-lost`.
    pub async fn request(&self, request: &Message, outbox: &Outbox, sent: watch::Sender<bool>) -> Result<Message> {
        let Kind::Request { id, method } = request.kind() else {
            return Err(Failure::new(Code::HostMessageInvalid, "The message is not a request"));
        };
        let initialize = method == INITIALIZE;
        if initialize {
            self.session.forget();
        }
        let response = self.post(request, Some(sent)).await?;
        if initialize && response.status.is_success() {
            self.session.begin(&response.headers);
        }
        let answer = finish(response, id, outbox, &self.rests).await?;
        if initialize {
            self.session.negotiated(&answer);
        }
        Ok(answer)
    }

    /// POSTs a notification or a response. Any 2xx is acceptance.
    ///
    /// # Errors
    /// As [`Remote::request`].
    pub async fn send(&self, message: &Message) -> Result<()> {
        let response = self.post(message, None).await?;
        if !response.status.is_success() {
            return Err(failure_of_status(response).await);
        }
        // What is accepted has no answer. Its empty body is read so that the connection is used again;
        // some servers open a stream here, which says nothing and is not waited for.
        response.body.beginning(ACCEPTED_BODY, ACCEPTED_TIME).await;
        Ok(())
    }

    /// Ends the session at the server, if there is one.
    pub async fn close(&self) {
        if !self.session.exists() {
            return;
        }
        let mut headers = HeaderMap::new();
        self.session.add_to(&mut headers);
        // The server may refuse it (405), and nobody is left to be told.
        let request = Request { method: Method::DELETE, target: None, headers, body: bytes::Bytes::new(), sent: None };
        let _ = self.client.send(request).await;
        self.session.forget();
    }

    async fn post(&self, message: &Message, sent: Option<watch::Sender<bool>>) -> Result<Response> {
        let mut headers = session::post_headers();
        if message.method() != Some(INITIALIZE) {
            self.session.add_to(&mut headers);
        }
        self.client
            .send(Request { method: Method::POST, target: None, headers, body: message.raw().clone(), sent })
            .await
    }
}

/// The largest message that passes: 256 MiB.
pub const MESSAGE_LIMIT: usize = 256 << 20;

const INITIALIZE: &str = "initialize";
const ACCEPTED_BODY: usize = 64 << 10;
const ACCEPTED_TIME: Duration = Duration::from_millis(50);

//! The transport HTTP+SSE of the revision 2024-11-05: one stream (GET) on which the server speaks,
//! and a URL to which messages are POSTed, which it names first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use url::Url;

use super::Exchanged;
use super::session::Established;
use crate::error::{Code, Failure, Result};
use crate::http::{Client, Method, Request};
use crate::remote::answer;
use crate::remote::events::Events;
use crate::remote::message::{Id, Kind, Message};
use crate::remote::refusal::{Refusal, compressed, not_mcp};
use crate::remote::{Asked, Outbox, Remote, headers};

/// An open stream of the server, and where messages go.
#[derive(Debug)]
pub(super) struct Channel {
    target: Url,
    waiting: Arc<Waiting>,
    ended: watch::Receiver<bool>,
    /// Reads the stream; it ends with the channel.
    _reader: JoinSet<()>,
}

/// The requests whose answers are still to come.
#[derive(Debug, Default)]
struct Waiting(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    requests: HashMap<Id, Vec<oneshot::Sender<Message>>>,
    /// Why the stream ended.
    ended: Option<Failure>,
}

impl Channel {
    /// Opens the stream and waits within the limit for the URL that the server names. What it says later goes to
    /// `outbox`, but for answers.
    ///
    /// # Errors
    /// As sending a request; `http-*`, `not-mcp`, `protocol-violation`, `redirect-refused` for a URL of
    /// another origin, `timed-out`.
    pub(super) async fn open(client: &Client, outbox: &Outbox, limit: Duration) -> Result<Self> {
        let opened = tokio::time::timeout(limit, Self::connect(client)).await;
        let (target, events) = opened.unwrap_or_else(|_| Err(client.timed_out(limit)))?;
        let waiting = Arc::new(Waiting::default());
        let (ending, ended) = watch::channel(false);
        let mut reader = JoinSet::new();
        let (outbox, requests) = (outbox.clone(), Arc::clone(&waiting));
        reader.spawn(async move {
            requests.read(events, &outbox).await;
            ending.send_replace(true);
        });
        Ok(Self { target, waiting, ended, _reader: reader })
    }

    async fn connect(client: &Client) -> Result<(Url, Events)> {
        let headers = headers::get();
        let request = Request { method: Method::GET, target: None, headers, body: bytes::Bytes::new(), sent: None };
        let response = client.send(request).await?;
        if !response.status.is_success() {
            return Err(Refusal::read(response).await.into_failure());
        }
        if let (Some(coding), "text/event-stream") = (response.coding(), response.media_type().as_str()) {
            return Err(compressed(response.asked(), &coding));
        }
        let place = response.asked();
        if response.media_type() != "text/event-stream" {
            return Err(not_mcp(response).await);
        }
        let mut events = Events::new(response.body);
        while let Some(event) = events.next().await {
            if let Some(endpoint) = event?.endpoint {
                return Ok((client.join(endpoint.trim())?, events));
            }
        }
        Err(Failure::new(Code::ProtocolViolation, "The server's stream ended before it said where messages go")
            .at(place)
            .because("A server of HTTP+SSE (MCP 2024-11-05) names the URL first, in an event `endpoint`.")
            .fix("Remove \"type\": \"sse\" if it is set, and check the path of the URL."))
    }

    /// Where messages go.
    pub(super) fn target(&self) -> &Url {
        &self.target
    }

    pub(super) fn is_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Returns when the stream has ended.
    pub(super) async fn ended(&self) {
        // An error says that its reader is gone, which is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Why nothing more can be sent.
    pub(super) fn lost(&self) -> Failure {
        self.waiting.lock().ended.clone().unwrap_or_else(broken_off)
    }
}

impl Waiting {
    /// Reads the stream to its end. What still waits then is told so.
    async fn read(&self, mut events: Events, outbox: &Outbox) {
        let failure = loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(failure)) => break failure,
                None => break broken_off(),
            };
            for message in event.messages {
                let asked = match message.kind() {
                    Kind::Response { id: Some(id), .. } => self.take(id),
                    _ => None,
                };
                match asked {
                    // Whoever asked may have given up.
                    Some(asked) => drop(asked.send(message)),
                    // Without a reader of the rest, answers are waited for all the same.
                    None => drop(outbox.send(message).await),
                }
            }
        };
        let mut state = self.lock();
        state.ended = Some(failure);
        state.requests.clear();
    }

    fn expect(&self, id: &Id) -> Result<oneshot::Receiver<Message>> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if let Some(failure) = &state.ended {
            return Err(failure.clone());
        }
        // Those that were given up meanwhile.
        state.requests.retain(|_, asked| {
            asked.retain(|asked| !asked.is_closed());
            !asked.is_empty()
        });
        state.requests.entry(id.clone()).or_default().push(sender);
        Ok(receiver)
    }

    fn take(&self, id: &Id) -> Option<oneshot::Sender<Message>> {
        let mut state = self.lock();
        let asked = state.requests.get_mut(id)?.pop();
        if state.requests.get(id).is_some_and(Vec::is_empty) {
            state.requests.remove(id);
        }
        asked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a state that is still right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote {
    /// POSTs a request to where the server wants it, and waits for the answer on its stream.
    pub(super) async fn over_channel(
        &self,
        channel: &Channel,
        session: &Established,
        asked: Asked<'_>,
    ) -> Result<Exchanged> {
        let mut answer = match channel.waiting.expect(asked.id) {
            Ok(answer) => answer,
            Err(failure) => return Ok(Exchanged::Lost(Err(failure))),
        };
        let mut headers = headers::post();
        session.add_to(&mut headers);
        let post = self.ask(asked, Some(channel.target.clone()), headers);
        tokio::pin!(post);
        let mut cut = false;
        let response = tokio::select! {
            response = &mut post => response?,
            // What the server says to the POST still tells whether it was processed.
            answer = &mut answer => if let Ok(answer) = answer {
                // A server may answer before it has accepted, or without; its connection is used again if it does soon.
                let _ = tokio::time::timeout(ACCEPTED_TIME, async { answer::accepted(post.await?).await }).await;
                return Ok(Exchanged::Answer(answer));
            } else {
                cut = true;
                post.await?
            },
        };
        if !response.status.is_success() {
            let refusal = Refusal::read(response).await;
            let lost = refusal.is_of_lost_session();
            let answer = refusal.answer(asked.id);
            return if lost { Ok(Exchanged::Lost(answer)) } else { answer.map(Exchanged::Answer) };
        }
        answer::accepted(response).await?;
        let answer = if cut { None } else { answer.await.ok() };
        answer
            .map(Exchanged::Answer)
            .ok_or_else(|| channel.lost().because("The request was sent before, and may have been carried out."))
    }
}

fn broken_off() -> Failure {
    Failure::new(Code::ConnectionLost, "The server ended its stream, on which the answer was to come")
        .fix("Look into the server's log, and call again if the call may run twice.")
}

/// How long a server may take to accept what it has answered.
const ACCEPTED_TIME: Duration = Duration::from_millis(50);

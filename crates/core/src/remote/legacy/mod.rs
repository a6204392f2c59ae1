//! Messages of the revisions with `initialize` (2024-11-05 to 2025-11-25): sessions, their recovery,
//! and streams that are taken up again.

mod http_sse;
mod listen;
mod resume;
mod session;

use std::sync::Arc;
use std::time::Duration;

use super::answer;
use super::message::{Kind, Message};
use super::method::{CANCELLED, INITIALIZE, INITIALIZED};
use super::refusal::Refusal;
use super::{Asked, Outbox, Remote, headers};
use crate::config::Transport;
use crate::error::{Code, Failure, Result};
use crate::http::{HeaderMap, Method, Request};
use http_sse::Channel;
pub(super) use session::Session;
use session::{Established, Memory};

/// What came of a request in a session.
enum Exchanged {
    Answer(Message),
    /// The server has lost the session and did not process the request; what to answer with when
    /// there is no new one.
    Lost(Result<Message>),
}

impl Remote {
    /// POSTs a request and returns its answer. A session that the server has lost is opened anew,
    /// once, without the host's knowledge.
    pub(super) async fn legacy_request(&self, asked: Asked<'_>) -> Result<Message> {
        if asked.request.method() == Some(INITIALIZE) {
            // Boxed, as all that is rare, since every call would carry its size.
            return Box::pin(self.begin(asked)).await;
        }
        let session = self.session_to_use()?;
        let mut exchanged = self.exchange(&session, asked).await?;
        if let Exchanged::Lost(_) = exchanged {
            if let Some(sent) = asked.sent {
                // Not on its way any more, so that a cancellation waits for the session that it goes out in.
                sent.send_replace(false);
            }
            Box::pin(self.recover(&session, asked.outbox)).await?;
            exchanged = self.exchange(&self.session.current(), asked).await?;
        }
        match exchanged {
            Exchanged::Answer(answer) => {
                self.session.memory().answered(asked.request, &answer);
                Ok(answer)
            }
            Exchanged::Lost(answer) => answer,
        }
    }

    /// POSTs a notification or a response.
    pub(super) async fn legacy_send(&self, message: &Message, outbox: &Outbox) -> Result<()> {
        let response_or_cancel = matches!(message.kind(), Kind::Response { .. }) || message.method() == Some(CANCELLED);
        if response_or_cancel && !self.session.is_begun() {
            // It is about a request without a session, where closing the stream is all that there is.
            return Ok(());
        }
        let session = self.session_to_use()?;
        // Also when it takes too long, or fails: each session has to be told.
        self.session.memory().told(message);
        let Err(lost) = self.deliver(&session, message, outbox).await? else { return Ok(()) };
        if response_or_cancel {
            // What it is about was lost with the session.
            return Err(lost);
        }
        Box::pin(self.recover(&session, outbox)).await?;
        if message.method() == Some(INITIALIZED) {
            // It was part of the recovery.
            return Ok(());
        }
        self.deliver(&self.session.current(), message, outbox).await?
    }

    /// The session in which the host's messages are sent.
    fn session_to_use(&self) -> Result<Arc<Established>> {
        let session = self.session.current();
        // Over HTTP+SSE the server has not said yet where messages go.
        let nowhere = self.transport == Transport::HttpSse && session.channel.is_none();
        if nowhere { Err(no_session()) } else { Ok(session) }
    }

    /// Ends the session at the server, if there is one.
    pub(super) async fn end_session(&self) {
        let session = self.session.current();
        self.session.forget();
        self.end(&session).await;
    }

    /// Tells the server that a session is not used any more.
    async fn end(&self, session: &Established) {
        if session.id.is_none() {
            return;
        }
        let mut headers = HeaderMap::new();
        session.add_to(&mut headers);
        let request = Request { method: Method::DELETE, target: None, headers, body: bytes::Bytes::new(), sent: None };
        // The server may refuse it (405), and nobody is left to be told.
        let _ = self.client.send(request).await;
    }

    /// Opens the session that the host asks for.
    async fn begin(&self, asked: Asked<'_>) -> Result<Message> {
        let before = self.session.current();
        let number = self.session.forget();
        *self.session.memory() = Memory::begun(asked.request);
        // The id counts from the head of the response on, since the server may ask before it answers.
        let early = |established: &Established| self.session.establish(established.clone());
        let named = Established { number, begun: number, ..Established::default() };
        let (begun, _) =
            tokio::join!(self.handshake(named, asked, early), tokio::time::timeout(FAREWELL, self.end(&before)));
        let (mut established, answer) = begun?;
        if !matches!(answer.kind(), Kind::Response { error: false, .. }) {
            self.session.forget();
            return Ok(answer);
        }
        self.session.memory().revision = established.negotiated(&answer);
        self.session.establish(established);
        Ok(answer)
    }

    /// Sends `initialize`, over HTTP+SSE when the server speaks that. `early` is told the session
    /// as soon as it has a name.
    async fn handshake(
        &self,
        mut established: Established,
        asked: Asked<'_>,
        early: impl Fn(&Established),
    ) -> Result<(Established, Message)> {
        let refusal = if self.transport == Transport::HttpSse {
            None
        } else {
            let response = self.ask(asked, None, headers::post()).await?;
            if response.status.is_success() {
                established.identified(&response.headers);
                early(&established);
                let answer = answer::read(response, asked, &self.rests).await;
                return Ok((established, answer.map_err(answer::Broken::into_failure)?));
            }
            let refusal = Refusal::read(response).await;
            if !refusal.may_be_http_sse() {
                return Ok((established, refusal.answer(asked.id)?));
            }
            Some(refusal)
        };
        // As a second attempt it must leave time to tell how the first failed.
        let limit = if refusal.is_some() { (self.timeout() / 2).min(SECOND_ATTEMPT) } else { self.timeout() };
        let channel = match (Channel::open(&self.client, asked.outbox, limit).await, refusal) {
            (Ok(channel), _) => Arc::new(channel),
            // The server speaks neither transport; what it said first is about the one it should speak.
            (Err(_), Some(refusal)) => return Ok((established, refusal.answer(asked.id)?)),
            (Err(failure), None) => return Err(failure),
        };
        established.channel = Some(Arc::clone(&channel));
        early(&established);
        match self.over_channel(&channel, &established, asked).await? {
            Exchanged::Answer(answer) => Ok((established, answer)),
            Exchanged::Lost(answer) => Ok((established, answer?)),
        }
    }

    /// Sends a request in a session and returns what came of it.
    async fn exchange(&self, session: &Established, asked: Asked<'_>) -> Result<Exchanged> {
        if let Some(channel) = &session.channel {
            return Box::pin(self.over_channel(channel, session, asked)).await;
        }
        let mut headers = headers::post();
        session.add_to(&mut headers);
        let response = self.ask(asked, None, headers).await?;
        if !response.status.is_success() {
            let refusal = Refusal::read(response).await;
            let lost = session.id.is_some() && refusal.is_of_lost_session();
            let answer = refusal.answer(asked.id);
            return if lost { Ok(Exchanged::Lost(answer)) } else { answer.map(Exchanged::Answer) };
        }
        match answer::read(response, asked, &self.rests).await {
            Ok(answer) => Ok(Exchanged::Answer(answer)),
            Err(broken) => Box::pin(self.resume(session, broken, asked)).await.map(Exchanged::Answer),
        }
    }

    /// Sends a notification or a response in a session. The inner error says that the server has
    /// lost the session.
    async fn deliver(&self, session: &Established, message: &Message, outbox: &Outbox) -> Result<Result<()>> {
        let mut headers = headers::post();
        session.add_to(&mut headers);
        let target = match &session.channel {
            Some(channel) if channel.is_ended() => return Ok(Err(channel.lost())),
            Some(channel) => Some(channel.target().clone()),
            None => None,
        };
        let response = self.post(message, target, headers, outbox, None).await?;
        if response.status.is_success() {
            return answer::accepted(response).await.map(Ok);
        }
        let refusal = Refusal::read(response).await;
        let lost = (session.id.is_some() || session.channel.is_some()) && refusal.is_of_lost_session();
        let failure = refusal.into_failure();
        if lost { Ok(Err(failure)) } else { Err(failure) }
    }

    /// Opens a new session in place of a lost one, unless that was done meanwhile:
    /// the host's own `initialize` and `notifications/initialized` again, its log level and its
    /// subscriptions. Whoever waited for an attempt that failed is told the same failure.
    async fn recover(&self, lost: &Established, outbox: &Outbox) -> Result<()> {
        let before = self.session.attempts();
        let mut failed = self.session.recovery.lock().await;
        let current = self.session.current();
        if current.number != lost.number {
            // Its successor, or that of another `initialize`, in which nothing of the old one is sent.
            return if current.begun == lost.begun { Ok(()) } else { Err(no_session()) };
        }
        if let Some(failure) = &*failed
            && self.session.attempts() > before
        {
            return Err(failure.clone());
        }
        let opened = self.reopen(lost, outbox).await.map_err(|failure| not_recovered(&failure));
        self.session.attempted();
        *failed = opened.as_ref().err().cloned();
        opened
    }

    async fn reopen(&self, lost: &Established, outbox: &Outbox) -> Result<()> {
        let memory = self.session.memory().clone();
        let Some(initialize) = &memory.initialize else {
            return Err(no_session());
        };
        let Kind::Request { id, .. } = initialize.kind() else { return Ok(()) };
        // Nothing else may be sent in the new session before it is complete, so it is not announced yet.
        let named = Established { number: lost.number + 1, begun: lost.begun, ..Established::default() };
        let asked = Asked { request: initialize, id, outbox, sent: None };
        let until = tokio::time::Instant::now() + self.timeout();
        let opened = tokio::time::timeout_at(until, self.handshake(named, asked, |_| ())).await;
        let (mut established, answer) = opened.unwrap_or_else(|_| Err(self.timed_out()))?;
        let complete = self.complete(&mut established, &answer, memory, outbox);
        let complete = tokio::time::timeout_at(until, complete).await.unwrap_or_else(|_| Err(self.timed_out()));
        // The host may have begun anew meanwhile.
        if complete.is_ok() && self.session.current().number == lost.number {
            self.session.establish(established);
        } else {
            let _ = tokio::time::timeout(FAREWELL, self.end(&established)).await;
        }
        complete
    }

    /// Tells a new session what the host has told the lost one.
    async fn complete(
        &self,
        established: &mut Established,
        answer: &Message,
        memory: Memory,
        outbox: &Outbox,
    ) -> Result<()> {
        if let Some(error) = answer.part("/error") {
            return Err(Failure::new(Code::SessionLost, "The server refuses a new session")
                .fix("Look into the server's log.")
                .evidence("error", super::error_as_told(&error)));
        }
        let revision = established.negotiated(answer);
        if revision != memory.revision {
            return Err(Failure::new(Code::SessionLost, "The server now speaks another revision of MCP")
                .because(format!(
                    "It agreed on {} at first, and on {} now.",
                    crate::error::quoted(&memory.revision.unwrap_or_default()),
                    crate::error::quoted(&revision.unwrap_or_default())
                ))
                .fix("Have all servers behind that URL speak the same."));
        }
        if let Some(initialized) = &memory.initialized {
            self.deliver(established, initialized, outbox).await??;
        }
        for request in memory.requests() {
            let Kind::Request { id, .. } = request.kind() else { continue };
            match self.exchange(established, Asked { request, id, outbox, sent: None }).await? {
                Exchanged::Answer(answer) if answer.part("/error").is_none() => {}
                Exchanged::Answer(answer) => outbox.note(
                    &Failure::new(Code::ServerError, "The server's new session lacks something of the old one")
                        .because(format!("It answered `{}` with an error.", request.method().unwrap_or_default()))
                        .fix("Look into the server's log.")
                        .evidence("error", super::error_as_told(&answer.part("/error").unwrap_or_default())),
                ),
                Exchanged::Lost(answer) => {
                    answer?;
                    return Err(Failure::new(Code::SessionLost, "The server lost its new session at once")
                        .fix("Have the proxy before several servers send each session to one of them."));
                }
            }
        }
        Ok(())
    }
}

fn no_session() -> Failure {
    Failure::new(Code::HostMessageInvalid, "There is no session")
        .because("The host has not sent `initialize`.")
        .fix("Send `initialize`.")
}

/// The failure of requests whose session could not be opened anew.
fn not_recovered(failure: &Failure) -> Failure {
    let facts = failure.facts();
    let told = Failure::new(Code::SessionLost, "The server has lost the session, and no new one could be opened")
        .because(format!("{}.", facts.what));
    let told = facts.why.iter().fold(told, |told, why| told.because(why.clone()));
    let told = facts.place.iter().fold(told, |told, place| told.at(place.clone()));
    facts.fix.iter().fold(told, |told, fix| told.fix(fix.clone())).fix("Start the connection anew in the host.")
}

/// How long a server may take to show that it speaks HTTP+SSE: it says so first of all.
const SECOND_ATTEMPT: Duration = Duration::from_secs(5);
/// How long ending a session may take that is not used any more.
const FAREWELL: Duration = Duration::from_secs(2);

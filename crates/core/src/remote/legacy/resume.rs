//! Streams that broke off, taken up again where they were (MCP 2025-11-25, Transports,
//! "Resumability and Redelivery").

use super::session::Established;
use crate::error::{Code, Failure, Result};
use crate::http::{HeaderValue, Method, Request, StatusCode};
use crate::remote::answer::{self, Broken, Position};
use crate::remote::events::Events;
use crate::remote::message::Message;
use crate::remote::pause::Pause;
use crate::remote::refusal::Refusal;
use crate::remote::{Asked, Remote, headers};

/// What came of asking for a stream.
pub(super) enum Opened {
    /// And the generation of identity and trust that it is of.
    Stream {
        events: Box<Events>,
        generation: u64,
    },
    /// Another attempt may succeed.
    Later(Failure),
    /// The server has lost the session.
    Lost(Failure),
    Never(Failure),
}

impl Remote {
    /// Reads on where the stream of a request broke off, for as long as the server lets it be
    /// taken up again. A request itself is never sent again.
    ///
    /// # Errors
    /// Why the stream broke off, and why it could not be taken up.
    pub(super) async fn resume(&self, session: &Established, broken: Broken, asked: Asked<'_>) -> Result<Message> {
        let (mut failure, mut position) = match broken {
            // Too large an event, or one that is no text, would come again.
            Broken::Stream(failure, position) if failure.code() == Code::ConnectionLost => (failure, position),
            broken => return Err(broken.into_failure()),
        };
        let mut pause = Pause::default();
        let mut refused = 0;
        loop {
            pause.asked(position.retry);
            if position.messages {
                pause.alive();
            }
            let Some(last_id) = position.last_id.take() else {
                return Err(failure.because("Its events have no ids, so it cannot be taken up again."));
            };
            tokio::time::sleep(pause.next()).await;
            let why = match self.open_stream(session, Some(&last_id)).await {
                Opened::Stream { events, .. } => {
                    match answer::stream(*events, Position::after(&last_id), asked, &self.rests).await {
                        Ok(answer) => return Ok(answer),
                        Err(Broken::Stream(why, read)) if why.code() == Code::ConnectionLost => {
                            refused = 0;
                            if pause.is_asked() {
                                // It wants to be asked again and again, at its own pace.
                                pause.alive();
                            }
                            (failure, position) = (why, read);
                            continue;
                        }
                        Err(broken) => return Err(broken.into_failure()),
                    }
                }
                Opened::Later(why) => why,
                Opened::Lost(why) | Opened::Never(why) => return Err(not_resumed(failure, &why)),
            };
            refused += 1;
            if refused == ATTEMPTS {
                return Err(not_resumed(failure, &why));
            }
            position = Position::after(&last_id);
        }
    }

    /// Asks for a stream: the server's own, or the one that an event was part of.
    pub(super) async fn open_stream(&self, session: &Established, last_id: Option<&HeaderValue>) -> Opened {
        let mut headers = headers::get();
        session.add_to(&mut headers);
        if let Some(id) = last_id {
            headers.insert(headers::LAST_EVENT_ID, id.clone());
        }
        let request = Request { method: Method::GET, target: None, headers, body: bytes::Bytes::new(), sent: None };
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(failure) => return Opened::Later(failure),
        };
        let status = response.status;
        if status == StatusCode::OK && response.media_type() == "text/event-stream" {
            let generation = response.generation;
            return Opened::Stream { events: Box::new(Events::new(response.body)), generation };
        }
        let refusal = Refusal::read(response).await;
        let lost = session.id.is_some() && refusal.is_of_lost_session();
        let failure = refusal.into_failure();
        match status {
            _ if lost => Opened::Lost(failure),
            // Streams end, servers calm down, credentials are renewed and access is granted.
            StatusCode::CONFLICT
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN => Opened::Later(failure),
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Opened::Later(failure),
            // 405 is the normal word of a server without one.
            _ => Opened::Never(failure),
        }
    }
}

/// The failure of a request whose stream could not be taken up again.
fn not_resumed(failure: Failure, why: &Failure) -> Failure {
    failure.because(format!("It could not be taken up again: {}.", why.facts().what))
}

/// How often in a row a server may fail to give the stream again: that is for 15 s at most, in which
/// a server restarts.
const ATTEMPTS: u32 = 4;

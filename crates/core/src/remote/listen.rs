//! The stream on which a server speaks of its own accord (GET), kept open.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::events::Events;
use super::{Outbox, Remote};
use crate::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};

impl Remote {
    /// Keeps the server's own stream open and passes its messages on. Returns when the server has
    /// no such stream.
    ///
    /// A stream that ends is opened again after a pause, which grows while nothing lives: a server
    /// that accepts and closes is not asked again at full rate.
    pub async fn listen(&self, outbox: &Outbox) {
        let mut pause = Pause::default();
        let mut last_id: Option<HeaderValue> = None;
        loop {
            let since = Instant::now();
            match self.open(last_id.as_ref()).await {
                Opened::Stream(mut events) => {
                    while let Some(Ok(event)) = events.next().await {
                        pause.retry = event.retry.map(Duration::from_millis).or(pause.retry);
                        last_id = event.id.and_then(|id| HeaderValue::from_str(&id).ok()).or(last_id);
                        for message in event.messages {
                            pause.failures = 0;
                            if outbox.send(message).await.is_err() {
                                return;
                            }
                        }
                    }
                    if since.elapsed() >= ALIVE {
                        pause.failures = 0;
                    }
                }
                Opened::Later => {}
                Opened::Never => return,
            }
            tokio::time::sleep(pause.next()).await;
        }
    }

    async fn open(&self, last_id: Option<&HeaderValue>) -> Opened {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.session.add_to(&mut headers);
        if let Some(id) = last_id {
            headers.insert(LAST_EVENT_ID, id.clone());
        }
        let request = Request { method: Method::GET, target: None, headers, body: bytes::Bytes::new(), sent: None };
        let Ok(response) = self.client.send(request).await else { return Opened::Later };
        match response.status {
            StatusCode::OK if response.media_type() == "text/event-stream" => {
                Opened::Stream(Box::new(Events::new(response.body)))
            }
            StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Opened::Later,
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Opened::Later,
            // 405 is the normal word of a server without one.
            _ => Opened::Never,
        }
    }
}

enum Opened {
    Stream(Box<Events>),
    Later,
    Never,
}

/// The pause before the stream is opened again.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
    /// What the server asked for (`retry`).
    retry: Option<Duration>,
}

impl Pause {
    /// The next pause: doubled with each failure, and drawn between half and all of that, so that
    /// the clients of a restarted server do not come back together.
    fn next(&mut self) -> Duration {
        let base = self.retry.map_or(FIRST, |retry| retry.clamp(SHORTEST, LONGEST));
        let full = base.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let draw = u32::try_from(RandomState::new().hash_one(self.failures) % 512).unwrap_or(0);
        full / 2 + full / 2 * draw / 512
    }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A stream that lived this long counts as alive even without a message.
const ALIVE: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_never_nothing() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..10).map(|_| pause.next()).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST, "{pauses:?}");
        assert!(pauses[9] >= LONGEST / 2 && pauses[9] <= LONGEST, "{pauses:?}");
        let mut pause = Pause { retry: Some(Duration::ZERO), ..Pause::default() };
        assert!(pause.next() >= SHORTEST / 2);
    }
}

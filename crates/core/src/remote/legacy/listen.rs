//! The stream on which a server speaks of its own accord (GET), kept open.

use std::time::{Duration, Instant};

use super::resume::Opened;
use super::session::Established;
use crate::remote::answer::Position;
use crate::remote::pause::Pause;
use crate::remote::{Gone, Outbox, Remote};

impl Remote {
    /// Keeps the server's own stream open and passes its messages on, in each session that follows
    /// another. It ends when the host is gone, ends its session or begins anew.
    ///
    /// A stream that ends is opened again after a pause, which grows while nothing lives: a server
    /// that accepts and closes is not asked again at full rate.
    pub async fn listen(&self, outbox: &Outbox) {
        let mut pause = Pause::default();
        // Without a session there is nothing to listen to: the host has ended it, or begins anew.
        while self.session.is_initialized() {
            let session = self.session.current();
            tokio::select! {
                outcome = self.listen_in(&session, outbox, &mut pause) => {
                    if outcome.is_err() {
                        return;
                    }
                }
                // A server may lose a session and leave its stream open.
                () = self.session.replaced(session.number) => {}
            }
        }
    }

    /// Keeps the stream of one session open until the session is lost.
    async fn listen_in(&self, session: &Established, outbox: &Outbox, pause: &mut Pause) -> Result<(), Gone> {
        let Some(channel) = &session.channel else { return self.listen_by_get(session, outbox, pause).await };
        let since = Instant::now();
        channel.ended().await;
        alive(pause, since);
        tokio::time::sleep(pause.next()).await;
        // A failure is told to the next request; here it is tried again.
        let _ = self.recover(session, outbox).await;
        Ok(())
    }

    async fn listen_by_get(&self, session: &Established, outbox: &Outbox, pause: &mut Pause) -> Result<(), Gone> {
        let mut position = Position::default();
        let mut had_stream = false;
        'streams: loop {
            let since = Instant::now();
            match self.open_stream(session, position.last_id.as_ref()).await {
                Opened::Stream { mut events, generation } => {
                    had_stream = true;
                    loop {
                        let event = tokio::select! {
                            event = events.next() => event,
                            outlived = self.client.outlived(generation) => {
                                self.note(outbox);
                                if outlived {
                                    // It is opened at once where new requests go, and closed here.
                                    continue 'streams;
                                }
                                continue;
                            }
                        };
                        let Some(Ok(event)) = event else { break };
                        position.pass(&event);
                        pause.asked(event.retry);
                        for message in event.messages {
                            pause.alive();
                            outbox.send(message).await?;
                        }
                    }
                    alive(pause, since);
                }
                Opened::Later(_) => {}
                // A server without a stream may say 404 too, in every session. If this one is lost,
                // the next request finds that out.
                Opened::Lost(_) if !had_stream => std::future::pending().await,
                Opened::Lost(_) => {
                    if self.recover(session, outbox).await.is_ok() {
                        return Ok(());
                    }
                }
                // The server does not know the last event any more, or does not resume.
                Opened::Never(_) if position.last_id.is_some() => position.last_id = None,
                // There is none in this session.
                Opened::Never(_) => std::future::pending().await,
            }
            tokio::time::sleep(pause.next()).await;
        }
    }
}

/// A stream that lived for some seconds counts as alive even without a message.
fn alive(pause: &mut Pause, since: Instant) {
    if since.elapsed() >= ALIVE {
        pause.alive();
    }
}

const ALIVE: Duration = Duration::from_secs(5);

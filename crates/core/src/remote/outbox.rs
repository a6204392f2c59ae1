//! The way of messages to the host, and of what deserves a word on the way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::message::Message;
use crate::error::Failure;

/// Where messages for the host go. A full one makes the server wait: it holds 64 messages and, but
/// for a single larger one, 32 MiB.
#[derive(Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Parcel>,
    room: Arc<Semaphore>,
    observer: Arc<dyn Observer>,
}

/// A message on its way to the host; it takes room in the outbox until it is dropped.
#[derive(Debug)]
pub struct Parcel {
    /// The message.
    pub message: Message,
    _room: OwnedSemaphorePermit,
}

/// The host is gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// Sees what goes by. Nothing in it may block.
pub trait Observer: Send + Sync + 'static {
    /// What no request can be answered with: a notification that was not accepted, a tool that was
    /// left out.
    fn note(&self, failure: &Failure);

    /// A message that passed.
    fn passed(&self, _passage: &Passage<'_>) {}
}

/// A message that passed, and what is known of the way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Passage<'a> {
    /// Whom it was for.
    pub to: Recipient,
    /// The message.
    pub message: &'a Message,
    /// The HTTP status that the server gave for it; none without an HTTP response.
    pub status: Option<u16>,
    /// From the beginning of sending until the head of the HTTP response.
    pub took: Option<Duration>,
}

/// Whom a message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The server.
    Server,
    /// The host.
    Host,
}

impl Outbox {
    /// An outbox and its other end.
    pub fn new(observer: impl Observer) -> (Self, mpsc::Receiver<Parcel>) {
        let (queue, parcels) = mpsc::channel(MESSAGES);
        (Self { queue, room: Arc::new(Semaphore::new(ROOM)), observer: Arc::new(observer) }, parcels)
    }

    /// Hands a message over, waiting for room.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn send(&self, message: Message) -> Result<(), Gone> {
        let room = Arc::clone(&self.room).acquire_many_owned(size(&message)).await.map_err(|_| Gone)?;
        self.passed(&Passage { to: Recipient::Host, message: &message, status: None, took: None });
        self.queue.send(Parcel { message, _room: room }).await.map_err(|_| Gone)
    }

    /// Waits until there is any room.
    pub(super) async fn room(&self) {
        // An error would say that the outbox is closed, which is told when something is sent.
        drop(self.room.acquire().await);
    }

    /// Hands a message over if there is room.
    pub(crate) fn try_send(&self, message: Message) {
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size(&message)) else { return };
        self.passed(&Passage { to: Recipient::Host, message: &message, status: None, took: None });
        // With a full queue the host does not read, and has more to catch up with than this.
        let _ = self.queue.try_send(Parcel { message, _room: room });
    }

    /// Tells what no request can be answered with.
    pub(crate) fn note(&self, failure: &Failure) {
        self.observer.note(failure);
    }

    pub(super) fn passed(&self, passage: &Passage<'_>) {
        self.observer.passed(passage);
    }
}

/// The room that a message takes: all there is for one that is larger.
fn size(message: &Message) -> u32 {
    u32::try_from(message.raw().len().min(ROOM)).unwrap_or(u32::MAX)
}

const MESSAGES: usize = 64;
const ROOM: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Observer for Silent {
        fn note(&self, _: &Failure) {}
    }

    fn message(size: usize) -> Message {
        let text = format!("{{\"method\":\"m\",\"params\":[\"{}\"]}}", "x".repeat(size));
        Message::read(text.into()).remove(0).unwrap()
    }

    #[tokio::test]
    async fn large_messages_wait_for_room_and_the_largest_passes_alone() {
        let (outbox, mut parcels) = Outbox::new(Silent);
        outbox.send(message(ROOM / 2)).await.unwrap();
        let second = outbox.send(message(ROOM + 1));
        tokio::pin!(second);
        assert!(futures_now(&mut second).await.is_none(), "there is no room for both");
        let first = parcels.recv().await.unwrap();
        assert!(futures_now(&mut second).await.is_none(), "the first is not written yet");
        drop(first);
        second.await.unwrap();
        drop(parcels);
        assert!(outbox.send(message(1)).await.is_err());
    }

    /// What a future gives at once.
    async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! { biased; output = future => Some(output), () = tokio::task::yield_now() => None }
    }
}

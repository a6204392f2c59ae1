//! How the bridge begins, and why and how it ends.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::error::Result;
use crate::remote::message::Message;

/// How beginning went.
pub(super) struct Outcome {
    /// The last `initialize`, or the last probe while nothing had succeeded.
    pub(super) last: Result<()>,
    pub(super) reached: bool,
}

impl Outcome {
    pub(super) fn began(&mut self, initialize: bool, answer: &Result<Message>) {
        if initialize || answer.is_ok() || !self.reached {
            self.last = answer.as_ref().map(|_| ()).map_err(Clone::clone);
        }
        self.reached |= answer.is_ok();
    }
}

/// Why the bridge ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The host closed our input.
    Eof,
    /// The host does not read any more.
    Gone,
    /// We were told to stop; whoever told us may end us in 100 ms.
    Stopped,
}

impl End {
    /// How long the server may take to hear that the session ends.
    pub(super) fn farewell(self) -> Duration {
        if self == Self::Stopped { Duration::from_millis(30) } else { Duration::from_secs(2) }
    }

    /// How long the host may take to read what is left.
    pub(super) fn flush(self) -> Duration {
        if self == Self::Stopped { Duration::from_millis(20) } else { Duration::from_secs(5) }
    }
}

/// Being told to stop, which may happen at any time.
pub(super) struct Stop<S>(Option<Pin<Box<S>>>);

impl<S: Future<Output = ()>> Stop<S> {
    pub(super) fn new(signal: S) -> Self {
        Self(Some(Box::pin(signal)))
    }

    /// Returns when we have been told; may be dropped and called again.
    pub(super) async fn came(&mut self) {
        if let Some(signal) = &mut self.0 {
            signal.await;
            self.0 = None;
        }
    }
}

//! The requests of the host that have no answer yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::remote::message::{Id, Message};
use crate::remote::method::LISTEN;

/// The requests of the host that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// An id that a host uses twice at once has two entries.
    open: HashMap<Id, Vec<Request>>,
    /// How many requests have no written answer.
    unwritten: usize,
}

#[derive(Debug)]
struct Request {
    /// Becomes true when it has been handed to a connection.
    on_its_way: watch::Receiver<bool>,
    cancelled: watch::Sender<Cancel>,
    era: Era,
}

/// Whether the host has cancelled a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// The server is being told.
    Asked,
    /// The server has been told, or is told by the end of the request itself.
    Told,
}

/// How a request ends when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// The server is told, and the host gets an answer.
    Legacy,
    /// Closing its stream tells the server, and nobody gets an answer.
    Modern,
    /// The same, and it has no end of its own that could be waited for.
    Subscription,
}

impl Era {
    pub(super) fn of(request: &Message) -> Self {
        match request.method() {
            Some(LISTEN) => Self::Subscription,
            _ if request.is_modern() => Self::Modern,
            _ => Self::Legacy,
        }
    }
}

impl Pending {
    /// Adds a request; `on_its_way` becomes true when it has been handed to a connection. What is
    /// returned tells whether the host has cancelled it.
    pub(super) fn insert(&self, id: Id, era: Era, on_its_way: watch::Receiver<bool>) -> watch::Receiver<Cancel> {
        let (cancelled, receiver) = watch::channel(Cancel::No);
        let mut state = self.lock();
        state.open.entry(id).or_default().push(Request { on_its_way, cancelled, era });
        state.unwritten += 1;
        receiver
    }

    /// Says that the host has cancelled a request.
    pub(super) fn cancel(&self, id: &Id, cancel: Cancel) {
        for request in self.lock().open.get(id).into_iter().flatten() {
            request.cancelled.send_replace(cancel);
        }
    }

    /// Whether a request without an answer is of the stateless revisions.
    pub(super) fn is_modern(&self, id: &Id) -> bool {
        self.lock().open.get(id).is_some_and(|requests| requests.iter().any(|request| request.era != Era::Legacy))
    }

    /// Gives up what would never end.
    pub(super) fn cancel_subscriptions(&self) {
        for request in self.lock().open.values().flatten().filter(|request| request.era == Era::Subscription) {
            request.cancelled.send_replace(Cancel::Told);
        }
    }

    /// Takes out a request that gets no answer.
    pub(super) fn forget(&self, id: &Id) {
        if self.claim(id) {
            self.written(1);
        }
    }

    /// Whether the request still wants its answer, which it then has.
    pub(super) fn claim(&self, id: &Id) -> bool {
        let mut state = self.lock();
        let Some(requests) = state.open.get_mut(id) else { return false };
        requests.pop();
        if requests.is_empty() {
            state.open.remove(id);
        }
        true
    }

    /// Says that this many claimed answers have reached the host.
    pub(super) fn written(&self, answers: usize) {
        let mut state = self.lock();
        state.unwritten = state.unwritten.saturating_sub(answers);
        if state.unwritten == 0 {
            self.emptied.notify_waiters();
        }
    }

    /// Tells when a request has been handed to a connection; none when it is not pending.
    pub(super) fn on_its_way(&self, id: &Id) -> Option<watch::Receiver<bool>> {
        Some(self.lock().open.get(id)?.last()?.on_its_way.clone())
    }

    /// The ids without an answer.
    pub(super) fn ids(&self) -> Vec<Id> {
        let state = self.lock();
        state.open.iter().flat_map(|(id, requests)| requests.iter().map(|_| id.clone())).collect()
    }

    /// Returns when every request has its written answer.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.lock().unwritten == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a state that is still right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

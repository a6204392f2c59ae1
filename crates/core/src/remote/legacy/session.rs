//! The session with a legacy server: what `initialize` agreed on, and what a new one has to be told
//! when the server has lost it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::http_sse::Channel;
use crate::error::Failure;
use crate::http::{HeaderMap, HeaderValue};
use crate::remote::headers::{PROTOCOL_VERSION, SESSION_ID};
use crate::remote::message::{Kind, Message};
use crate::remote::method::{INITIALIZED, SET_LEVEL, SUBSCRIBE, UNSUBSCRIBE};

/// The session of the host, whichever session of the server it is at the moment.
#[derive(Debug)]
pub(in crate::remote) struct Session {
    current: watch::Sender<Arc<Established>>,
    memory: Mutex<Memory>,
    /// Held by whoever opens a new session in place of a lost one.
    pub(super) recovery: tokio::sync::Mutex<Recovery>,
    /// How many times that has ended.
    attempts: AtomicU64,
}

/// A session as the server knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Established {
    /// Counts the sessions, to tell a lost one from its successor.
    pub(super) number: u64,
    /// The number that it began with: that of the host's `initialize`.
    pub(super) begun: u64,
    /// `Mcp-Session-Id`, of a server that has sessions.
    pub(super) id: Option<HeaderValue>,
    /// `MCP-Protocol-Version`, when the revision has that header.
    pub(super) revision: Option<HeaderValue>,
    /// The stream of a server of HTTP+SSE (2024-11-05).
    pub(super) channel: Option<Arc<Channel>>,
}

/// What a new session has to be told, in the host's own messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) initialize: Option<Message>,
    /// What the server said the revision is.
    pub(super) revision: Option<String>,
    pub(super) initialized: Option<Message>,
    level: Option<Message>,
    /// By URI.
    subscriptions: BTreeMap<String, Message>,
}

/// How the last attempt to open a new session failed.
pub(super) type Recovery = Option<Failure>;

impl Default for Session {
    fn default() -> Self {
        Self {
            current: watch::Sender::default(),
            memory: Mutex::default(),
            recovery: tokio::sync::Mutex::default(),
            attempts: AtomicU64::new(0),
        }
    }
}

impl Session {
    pub(super) fn current(&self) -> Arc<Established> {
        Arc::clone(&self.current.borrow())
    }

    /// Returns when the session is another than the one of this number.
    pub(super) async fn replaced(&self, number: u64) {
        // The sender is `self`, so it lives as long as this is waited for.
        let _ = self.current.subscribe().wait_for(|current| current.number != number).await;
    }

    /// Whether the server speaks HTTP+SSE.
    pub(in crate::remote) fn is_http_sse(&self) -> bool {
        self.current.borrow().channel.is_some()
    }

    /// Takes a session as the current one.
    pub(super) fn establish(&self, established: Established) {
        self.current.send_replace(Arc::new(established));
    }

    /// Forgets the session and all that was said in it. Returns the number of the next one.
    pub(super) fn forget(&self) -> u64 {
        *self.memory() = Memory::default();
        let number = self.current.borrow().number + 1;
        self.establish(Established { number, begun: number, ..Established::default() });
        number
    }

    /// Whether the host has begun a session.
    pub(super) fn is_begun(&self) -> bool {
        self.memory().initialize.is_some()
    }

    /// How many attempts to open a new session have ended.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Says that an attempt has ended.
    pub(super) fn attempted(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the host has opened its session, and told the server so.
    pub(super) fn is_initialized(&self) -> bool {
        self.memory().initialized.is_some()
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic elsewhere leaves a state that is still right: each change is one assignment.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Established {
    /// Adds the headers of every request of the session.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
        if let Some(revision) = &self.revision {
            headers.insert(PROTOCOL_VERSION, revision.clone());
        }
    }

    /// Takes the session id from the response to `initialize`.
    pub(super) fn identified(&mut self, headers: &HeaderMap) {
        self.id = headers.get(SESSION_ID).cloned().map(|mut id| {
            id.set_sensitive(true);
            id
        });
    }

    /// Takes the revision from the answer to `initialize`, and returns it.
    pub(super) fn negotiated(&mut self, answer: &Message) -> Option<String> {
        let revision = answer.part("/result/protocolVersion")?.as_str()?.to_owned();
        // Revisions are dates, so their order is that of their text.
        let in_header = (revision.as_str() >= FIRST_WITH_HEADER).then_some(&revision);
        self.revision = in_header.and_then(|revision| HeaderValue::from_str(revision).ok());
        Some(revision)
    }
}

impl Memory {
    /// What there is to remember when the host begins.
    pub(super) fn begun(initialize: &Message) -> Self {
        Self { initialize: Some(initialize.clone()), ..Self::default() }
    }

    /// Remembers a request that the server has carried out.
    pub(super) fn answered(&mut self, request: &Message, answer: &Message) {
        if !matches!(answer.kind(), Kind::Response { error: false, .. }) {
            return;
        }
        let uri = || request.part("/params/uri").and_then(|uri| uri.as_str().map(str::to_owned));
        match request.method() {
            Some(SET_LEVEL) => self.level = Some(request.clone()),
            Some(SUBSCRIBE) => self.subscriptions.extend(uri().map(|uri| (uri, request.clone()))),
            Some(UNSUBSCRIBE) => {
                uri().and_then(|uri| self.subscriptions.remove(&uri));
            }
            _ => {}
        }
    }

    /// Remembers a notification that the server was told.
    pub(super) fn told(&mut self, notification: &Message) {
        if notification.method() == Some(INITIALIZED) {
            self.initialized = Some(notification.clone());
        }
    }

    /// The requests that a new session is told.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Message> {
        self.level.iter().chain(self.subscriptions.values())
    }
}

/// The revision that brought the header `MCP-Protocol-Version`.
const FIRST_WITH_HEADER: &str = "2025-06-18";

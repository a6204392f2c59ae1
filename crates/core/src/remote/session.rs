//! The session with a legacy server, and the headers that carry it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::message::Message;
use crate::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What `initialize` agreed on.
#[derive(Debug, Default)]
pub(super) struct Session(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

impl Session {
    /// Takes the session id from the response to `initialize`. It counts from here on, since the
    /// server may ask something before it answers.
    pub(super) fn begin(&self, headers: &HeaderMap) {
        let id = headers.get(SESSION_ID).cloned().map(|mut id| {
            id.set_sensitive(true);
            id
        });
        self.lock().id = id;
    }

    /// Takes the revision from the answer to `initialize`.
    pub(super) fn negotiated(&self, answer: &Message) {
        let version = answer.part("/result/protocolVersion");
        let version = version.as_ref().and_then(serde_json::Value::as_str);
        // Revisions are dates, so their order is that of their text.
        let version = version.filter(|version| *version >= FIRST_WITH_HEADER);
        self.lock().version = version.and_then(|version| HeaderValue::from_str(version).ok());
    }

    pub(super) fn exists(&self) -> bool {
        self.lock().id.is_some()
    }

    pub(super) fn forget(&self) {
        *self.lock() = State::default();
    }

    /// Adds the headers of every request after `initialize`.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        let state = self.lock();
        if let Some(id) = &state.id {
            headers.insert(SESSION_ID, id.clone());
        }
        if let Some(version) = &state.version {
            headers.insert(PROTOCOL_VERSION, version.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a state that is still right: each change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The headers of every POST.
pub(super) fn post_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The revision that brought the header `MCP-Protocol-Version`.
const FIRST_WITH_HEADER: &str = "2025-06-18";

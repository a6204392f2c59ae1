//! The sessions of a server: which there are, what each has set, and how a lost one is told.

use http::{HeaderMap, Response};
use tokio::sync::watch;

use super::endpoint::{Refusal, header, refuse};
use super::options::LostSession;
use super::{McpServer, Shared, locked};
use crate::log::LIMIT;
use crate::reply::{self, Body};

/// What everything after `initialize` belongs to, as the server keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its `Mcp-Session-Id`; empty on a server without sessions.
    pub id: String,
    /// The negotiated revision.
    pub version: String,
    /// Whether `notifications/initialized` has come.
    pub initialized: bool,
    /// What `logging/setLevel` set.
    pub log_level: Option<String>,
    /// The resources subscribed to and not unsubscribed from, in order.
    pub subscriptions: Vec<String>,
}

impl McpServer {
    /// The newest session that was neither ended nor forgotten.
    pub fn session(&self) -> Option<Session> {
        self.shared.sessions.0.borrow().last().cloned()
    }

    /// Waits until the newest session is as the test wants it, 10 seconds at most.
    pub async fn wait_for_session(&self, what: &str, ready: impl Fn(&Session) -> bool) -> Session {
        let mut sessions = self.shared.sessions.0.subscribe();
        let is_ready = sessions.wait_for(|sessions| sessions.last().is_some_and(&ready));
        if let Ok(sessions) = tokio::time::timeout(LIMIT, is_ready).await {
            return sessions.expect("the server holds the sender").last().cloned().expect("it was ready");
        }
        panic!("waited {LIMIT:?} for {what}; the newest session: {:#?}", self.session())
    }

    /// Forgets every session and its streams without telling anyone, as a server does that was restarted.
    pub fn forget_sessions(&self) {
        self.shared.sessions.clear();
        locked(&self.shared.kept).clear();
    }
}

/// The sessions of a server, the newest last.
#[derive(Default)]
pub(super) struct Sessions(watch::Sender<Vec<Session>>);

impl Sessions {
    pub(super) fn open(&self, id: String, version: &str) {
        self.remove(&id);
        self.0.send_modify(|all| all.push(Session { id, version: version.to_owned(), ..Session::default() }));
    }

    /// Notes what a session set. A session that is gone notes nothing.
    pub(super) fn note(&self, id: &str, change: impl FnOnce(&mut Session)) {
        self.0.send_modify(|all| {
            if let Some(session) = all.iter_mut().find(|session| session.id == id) {
                change(session);
            }
        });
    }

    pub(super) fn remove(&self, id: &str) {
        self.0.send_modify(|all| all.retain(|session| session.id != id));
    }

    pub(super) fn clear(&self) {
        self.0.send_modify(Vec::clear);
    }

    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.0.borrow().iter().find(|session| session.id == id).cloned()
    }
}

impl Shared {
    /// Checks the two headers that everything after `initialize` carries.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Session, Refusal> {
        let id = match (self.options.session, header(headers, SESSION)) {
            (true, Some(id)) => id.to_owned(),
            (true, None) => return Err(refuse(400, -32000, "Bad Request: Mcp-Session-Id header is required")),
            (false, None) => String::new(),
            (false, Some(_)) => return Err(refuse(400, -32600, "no session was opened")),
        };
        let session = match (self.sessions.find(&id), self.options.session) {
            (Some(session), _) => session,
            (None, true) => return Err(Box::new(self.options.lost.answer())),
            // Without sessions the server keeps nothing; whatever comes is answered.
            (None, false) => return Ok(Session::default()),
        };
        match header(headers, VERSION) {
            Some(sent) if sent == session.version => {}
            None if !NEEDS_HEADER.contains(&session.version.as_str()) => {}
            sent => {
                let text = format!("Bad Request: MCP-Protocol-Version must be {}, not {sent:?}", session.version);
                return Err(refuse(400, -32000, &text));
            }
        }
        Ok(session)
    }
}

impl LostSession {
    fn answer(self) -> Response<Body> {
        match self {
            Self::NotFound => *refuse(404, -32001, "Session not found"),
            Self::NotFoundEmpty => reply::empty(404),
            Self::NotFoundText(text) => reply::text(404, text),
            Self::BadRequest(message) => *refuse(400, -32000, message),
            Self::BadRequestText(text) => reply::text(400, text),
        }
    }
}

pub(super) const SESSION: &str = "mcp-session-id";
pub(super) const VERSION: &str = "mcp-protocol-version";
const NEEDS_HEADER: [&str; 2] = ["2025-06-18", "2025-11-25"];

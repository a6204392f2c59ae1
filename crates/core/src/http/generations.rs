//! Identity, trust and connections, replaced as a whole when what they were made of changes.
//!
//! A generation never changes. New requests go out in the current one, and what runs finishes in
//! the one that it began in. Exchanging the certificate within living connections would go on
//! presenting the old one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::{OwnedMutexGuard, watch};

use super::connection::{Dialer, Route};
use super::pool::Pool;
use super::replacement::Replacement;
use crate::config::Tls as Settings;
use crate::error::{Code, Failure, Result};
use crate::tls::Tls;

/// The generations of one client, of which one is current.
#[derive(Clone)]
pub(crate) struct Generations(Arc<Shared>);

/// Who we are, whom we believe, and the connections of both.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) pool: Arc<Pool>,
}

struct Shared {
    route: Arc<Route>,
    current: watch::Sender<Arc<Generation>>,
    /// Held by the one who looks or loads, so that this happens once for many requests.
    replacement: Arc<tokio::sync::Mutex<Replacement>>,
    state: Mutex<State>,
}

struct State {
    looked: Instant,
    /// When everything was last loaded because it had to be, not because it looked changed.
    forced: Option<Instant>,
    /// Why the current generation must not be used any more, when its agent has taken the identity back.
    withdrawn: Option<Failure>,
    /// How many warnings of the end of the current certificate have been given.
    warned: usize,
    news: Vec<Failure>,
}

/// Why there may be something new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// A file looks different, or an identity is to be renewed now.
    Changed,
    /// A server refused the certificate, which a program or a file just now may give anew.
    Refused,
    /// Somebody says so.
    Told,
}

impl Generations {
    /// Loads the first generation. Reads files, so it may block.
    pub(super) fn new(route: Route, settings: &Settings) -> Result<Self> {
        let route = Arc::new(route);
        let (replacement, tls) = Replacement::first(settings)?;
        let current = watch::Sender::new(Arc::new(Generation::new(1, &route, tls)));
        let replacement = Arc::new(tokio::sync::Mutex::new(replacement));
        let state = State { looked: Instant::now(), forced: None, withdrawn: None, warned: 0, news: Vec::new() };
        let shared = Shared { route, current, replacement, state: Mutex::new(state) };
        shared.warn();
        Ok(Self(Arc::new(shared)))
    }

    /// The generation for a request that is sent now; before, it is seen to whether there is
    /// something newer, once a second at most.
    ///
    /// # Errors
    /// Why the identity may not be used any more, and there is none instead.
    pub(super) async fn current(&self) -> Result<Arc<Generation>> {
        let due = {
            let mut state = self.0.state();
            let due = state.looked.elapsed() >= LOOK;
            if due {
                state.looked = Instant::now();
            }
            due
        };
        // Whoever else is at it brings the result to the requests that follow.
        if due && let Ok(turn) = Arc::clone(&self.0.replacement).try_lock_owned() {
            // Why nothing newer can be had is told as a note, in time; the current one serves on. So it
            // does when a program or a token takes its time, which goes on without this request; but not
            // when its certificate is of no use any more.
            let load = self.load(Reason::Changed, turn);
            if self.0.current().has_ended() {
                let _ = load.await;
            } else {
                let _ = tokio::time::timeout(LOOK_TIME, load).await;
            }
        }
        self.0.state().withdrawn.clone().map_or_else(|| Ok(self.0.current()), Err)
    }

    /// The generation that is current now, as it is.
    pub(super) fn peek(&self) -> Arc<Generation> {
        self.0.current()
    }

    /// A generation with another certificate than the one that a server has just refused, when
    /// there is one.
    ///
    /// # Errors
    /// Why it could not be loaded.
    pub(super) async fn after_refusal(&self, refused: &Generation) -> Result<Option<Arc<Generation>>> {
        let turn = Arc::clone(&self.0.replacement).lock_owned().await;
        // Somebody else may have had the same answer.
        if self.0.current().number == refused.number {
            self.load(Reason::Refused, turn).await?;
        }
        let current = self.0.current();
        let certificate =
            |generation: &Generation| generation.pool.tls().identity().map(|it| it.facts().fingerprint.clone());
        Ok((certificate(&current) != certificate(refused)).then_some(current))
    }

    /// Loads everything anew.
    ///
    /// # Errors
    /// Why it could not be loaded; the current generation serves on.
    pub(crate) async fn renew(&self) -> Result<()> {
        let turn = Arc::clone(&self.0.replacement).lock_owned().await;
        self.load(Reason::Told, turn).await
    }

    /// Ready when requests go out in a later generation than this. As long as somebody waits here,
    /// it is seen to by a timer.
    pub(super) async fn outlived(&self, number: u64) {
        let mut current = self.0.current.subscribe();
        while self.current().await.is_ok_and(|current| current.number == number) {
            // The sender lives in `self`.
            let _ = tokio::time::timeout(LOOK_OF_STREAMS, current.changed()).await;
        }
    }

    /// What deserves a word, once.
    pub(super) fn news(&self) -> Vec<Failure> {
        std::mem::take(&mut self.0.state().news)
    }

    /// Sees to a new generation, which goes on when the caller is cancelled.
    async fn load(&self, reason: Reason, mut turn: OwnedMutexGuard<Replacement>) -> Result<()> {
        let shared = Arc::clone(&self.0);
        let load = tokio::task::spawn_blocking(move || shared.load(reason, &mut turn));
        load.await.unwrap_or_else(|error| {
            Err(Failure::new(Code::SystemFailed, "The identity cannot be loaded anew").because(error.to_string()))
        })
    }
}

impl Shared {
    /// Puts a new generation in the place of the current one, when there is one. It may block.
    fn load(&self, reason: Reason, replacement: &mut Replacement) -> Result<()> {
        if reason != Reason::Changed {
            let last = self.state().forced.replace(Instant::now());
            if reason == Reason::Refused && last.is_some_and(|at| at.elapsed() < LOOK) {
                return Ok(());
            }
        }
        let made = match reason {
            Reason::Changed => replacement.when_changed(),
            Reason::Refused => replacement.after_refusal(),
            Reason::Told => replacement.now().map(Some).map_err(|failure| replacement.told(&failure)),
        };
        let outcome = made.map(|made| {
            if let Some(tls) = made {
                let next = Generation::new(self.current().number + 1, &self.route, tls);
                self.current.send_replace(Arc::new(next));
                self.state().warned = 0;
            }
        });
        match &outcome {
            Err(failure) if replacement.is_withdrawn(failure) => self.state().withdrawn = Some(failure.clone()),
            // The agent gives it again.
            Ok(()) if replacement.is_sound() => self.state().withdrawn = None,
            _ => {}
        }
        let note = replacement.note();
        self.state().news.extend(note);
        self.warn();
        outcome
    }

    /// Foresees the end of the current certificate.
    fn warn(&self) {
        let current = self.current();
        let Some(identity) = current.pool.tls().identity() else { return };
        let now = OffsetDateTime::now_utc();
        let due = identity.warnings_due(now);
        let mut state = self.state();
        if due > state.warned && identity.facts().not_after > now {
            state.warned = due;
            state.news.push(identity.ends_soon(now));
        }
    }

    fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.borrow())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a state that is still right: what is published was made before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generation {
    /// Whether its certificate has expired.
    fn has_ended(&self) -> bool {
        self.pool.tls().identity().is_some_and(|identity| identity.facts().not_after < OffsetDateTime::now_utc())
    }

    fn new(number: u64, route: &Arc<Route>, tls: Tls) -> Self {
        Self { number, pool: Arc::new(Pool::new(Dialer::new(Arc::clone(route), tls))) }
    }
}

/// How often it is seen to whether files have changed, when requests are sent.
const LOOK: Duration = Duration::from_secs(1);
/// How long a request waits for that. Longer than files take, and than it takes to write them.
const LOOK_TIME: Duration = Duration::from_millis(300);
/// And while a stream stays open and nothing is sent.
const LOOK_OF_STREAMS: Duration = Duration::from_secs(5);

impl std::fmt::Debug for Generations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Generations").field(&self.peek()).finish()
    }
}

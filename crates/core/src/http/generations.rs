//! Identity, trust and connections, replaced as a whole when what they were made of changes.
//!
//! A generation never changes. New requests go out in the current one, and what runs finishes in
//! the one that it began in. Exchanging the certificate within living connections would go on
//! presenting the old one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use tokio::sync::{OwnedMutexGuard, watch};

use super::connection::{Dialer, Route};
use super::pool::Pool;
use super::replacement::{Beginning, Replacement};
use crate::error::{Code, Failure, Result};
use crate::identity::Identity;
use crate::tls::{Record, Tls};
use crate::trust::Trust;

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
    /// When a certificate that was refused may be loaded again, and how long to wait after that.
    again: Option<(Instant, Duration)>,
    /// Why the current generation must not be used any more, when its agent has taken the identity back.
    withdrawn: Option<Failure>,
    /// How many warnings of the end of the current certificate have been given.
    warned: usize,
    news: Vec<Failure>,
}

/// Why there may be something new.
#[derive(Clone, Copy)]
enum Reason {
    /// A file looks different, or an identity is to be renewed now.
    Changed,
    /// A server refused the certificate, which a program or a file just now may give anew.
    Refused,
    /// Somebody says so.
    Told,
}

impl Generations {
    /// Makes the first generation.
    pub(super) fn new(route: Route, beginning: Beginning, trust: Arc<Trust>) -> Result<Self> {
        let route = Arc::new(route);
        let (replacement, tls) = Replacement::first(beginning, trust)?;
        let current = watch::Sender::new(Arc::new(Generation::new(1, &route, tls, None)));
        let replacement = Arc::new(tokio::sync::Mutex::new(replacement));
        let state = State { looked: Instant::now(), again: None, withdrawn: None, warned: 0, news: Vec::new() };
        let shared = Shared { route, current, replacement, state: Mutex::new(state) };
        shared.warn(true);
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
            let limit = if self.0.current().has_ended() { LOAD_TIME } else { LOOK_TIME };
            let _ = tokio::time::timeout(limit, self.load(Reason::Changed, turn)).await;
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
        let load = async {
            let turn = Arc::clone(&self.0.replacement).lock_owned().await;
            // Somebody else may have had the same answer.
            let newer = self.0.current().number != refused.number;
            if newer { Ok(()) } else { self.load(Reason::Refused, turn).await }
        };
        tokio::time::timeout(LOAD_TIME, load).await.unwrap_or_else(|_| {
            let what = format!("Certificate and key did not come within {} s", LOAD_TIME.as_secs());
            Err(Failure::new(Code::TimedOut, what)
                .because("A file, a program or a token that a setting names does not answer.")
                .fix("Look for named pipes, folders of a network, programs that wait and cards that hang."))
        })?;
        let current = self.0.current();
        Ok((current.chain() != refused.chain()).then_some(current))
    }

    /// Loads everything anew.
    ///
    /// # Errors
    /// Why it could not be loaded; the current generation serves on.
    pub(crate) async fn renew(&self) -> Result<()> {
        let turn = Arc::clone(&self.0.replacement).lock_owned().await;
        self.load(Reason::Told, turn).await
    }

    /// Ready when requests go out in a later generation than this, or there is news; whether the first
    /// is so. As long as somebody waits here, it is seen to by a timer.
    pub(super) async fn outlived(&self, number: u64) -> bool {
        let mut current = self.0.current.subscribe();
        loop {
            if self.current().await.is_ok_and(|current| current.number != number) || self.0.state().withdrawn.is_some()
            {
                return true;
            }
            if !self.0.state().news.is_empty() {
                return false;
            }
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
            Err(Failure::new(Code::SystemFailed, "The identity cannot be loaded anew")
                .fix("Start the connection anew in the host.")
                .cause(error))
        })
    }
}

impl Shared {
    /// Puts a new generation in the place of the current one, when there is one. It may block.
    fn load(&self, reason: Reason, replacement: &mut Replacement) -> Result<()> {
        let made = match reason {
            Reason::Refused if !self.may_load_again() => replacement.when_changed(),
            Reason::Changed => replacement.when_changed(),
            Reason::Refused => replacement.after_refusal(),
            Reason::Told => replacement.now().map(Some).map_err(|failure| replacement.told(&failure)),
        };
        let outcome = made.map(|made| {
            if let Some(tls) = made {
                let before = self.current();
                let next = Generation::new(before.number + 1, &self.route, tls, before.pool.latest());
                let next = Arc::new(next);
                let mut state = self.state();
                if next.chain() != before.chain() {
                    (state.warned, state.again) = (0, None);
                }
                let told: Vec<_> = before.warnings().iter().map(ToString::to_string).collect();
                let warnings = next.warnings().iter().filter(|warning| !told.contains(&warning.to_string()));
                state.news.extend(warnings.cloned());
                drop(state);
                self.current.send_replace(next);
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
        self.warn(replacement.is_sound());
        outcome
    }

    /// Whether a refused certificate is to be loaded again: at once the first time, and then ever more
    /// seldom while the same comes of it, since a program may have others made for each.
    fn may_load_again(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        let pause = match state.again {
            Some((at, _)) if now < at => return false,
            Some((_, pause)) => (pause * 2).min(LONGEST_PAUSE),
            None => LOOK,
        };
        state.again = Some((now + pause, pause));
        true
    }

    /// Foresees the end of the current certificate. Of one that is renewed by itself, the end is news
    /// only when that fails.
    fn warn(&self, is_sound: bool) {
        let current = self.current();
        let Some(identity) = current.pool.tls().identity() else { return };
        if identity.renews_itself() && is_sound {
            return;
        }
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
    /// The certificates that it shows.
    fn chain(&self) -> Option<&[CertificateDer<'static>]> {
        self.pool.tls().identity().map(Identity::chain)
    }

    /// What should be seen to of its files.
    fn warnings(&self) -> &[Failure] {
        self.pool.tls().identity().map_or(&[], Identity::warnings)
    }

    /// Whether its certificate has expired.
    fn has_ended(&self) -> bool {
        self.pool.tls().identity().is_some_and(|identity| identity.facts().not_after < OffsetDateTime::now_utc())
    }

    /// `latest` is of the connection that was opened last, in the generation before.
    fn new(number: u64, route: &Arc<Route>, tls: Tls, latest: Option<Record>) -> Self {
        Self { number, pool: Arc::new(Pool::new(Dialer::new(Arc::clone(route), tls), latest)) }
    }
}

/// How often it is seen to whether files have changed, when requests are sent.
const LOOK: Duration = Duration::from_secs(1);
/// How long a request waits for that. Longer than files take, and than it takes to write them.
const LOOK_TIME: Duration = Duration::from_millis(300);
/// How long it waits when its certificate is of no use: longer than a program may take.
const LOAD_TIME: Duration = Duration::from_secs(6);
/// How often it is seen to while a stream stays open and nothing is sent.
const LOOK_OF_STREAMS: Duration = Duration::from_secs(5);
/// How long a certificate that is refused again and again stays as it is.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl std::fmt::Debug for Generations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Generations").field(&self.peek()).finish()
    }
}

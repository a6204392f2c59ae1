//! The source of identities of the SPIFFE Workload API: a local agent gives certificate, key and
//! bundles of CA certificates over a stream, and new ones before they expire.

mod grpc;
mod message;
mod stream;
mod svid;
mod trouble;
mod update;

pub(crate) use svid::{NotSvid, spiffe_id};
pub(crate) use update::{Bundles, Update};

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::facts::date;
use crate::config::Spiffe;
use crate::error::{Code, Failure, Result};

/// A Workload API that is listened to for as long as this lives, on a thread of its own: whoever
/// loads an identity may have no async runtime, or be gone before the next update.
pub(crate) struct Workload {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread of the stream writes and everybody else reads.
struct Shared {
    settings: Spiffe,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Grows whenever `held` becomes another.
    version: u64,
    held: Option<Arc<Update>>,
    /// Why the stream does not give what it should, at the moment.
    trouble: Option<Failure>,
    /// Whether the agent has said something that waiting does not better.
    settled: bool,
}

impl Workload {
    /// Opens the stream, and blocks until the first answer, `wait` at most. What fails before that
    /// is tried again: an agent may start together with the host, and learns of workloads late.
    ///
    /// # Errors
    /// `workload-unavailable`, `svid-missing`, `svid-invalid`, `system-failed`.
    pub(crate) fn open(settings: &Spiffe, wait: Duration) -> Result<Arc<Self>> {
        let failed = |error: std::io::Error| {
            Failure::new(Code::SystemFailed, "The stream of the Workload API cannot be started")
                .because_of(&error)
                .fix("End what uses up the processes and files of this user.")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let state = Mutex::default();
        let shared = Arc::new(Shared { settings: settings.clone(), state, changed: Condvar::new() });
        let (stop, stopped) = oneshot::channel();
        let listening = Arc::clone(&shared);
        let listen = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = stream::listen(&listening) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("spiffe".to_owned()).spawn(listen).map_err(failed)?;
        let workload = Self { shared, stop: Some(stop), thread: Some(thread) };
        workload.shared.wait(wait);
        workload.latest()?;
        Ok(Arc::new(workload))
    }

    /// What holds now.
    ///
    /// # Errors
    /// `svid-missing` when the agent gives us no identity any more; `workload-unavailable` and
    /// `svid-invalid` when nothing of use ever came, or what came has expired.
    pub(crate) fn latest(&self) -> Result<Arc<Update>> {
        let state = self.shared.lock();
        match (&state.held, &state.trouble) {
            (Some(update), Some(trouble)) if state.is_stale() => {
                let now = OffsetDateTime::now_utc();
                let end = date(update.leaf().not_after, now);
                Err(trouble.clone().because(format!("The last SVID, {}, expired on {end}.", update.id())))
            }
            (Some(update), _) => Ok(Arc::clone(update)),
            (None, Some(trouble)) => Err(trouble.clone()),
            (None, None) => Err(trouble::silent(&self.shared.settings)),
        }
    }

    /// Whether something else holds than this update, be it nothing.
    pub(crate) fn is_past(&self, update: &Update) -> bool {
        let state = self.shared.lock();
        state.version != update.version() || state.is_stale()
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It waits for nothing but the network and us, so it is gone at once. A panic there is no worse here.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workload").field("socket", &self.shared.settings.socket).finish_non_exhaustive()
    }
}

impl Shared {
    /// Takes what one message of the stream gave.
    fn receive(&self, read: Result<Update>) {
        let mut state = self.lock();
        state.settled = true;
        match read {
            // Every new stream begins with what the last one gave.
            Ok(update) if state.held.as_ref().is_some_and(|held| held.is_same(&update)) => state.trouble = None,
            Ok(update) => {
                state.version += 1;
                state.held = Some(Arc::new(update.with_version(state.version)));
                state.trouble = None;
            }
            Err(failure) => state.fail(failure),
        }
        self.changed.notify_all();
    }

    /// Takes why there is no stream.
    fn lost(&self, failure: Failure, is_final: bool) {
        let mut state = self.lock();
        state.settled |= is_final;
        state.fail(failure);
        self.changed.notify_all();
    }

    fn wait(&self, limit: Duration) {
        let waiting = |state: &mut State| !state.settled;
        drop(self.changed.wait_timeout_while(self.lock(), limit, waiting));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves every field readable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An SVID that the agent takes back is not used any more (SPIFFE Workload API, section 5.2.1), nor
    /// is trust of which it has revoked something that we cannot tell; with any other failure the last
    /// good one is kept.
    fn fail(&mut self, failure: Failure) {
        if matches!(failure.code(), Code::SvidMissing | Code::CrlInvalid) && self.held.take().is_some() {
            self.version += 1;
        }
        self.trouble = Some(failure);
    }

    /// Whether what is held has expired, and nothing better is to come.
    fn is_stale(&self) -> bool {
        let now = OffsetDateTime::now_utc();
        self.trouble.is_some() && self.held.as_ref().is_some_and(|update| update.leaf().not_after < now)
    }
}

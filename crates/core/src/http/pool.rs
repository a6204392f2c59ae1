//! The connections to one origin: the first is opened once however many wait for it, HTTP/2 is
//! shared, HTTP/1.1 is used again when its last answer has been read to the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::connection::{Dialer, Lease, Sender};
use super::moment::Moment;
use super::multiplexed::Limit;
use super::tasks::{Spawner, Tasks};
use crate::error::{Failure, Result};
use crate::tls::{Record, Tls};

/// The connections to one origin.
#[derive(Debug)]
pub(super) struct Pool {
    dialer: Dialer,
    shared: Arc<Shared>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    spawner: Spawner,
}

#[derive(Debug, Default)]
struct State {
    /// HTTP/1.1 connections that wait for a request, the most recently used last.
    idle: Vec<Idle>,
    /// HTTP/2 connections; more than one when the streams of one do not suffice.
    http2: Vec<Shareable>,
    /// Whether what the server speaks is known, so that more than one connection may be opened at a time.
    parallel: bool,
    dialing: usize,
    /// How many dials have ended, and how the last one failed.
    dials: u64,
    failed: Option<(u64, Failure)>,
    /// Answers whose connection is about to be free: the last byte that matters was read, the end was not.
    settling: usize,
    latest: Option<Record>,
    /// Whether somebody looks after connections that grow too old.
    swept: bool,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    record: Record,
    expires: Instant,
    since: Moment,
}

#[derive(Debug)]
struct Shareable {
    sender: Sender,
    record: Record,
    /// When it was last given to a request.
    used: Moment,
}

/// What a caller of [`Pool::lease`] does next.
enum Next {
    Use(Box<Lease>),
    Fail(Failure),
    Wait,
    Learn(Limit),
    Settle,
    Dial(Record),
}

impl Pool {
    /// `latest` is what [`Pool::latest`] gives before a connection is opened.
    pub(super) fn new(dialer: Dialer, latest: Option<Record>) -> Self {
        let tasks = Tasks::default();
        let state = Mutex::new(State { latest, ..State::default() });
        let shared = Shared { state, changed: Notify::new(), spawner: tasks.spawner() };
        Self { dialer, shared: Arc::new(shared), tasks }
    }

    /// What its connections show, and whom they believe.
    pub(super) fn tls(&self) -> &Arc<Tls> {
        self.dialer.tls()
    }

    /// The record of the connection that was opened last.
    pub(super) fn latest(&self) -> Option<Record> {
        self.shared.lock().latest.clone()
    }

    /// A connection for one request: an idle one, a shared one, or a new one. Nothing waits for a
    /// stream of an HTTP/2 connection: what the server waits for must go out while its own stream
    /// and its calls hold all the streams there are, so another connection is opened.
    ///
    /// # Errors
    /// Every failure of connecting. Those who waited for the same attempt are told the same failure.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let mut since = None;
        let mut settled = None;
        loop {
            // Registered before the state is read, so that no change between the two is missed.
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.next(&mut since, settled) {
                Next::Use(lease) => return Ok(*lease),
                Next::Fail(failure) => return Err(failure),
                Next::Wait => changed.await,
                // An error says that the connection has ended; the next look sees that.
                Next::Learn(mut limit) => drop(limit.wait_for(Option::is_some).await),
                Next::Settle => {
                    let until = *settled.get_or_insert_with(|| tokio::time::Instant::now() + SETTLE);
                    let _ = tokio::time::timeout_at(until, changed).await;
                }
                Next::Dial(record) => return self.dial(record).await,
            }
        }
    }

    fn next(self: &Arc<Self>, since: &mut Option<u64>, settled: Option<tokio::time::Instant>) -> Next {
        let mut state = self.shared.lock();
        let now = Moment::now();
        state.drop_the_dead(&now);
        if let Some((sender, record)) = state.http2.iter_mut().find_map(|shareable| shareable.take(now)) {
            return Next::Use(Box::new(self.leased(sender, record, true)));
        }
        if let Some(Idle { sender, record, .. }) = state.idle.pop() {
            return Next::Use(Box::new(self.leased(sender, record, true)));
        }
        if let (Some(since), Some((dial, failure))) = (*since, &state.failed)
            && *dial > since
        {
            return Next::Fail(failure.clone());
        }
        if state.dialing > 0 && !state.parallel {
            since.get_or_insert(state.dials);
            return Next::Wait;
        }
        // It is the first that the server says, so it comes before any answer.
        if let Some(limit) = state.http2.iter().find_map(|shareable| shareable.sender.unknown()) {
            return Next::Learn(limit);
        }
        if state.settling > 0 && settled.is_none_or(|until| tokio::time::Instant::now() < until) {
            return Next::Settle;
        }
        state.dialing += 1;
        let record = self.dialer.record();
        state.latest = Some(record.clone());
        Next::Dial(record)
    }

    async fn dial(self: &Arc<Self>, record: Record) -> Result<Lease> {
        // A caller that is dropped while it dials must not leave the others waiting.
        let dialing = Dialing(&self.shared);
        let result = self.dialer.open(&record, &self.tasks.spawner()).await;
        let mut state = self.shared.lock();
        state.dials += 1;
        let dial = state.dials;
        let result = match result {
            Ok(sender) => {
                let (own, shared) = sender.split();
                state.parallel = shared.is_none();
                let used = Moment::now();
                state.http2.extend(shared.map(|sender| Shareable { sender, record: record.clone(), used }));
                Ok(own)
            }
            Err(failure) => {
                state.failed = Some((dial, failure.clone()));
                Err(failure)
            }
        };
        drop(state);
        drop(dialing);
        Ok(self.leased(result?, record, false))
    }

    fn leased(self: &Arc<Self>, sender: Sender, record: Record, reused: bool) -> Lease {
        Lease { sender, record, reused, since: Moment::now(), pool: Arc::clone(self) }
    }
}

impl State {
    /// Takes connections out of the pool that are closed, too old, or were not used since the
    /// computer slept. Requests that still run on one of HTTP/2 are not disturbed.
    fn drop_the_dead(&mut self, now: &Moment) {
        self.idle
            .retain(|idle| idle.expires > now.monotonic && !idle.sender.is_closed() && !idle.since.slept_until(now));
        self.http2.retain(|shareable| !shareable.sender.is_closed() && !shareable.used.slept_until(now));
    }
}

impl Shareable {
    fn take(&mut self, now: Moment) -> Option<(Sender, Record)> {
        let sender = self.sender.share()?;
        self.used = now;
        Some((sender, self.record.clone()))
    }
}

impl Lease {
    /// Returns an HTTP/1.1 connection whose answer was read to the end. One whose request the server
    /// answered before it had read it whole can carry nothing more, and one over which the computer
    /// slept is likely dead: its answer may have been here already.
    pub(super) fn give_back(self, expires: Instant) {
        let shared = &self.pool.shared;
        let since = Moment::now();
        let usable = !self.sender.is_closed() && !self.record.lock().stalled && !self.since.slept_until(&since);
        if matches!(self.sender, Sender::H1(_)) && usable {
            let mut state = shared.lock();
            state.idle.push(Idle { sender: self.sender, record: self.record, expires, since });
            if !std::mem::replace(&mut state.swept, true) {
                shared.spawner.spawn(sweep(Arc::downgrade(shared)));
            }
        }
        shared.changed.notify_waiters();
    }

    /// Takes a connection that can serve no more requests out of the pool.
    pub(super) fn forget(&self) {
        self.pool.shared.lock().http2.retain(|shareable| !shareable.record.is(&self.record));
    }

    /// Where to say that the end of this connection's answer is all that is missing.
    pub(super) fn settler(&self) -> Settler {
        Settler(Arc::downgrade(&self.pool.shared))
    }
}

/// Closes connections when they have been idle for too long, until none is left.
async fn sweep(shared: Weak<Shared>) {
    loop {
        let oldest = {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            state.drop_the_dead(&Moment::now());
            let oldest = state.idle.iter().map(|idle| idle.expires).min();
            state.swept = oldest.is_some();
            oldest
        };
        let Some(oldest) = oldest else { return };
        tokio::time::sleep_until(oldest.into()).await;
    }
}

/// Says of a connection that its answer was read and only the end of the body is missing.
#[derive(Debug)]
pub(crate) struct Settler(Weak<Shared>);

impl Settler {
    /// From now on, until the result is dropped, callers wait a moment before they open a connection.
    pub(crate) fn begin(&self) -> Option<Settling> {
        let shared = self.0.upgrade()?;
        shared.lock().settling += 1;
        Some(Settling(shared))
    }
}

/// While it lives, a caller that would open a connection waits a moment for this one.
#[derive(Debug)]
pub(crate) struct Settling(Arc<Shared>);

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.lock().settling -= 1;
        self.0.changed.notify_waiters();
    }
}

struct Dialing<'a>(&'a Shared);

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        self.0.lock().dialing -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a state that is still right: each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a caller waits at most for a connection that is about to be free. A server ends the
/// stream of an answer within microseconds of it.
const SETTLE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;

    use super::super::multiplexed::Multiplexed;
    use super::*;

    const IDLE: Duration = super::super::connection::IDLE;

    /// A pool with an idle connection of each protocol, whose other ends live as long as the result.
    async fn idle(now: Moment) -> (State, Tasks, [tokio::io::DuplexStream; 2]) {
        let tasks = Tasks::default();
        let ((ours, theirs), (ours2, theirs2)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        let (h1, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
        tasks.spawner().spawn(connection);
        let (h2, connection) =
            hyper::client::conn::http2::handshake(tasks.spawner(), TokioIo::new(ours2)).await.unwrap();
        let h2 = Multiplexed::drive(h2, connection, &tasks.spawner());
        let record = Record::new(String::new());
        let mut state = State::default();
        let expires = now.monotonic + IDLE;
        state.idle.push(Idle { sender: Sender::H1(h1), record: record.clone(), expires, since: now });
        state.http2.push(Shareable { sender: Sender::H2(h2), record, used: now });
        (state, tasks, [theirs, theirs2])
    }

    #[tokio::test]
    async fn connections_over_which_the_computer_slept_are_not_used_again() {
        let now = Moment::now();
        let (mut state, _tasks, _ends) = idle(now).await;
        let almost = Duration::from_secs(29);
        state.drop_the_dead(&now.after(almost, almost));
        assert_eq!((state.idle.len(), state.http2.len()), (1, 1), "time that passed on both clocks");
        state.drop_the_dead(&now.after(almost, almost + Duration::from_secs(3600)));
        assert_eq!((state.idle.len(), state.http2.len()), (0, 0), "an hour that the monotonic clock did not see");
    }

    #[tokio::test]
    async fn idle_connections_grow_too_old_and_shared_ones_do_not() {
        let now = Moment::now();
        let (mut state, _tasks, _ends) = idle(now).await;
        state.drop_the_dead(&now.after(IDLE, IDLE));
        assert_eq!((state.idle.len(), state.http2.len()), (0, 1));
        // What is in use was not slept over.
        let later = now.after(IDLE, 2 * IDLE);
        state.http2[0].take(later).unwrap();
        state.drop_the_dead(&later.after(IDLE, IDLE));
        assert_eq!(state.http2.len(), 1);
    }
}

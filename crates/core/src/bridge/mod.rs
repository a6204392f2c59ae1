//! The MCP host on stdin and stdout, and the remote server: every message passes as it is, and
//! every request gets exactly one answer.

mod end;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod lines;
mod order;
mod output;
mod pending;
mod reply;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{Code, Failure, Result};
use crate::remote::message::{Id, Kind, Message};
use crate::remote::method::{CANCELLED, DISCOVER, INITIALIZE, INITIALIZED};
use crate::remote::{MESSAGE_LIMIT, Observer, Outbox, Remote};
use end::{End, Outcome, Stop};
use lines::{Ends, Line, Lines};
use order::{Done, Order};
use pending::{Cancel, Era, Pending};

/// Bridges a host and a server until the host closes its end or `stop` is ready.
///
/// With a `remote` that could not be made, every request is answered with the reason, since hosts
/// show that and hide all else. `started` is when the process began: the host's patience runs from
/// then. `observer` is told what no request can be answered with.
///
/// # Errors
/// Why `remote` could not be made, or why the last `initialize` did not reach the server. The host
/// has been told.
pub async fn run<R, W, S>(
    remote: Result<Remote>,
    input: R,
    output: W,
    started: Instant,
    stop: S,
    observer: impl Observer,
) -> Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
    S: Future<Output = ()>,
{
    let pending = Arc::new(Pending::default());
    let (outbox, messages) = Outbox::new(observer);
    let mut writer = JoinSet::new();
    writer.spawn(output::write(output, messages, Arc::clone(&pending)));
    let last = remote.as_ref().map(|_| ()).map_err(Clone::clone);
    let outcome = Mutex::new(Outcome { last, reached: false });
    let (listener, slow) = (Mutex::default(), Mutex::default());
    let bridge = Arc::new(Bridge { remote, outbox, pending, started, listener, outcome, slow });
    let mut work = JoinSet::new();
    let mut stop = Stop::new(stop);
    let mut end = bridge.read(input, &mut stop, &mut work, &mut writer).await;
    if end == End::Eof {
        end = bridge.wait_for_answers(&mut stop, &mut work, &mut writer).await;
    }
    let outcome = locked(&bridge.outcome).last.clone();
    let ending = async {
        bridge.finish(end, work).await;
        drop(bridge);
        // The host may have stopped reading without closing; it is not waited for for ever.
        let _ = tokio::time::timeout(end.flush(), writer.join_next()).await;
    };
    tokio::select! {
        () = ending => {}
        // Whoever tells us to stop does not wait for a server that does not answer, or for a host.
        () = async { stop.came().await; tokio::time::sleep(LAST).await } => {}
    }
    outcome
}

struct Bridge {
    remote: Result<Remote>,
    outbox: Outbox,
    pending: Arc<Pending>,
    started: Instant,
    /// Reads the server's own stream, which ends with the bridge or when the host begins anew.
    listener: Mutex<JoinSet<()>>,
    outcome: Mutex<Outcome>,
    /// A probe that could not connect after a long wait, and when.
    slow: Mutex<Option<(Instant, Failure)>>,
}

impl Bridge {
    async fn read<R, S>(
        self: &Arc<Self>,
        input: R,
        stop: &mut Stop<S>,
        work: &mut JoinSet<()>,
        writer: &mut JoinSet<()>,
    ) -> End
    where
        R: AsyncRead + Unpin,
        S: Future<Output = ()>,
    {
        let mut lines = Lines::new(input);
        let mut order = Order::default();
        let mut broken = false;
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                () = stop.came() => return End::Stopped,
                _ = writer.join_next() => return End::Gone,
                Some(_) = work.join_next() => continue,
            };
            let text = match line {
                Line::Text(text) => text,
                Line::TooLong(ends) => {
                    self.refuse(&ends, work);
                    continue;
                }
                Line::End => return End::Eof,
            };
            for message in Message::read(text) {
                match message {
                    Ok(message) => {
                        broken = false;
                        self.dispatch(message, &mut order, work);
                    }
                    // One error for a run of broken messages: a host that speaks another protocol is told once.
                    Err(_) if broken => {}
                    Err(malformed) => {
                        broken = true;
                        self.answer_nobody(malformed.words());
                    }
                }
            }
        }
    }

    /// Starts the work that a message of the host asks for.
    fn dispatch(self: &Arc<Self>, message: Message, order: &mut Order, work: &mut JoinSet<()>) {
        let bridge = Arc::clone(self);
        match message.kind() {
            Kind::Request { id, method } => {
                let (sent, on_its_way) = watch::channel(false);
                let era = Era::of(&message);
                let cancelled = self.pending.insert(id.clone(), era, on_its_way);
                // What knows no session waits for none.
                let before = if era == Era::Legacy { order.before_request() } else { None };
                let id = id.clone();
                let done = (method == INITIALIZE).then(|| order.bar());
                work.spawn(async move {
                    Done::wait(before).await;
                    bridge.request(&id, &message, sent, cancelled).await;
                    drop(done);
                });
            }
            // Neither waits for anything but the request that it cancels.
            Kind::Notification { method } if method == CANCELLED => {
                work.spawn(async move { bridge.cancel(&message).await });
            }
            Kind::Response { .. } => {
                work.spawn(async move { bridge.send(&message, None).await });
            }
            Kind::Notification { method } => {
                let initialized = method == INITIALIZED;
                let before = order.before_notification();
                let done = if initialized { order.bar() } else { order.notify() };
                work.spawn(async move {
                    for before in before {
                        Done::wait(before).await;
                    }
                    bridge.send(&message, bridge.limit()).await;
                    drop(done);
                    if initialized {
                        bridge.listen();
                    }
                });
            }
        }
    }

    /// Sends a request and answers it, whatever happens.
    async fn request(&self, id: &Id, message: &Message, sent: watch::Sender<bool>, cancelled: watch::Receiver<Cancel>) {
        let grace = if message.is_modern() { Duration::ZERO } else { GRACE };
        let cancel = cancelled.clone();
        let answer = tokio::select! {
            biased;
            () = given_up(cancelled, grace) => None,
            answer = self.ask(message, sent) => Some(answer),
        };
        // Servers end the response to a cancelled request in ways that are errors elsewhere.
        let answer = answer.filter(|answer| answer.is_ok() || *cancel.borrow() == Cancel::No);
        if answer.is_none() && message.is_modern() {
            // The stream of its answer is closed by now, which tells the server, and nothing more
            // may be said of it (MCP 2026-07-28, stdio, "Cancellation").
            return self.pending.forget(id);
        }
        let answer = answer.unwrap_or_else(|| Err(cancelled_failure()));
        let answer = answer.unwrap_or_else(|failure| reply::error(Some(id), &failure));
        let is_answer = matches!(answer.kind(), Kind::Response { .. });
        // Without a writer the host is gone.
        let _ = self.outbox.send(answer).await;
        if !is_answer {
            // The host is told of the end of a subscription in another way.
            self.pending.forget(id);
        }
    }

    /// Cancels a request. A modern one is given up, which closes its stream. Of another the server
    /// is told when the request is on its way; then the request is given up too: MCP wants no answer
    /// to it, and some servers leave its stream open.
    async fn cancel(&self, message: &Message) {
        let request = message.cancels();
        if let Some(id) = &request
            && self.pending.is_modern(id)
        {
            return self.pending.cancel(id, Cancel::Told);
        }
        if message.is_modern() {
            // Its request has ended, or never was; on HTTP nobody is told (MCP 2026-07-28, Streamable HTTP).
            return;
        }
        let Some(id) = request else { return self.send(message, self.limit()).await };
        if let Some(mut sent) = self.pending.on_its_way(&id) {
            // An error says that the request has ended without being sent.
            let _ = sent.wait_for(|sent| *sent).await;
        }
        self.pending.cancel(&id, Cancel::Asked);
        self.send(message, self.limit()).await;
        self.pending.cancel(&id, Cancel::Told);
    }

    async fn ask(&self, message: &Message, sent: watch::Sender<bool>) -> Result<Message> {
        let remote = self.remote.as_ref().map_err(Clone::clone)?;
        let request = remote.request(message, &self.outbox, Some(sent));
        if !matches!(message.method(), Some(INITIALIZE | DISCOVER)) {
            return request.await;
        }
        if let Some(failure) = self.waited_for_already() {
            return Err(failure);
        }
        let began = Instant::now();
        let answer = tokio::time::timeout_at(self.deadline(remote.timeout()), request).await;
        let answer = answer.unwrap_or_else(|_| Err(remote.timed_out()));
        locked(&self.outcome).began(message.method() == Some(INITIALIZE), &answer);
        if let Err(failure) = &answer
            && message.method() == Some(DISCOVER)
            && began.elapsed() > QUICK
            && failure.is_of_connecting()
        {
            *locked(&self.slow) = Some((Instant::now(), failure.clone()));
        }
        answer
    }

    /// The failure to connect that the host has just waited for: it tries `initialize` when `server/discover`
    /// has failed, and would wait as long again, or give up before it is told anything.
    fn waited_for_already(&self) -> Option<Failure> {
        let (when, failure) = locked(&self.slow).take()?;
        (when.elapsed() < AT_ONCE).then_some(failure)
    }

    /// Until when `initialize` is answered: counted from the start of the process, unless the host
    /// took its time before it asked.
    fn deadline(&self, timeout: Duration) -> Instant {
        let now = Instant::now();
        if now.duration_since(self.started) < timeout / 2 { self.started + timeout } else { now + timeout }
    }

    /// Sends a notification or a response, whose failure can be told to nobody but the person.
    async fn send(&self, message: &Message, limit: Option<Duration>) {
        let Ok(remote) = &self.remote else { return };
        let sent = tokio::time::timeout(limit.unwrap_or(Duration::MAX), remote.send(message, &self.outbox)).await;
        if let Err(failure) = sent.unwrap_or_else(|_| Err(remote.timed_out())) {
            self.outbox.note(&failure);
        }
    }

    /// How long a notification may take: others wait for it.
    fn limit(&self) -> Option<Duration> {
        self.remote.as_ref().ok().map(Remote::timeout)
    }

    /// Begins to pass on what the server says of its own accord.
    fn listen(self: &Arc<Self>) {
        let bridge = Arc::clone(self);
        let mut listener = locked(&self.listener);
        listener.abort_all();
        listener.spawn(async move {
            if let Ok(remote) = &bridge.remote {
                remote.listen(&bridge.outbox).await;
            }
        });
    }

    /// Answers a message that is longer than any that passes.
    fn refuse(&self, ends: &Ends, work: &mut JoinSet<()>) {
        let Some(id) = Message::id_of_ends(&ends.beginning, &ends.end) else {
            return self.answer_nobody("it is longer than 256 MiB");
        };
        let failure = Failure::new(Code::HostMessageInvalid, "A message of the host is too large")
            .because(format!("It has more than {} MiB.", MESSAGE_LIMIT >> 20))
            .fix("Have the host send less at a time.");
        let reply = reply::error(Some(&id), &failure);
        self.pending.insert(id, Era::Legacy, watch::channel(true).1);
        let outbox = self.outbox.clone();
        work.spawn(async move {
            // Without a writer the host is gone.
            let _ = outbox.send(reply).await;
        });
    }

    /// Tells the host of a message that has no id to answer to. With a full queue it is not told:
    /// it does not read, and the end of the bridge must not wait for it.
    fn answer_nobody(&self, why: &str) {
        let failure = Failure::new(Code::HostMessageInvalid, "A line of the host is no message")
            .because(format!("What it sent {why}."))
            .fix("Tell the makers of the host: each line of stdin is one JSON-RPC message.");
        self.outbox.try_send(reply::error(None, &failure));
    }

    /// Waits for the answers to what is in flight, but not for ever. Returns what the end is now.
    async fn wait_for_answers<S: Future<Output = ()>>(
        &self,
        stop: &mut Stop<S>,
        work: &mut JoinSet<()>,
        writer: &mut JoinSet<()>,
    ) -> End {
        // A subscription has no end of its own.
        self.pending.cancel_subscriptions();
        let done = async {
            while work.join_next().await.is_some() {}
            self.pending.empty().await;
        };
        tokio::select! {
            () = done => End::Eof,
            () = tokio::time::sleep(PATIENCE) => End::Eof,
            () = stop.came() => End::Stopped,
            _ = writer.join_next() => End::Gone,
        }
    }

    /// Answers what has no answer, ends the session, and lets all work end.
    async fn finish(&self, end: End, mut work: JoinSet<()>) {
        work.shutdown().await;
        // The writer may be stuck behind a host that does not read; the server is told meanwhile.
        let answers = tokio::time::timeout(end.flush(), self.answer_the_rest());
        let farewell = tokio::time::timeout(end.farewell(), async {
            if let Ok(remote) = &self.remote {
                remote.close().await;
            }
        });
        let _ = tokio::join!(answers, farewell);
        // It holds the bridge, and with it the queue to the writer.
        let mut listener = std::mem::take(&mut *locked(&self.listener));
        listener.shutdown().await;
    }

    async fn answer_the_rest(&self) {
        let failure = Failure::new(Code::Stopped, "The bridge ended before the answer came");
        for id in self.pending.ids() {
            if self.outbox.send(reply::error(Some(&id), &failure)).await.is_err() {
                return;
            }
        }
    }
}

fn cancelled_failure() -> Failure {
    Failure::new(Code::Cancelled, "The request was cancelled")
        .because("The host cancelled it, and the server did not answer any more.")
}

/// Ready a while after a request was cancelled.
async fn given_up(mut cancelled: watch::Receiver<Cancel>, grace: Duration) {
    if cancelled.wait_for(|cancel| *cancel == Cancel::Told).await.is_err() {
        // It has its answer.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(grace).await;
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves a value that is still right.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long answers to what is in flight are waited for when the host is done.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long everything may take from the moment that we are told to stop.
const LAST: Duration = Duration::from_millis(60);
/// How long a cancelled request may still be answered by the server.
const GRACE: Duration = Duration::from_secs(1);
/// How long a failure may take that is not worth remembering.
const QUICK: Duration = Duration::from_secs(1);
/// How soon a host tries the other way of beginning.
const AT_ONCE: Duration = Duration::from_secs(2);

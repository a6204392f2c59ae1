//! Programs that run, each for a limited time and never longer than we do.

use std::io;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::error::own_error;

/// A program that runs; dropped, it is ended.
pub(super) struct Process {
    child: Arc<Mutex<Child>>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// All programs that run now.
struct Running {
    /// Whether the last has been started.
    over: bool,
    programs: Vec<Weak<Mutex<Child>>>,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { over: false, programs: Vec::new() });

/// Whether settings may run no program and load no library.
static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Lets no setting run a program or load a library from now on, for the rest of the process: for whoever only looks
/// at settings, or has not been allowed to use them.
pub fn forbid_programs() {
    FORBIDDEN.store(true, Ordering::SeqCst);
}

/// Whether [`forbid_programs`] was called.
pub(crate) fn programs_are_forbidden() -> bool {
    FORBIDDEN.load(Ordering::SeqCst)
}

/// Ends the programs of settings that still run, with all that they have started, and lets no other start.
/// For the end of the process: nobody else ends them then.
pub fn end_programs() {
    let mut running = locked(&RUNNING);
    running.over = true;
    for child in running.programs.drain(..).filter_map(|child| child.upgrade()) {
        kill(&mut locked(&child));
    }
}

impl Process {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        // A group of its own, so that what it starts can be ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        if programs_are_forbidden() {
            return Err(own_error("Nobody has agreed to it."));
        }
        let mut running = locked(&RUNNING);
        if running.over {
            return Err(own_error("No program is started any more."));
        }
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        running.programs.retain(|child| child.strong_count() > 0);
        running.programs.push(Arc::downgrade(&child));
        Ok(Self { child, stdout, stderr })
    }

    /// Waits until `deadline`, then ends it. None when it had to be ended.
    pub(super) fn wait(&self, deadline: Instant) -> Option<ExitStatus> {
        let mut in_time = true;
        loop {
            let mut child = locked(&self.child);
            if in_time && Instant::now() >= deadline {
                in_time = false;
                kill(&mut child);
            }
            match child.try_wait() {
                Ok(Some(status)) => return in_time.then_some(status),
                Err(_) if !in_time => return None,
                _ => {}
            }
            // Whoever ends all programs needs it meanwhile.
            drop(child);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.wait(Instant::now());
    }
}

/// Ends it, with all that it has started, unless it has ended by itself.
fn kill(child: &mut Child) {
    if let Ok(Some(_)) = child.try_wait() {
        return;
    }
    // Nobody has waited for it with success so far, so its id is still its own.
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(child), rustix::process::Signal::KILL);
    let _ = child.kill();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Runs that change files for the same user do so one after the other.

use std::env;
use std::fs::{File, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// Waits until no other run changes files; those that come later wait until what is returned is dropped. It is taken
/// before the files are read, and not while somebody is asked. Whoever waited too long goes on without it, and is
/// refused only if a file has changed when it is to be replaced; so are all on Windows, where no folder can be locked.
#[must_use]
pub(crate) fn wait() -> Option<File> {
    // There before any file of ours, never replaced, and for all hosts the same; and a lock leaves nothing behind in it.
    let home = File::open(env::home_dir()?).ok()?;
    let end = Instant::now() + LONGEST;
    loop {
        match home.try_lock() {
            Ok(()) => return Some(home),
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(STEP),
            Err(_) => return None,
        }
    }
}

const LONGEST: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

//! What a program prints, read beside it.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Weak};
use std::time::Duration;

use zeroize::Zeroizing;

use super::program::ProgramProblem;

/// Whether the program has ended. Whoever reads what it prints reads until this is dropped, at the longest.
#[derive(Default)]
pub(super) struct Ended(Arc<AtomicBool>);

impl Ended {
    /// From now on what it has printed is all when nothing more comes for a while, even if a process that it
    /// has left behind holds the pipe open.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// What a thread of its own makes of what comes out of a pipe.
    pub(super) fn beside<T: Send + 'static>(
        &self,
        pipe: Option<impl Source + Send + 'static>,
        make: fn(&mut dyn Read) -> T,
    ) -> io::Result<Receiver<T>> {
        let (sender, receiver) = mpsc::channel();
        let mut pipe = Pipe { source: pipe.ok_or(io::ErrorKind::BrokenPipe)?, ended: Arc::downgrade(&self.0) };
        // The receiver is gone when the time is up; then nobody wants it.
        std::thread::Builder::new().spawn(move || drop(sender.send(make(&mut pipe))))?;
        Ok(receiver)
    }
}

/// The end of a pipe that can be waited for.
#[cfg(unix)]
pub(super) trait Source: Read + std::os::fd::AsFd {}
#[cfg(unix)]
impl<R: Read + std::os::fd::AsFd> Source for R {}

/// The end of a pipe. Without a way to wait for it, whoever holds its other end keeps the thread.
#[cfg(not(unix))]
pub(super) trait Source: Read {}
#[cfg(not(unix))]
impl<R: Read> Source for R {}

struct Pipe<R> {
    source: R,
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no way to wait for it and for the pipe"))]
    ended: Weak<AtomicBool>,
}

impl<R: Source> Read for Pipe<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        loop {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            // Asked before waiting: what the program has printed until then is there to be read.
            let Some(ended) = self.ended.upgrade().map(|ended| ended.load(Ordering::Acquire)) else { return Ok(0) };
            let time = Timespec::try_from(if ended { GRACE } else { TICK }).ok();
            match poll(&mut [PollFd::new(&self.source, PollFlags::IN)], time.as_ref()) {
                Ok(0) if ended => return Ok(0),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.source.read(into)
    }
}

/// All of it, up to the limit. Half a value is no value.
pub(super) fn whole(pipe: &mut dyn Read) -> Result<Zeroizing<Vec<u8>>, ProgramProblem> {
    let mut kept = Zeroizing::new(vec![0; 16 << 10]);
    let mut length = 0;
    loop {
        if length == kept.len() {
            // Not grown in place: what a `Vec` leaves behind when it moves is not zeroed.
            let mut larger = Zeroizing::new(vec![0; kept.len() * 2]);
            larger[..length].copy_from_slice(&kept);
            kept = larger;
        }
        match pipe.read(&mut kept[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ProgramProblem::NotStarted(error)),
        }
        if length > OUTPUT {
            return Err(ProgramProblem::TooMuch);
        }
    }
    kept.truncate(length);
    Ok(kept)
}

/// Its last line that is not blank.
pub(super) fn last_line(pipe: &mut dyn Read) -> Option<Zeroizing<String>> {
    let mut end = Zeroizing::new(Vec::with_capacity(2 * LAST_WORDS));
    let mut piece = Zeroizing::new([0; LAST_WORDS]);
    loop {
        match pipe.read(&mut *piece) {
            Ok(0) => break,
            Ok(read) => {
                end.extend_from_slice(&piece[..read]);
                let excess = end.len().saturating_sub(LAST_WORDS);
                end.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let text = Zeroizing::new(String::from_utf8_lossy(&end).into_owned());
    text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| Zeroizing::new(line.to_owned()))
}

/// How long more is waited for, once the program has ended.
pub(super) const GRACE: Duration = Duration::from_millis(200);
/// How long it may take a thread to see that the program has ended, or that nobody waits any more.
#[cfg(unix)]
const TICK: Duration = Duration::from_millis(20);
const OUTPUT: usize = 1 << 20;
/// How much of the end of stderr is looked at.
const LAST_WORDS: usize = 4 << 10;

//! A program that a setting names: run without a shell, within limits, for what it prints.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::in_words;
use super::origin::Origin;
use super::reference::expand;
use crate::error::{Result, quoted};
use crate::secret::Secret;

/// A program and its arguments, of which any may hold a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Program {
    /// The program: a path, or a name to be found in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<Secret>,
    /// Where the setting stands.
    pub origin: Origin,
}

/// Why a program gave nothing that can be used.
#[derive(Debug)]
pub(crate) enum ProgramProblem {
    NotStarted(io::Error),
    TooSlow,
    /// With the last line that it wrote on stderr, as it may be told.
    Failed(ExitStatus, Option<String>),
    TooMuch,
    NotText,
    Nothing,
}

impl Program {
    /// The words of a command: a name with a slash in it is a path, and relative to `folder`. None without words.
    pub(super) fn new(words: Vec<Secret>, folder: Option<&Path>, origin: &Origin) -> Result<Option<Self>> {
        let mut words = words.into_iter();
        let Some(name) = words.next().filter(|name| !name.expose().trim().is_empty()) else { return Ok(None) };
        let name = name.expose();
        let path = if name.contains(['/', '\\']) { expand(name, folder, origin)? } else { PathBuf::from(name) };
        Ok(Some(Self { path, arguments: words.collect(), origin: origin.clone() }))
    }

    /// Runs it; its standard output, trimmed, is the value. It reads nothing and shows nothing, and is
    /// ended with all that it has started when its time is up.
    ///
    /// It blocks, for 5 s at most.
    pub(crate) fn run(&self) -> Result<Secret, ProgramProblem> {
        let mut command = Command::new(&self.path);
        command
            .args(self.arguments.iter().map(|argument| OsStr::new(argument.expose())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A group of its own, so that what it starts can be ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let deadline = Instant::now() + TIME;
        let mut child = command.spawn().map_err(ProgramProblem::NotStarted)?;
        let output = beside(child.stdout.take(), whole);
        let words = beside(child.stderr.take(), last_line);
        let (output, status) = match (output, words.as_ref()) {
            (Ok(output), Ok(_)) => {
                let output = output.recv_timeout(TIME).unwrap_or(Err(ProgramProblem::TooSlow));
                let deadline = if output.is_ok() { deadline } else { Instant::now() };
                (output, end(&mut child, deadline))
            }
            (Err(error), _) => (Err(ProgramProblem::NotStarted(error)), end(&mut child, Instant::now())),
            (_, Err(_)) => (Err(ProgramProblem::TooSlow), end(&mut child, Instant::now())),
        };
        match (output, status) {
            (Ok(_), None) => Err(ProgramProblem::TooSlow),
            (Ok(_), Some(status)) if !status.success() => {
                // What it started may hold its stderr open.
                let words = words.ok().and_then(|words| words.recv_timeout(LAST_WORDS_TIME).ok()).flatten();
                Err(ProgramProblem::Failed(status, words.map(|words| self.without_arguments(&words))))
            }
            (output, _) => text(&output?),
        }
    }

    /// Words of the program, quoted, without its arguments, which some programs repeat in their errors. A short
    /// one would take away what stands there by chance.
    fn without_arguments(&self, words: &str) -> String {
        let arguments = self.arguments.iter().map(Secret::expose).filter(|argument| argument.len() >= 8);
        let words = arguments.fold(Zeroizing::new(words.to_owned()), |words, argument| {
            Zeroizing::new(words.replace(argument, "\u{2026}"))
        });
        quoted(&words)
    }

    /// The program as it may be told; its arguments may be secrets.
    pub(crate) fn told(&self) -> String {
        self.path.display().to_string()
    }
}

impl ProgramProblem {
    /// The problem in words, as a sentence.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::NotStarted(error) => in_words(error),
            Self::TooSlow => format!("It took longer than {} s.", TIME.as_secs()),
            Self::Failed(status, _) => format!("It ended with {status}."),
            Self::TooMuch => "It printed more than 1 MiB.".to_owned(),
            Self::NotText => "What it printed is not UTF-8 text.".to_owned(),
            Self::Nothing => "It printed nothing.".to_owned(),
        }
    }
}

/// What a thread of its own makes of what comes out of a pipe. The thread ends with the pipe, at the latest
/// when the program is ended; only a process that left the program's group can keep it waiting.
fn beside<T: Send + 'static>(
    pipe: Option<impl Read + Send + 'static>,
    make: fn(&mut dyn Read) -> T,
) -> io::Result<Receiver<T>> {
    let (sender, receiver) = mpsc::channel();
    let mut pipe = pipe.ok_or(io::ErrorKind::BrokenPipe)?;
    // The receiver is gone when the time is up; then nobody wants it.
    std::thread::Builder::new().spawn(move || drop(sender.send(make(&mut pipe))))?;
    Ok(receiver)
}

/// All of it, up to the limit. Half a value is no value.
fn whole(pipe: &mut dyn Read) -> Result<Zeroizing<Vec<u8>>, ProgramProblem> {
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
fn last_line(pipe: &mut dyn Read) -> Option<Zeroizing<String>> {
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

fn text(printed: &[u8]) -> Result<Secret, ProgramProblem> {
    match std::str::from_utf8(printed).map(str::trim) {
        Ok("") => Err(ProgramProblem::Nothing),
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(ProgramProblem::NotText),
    }
}

/// Waits for a program until `deadline`, then ends it. None when it had to be ended.
fn end(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if Instant::now() >= deadline {
            // Nobody has waited for it so far, so its id is still its own. It may have ended by itself
            // meanwhile; either way it is reaped.
            #[cfg(unix)]
            let _ = rustix::process::kill_process_group(
                rustix::process::Pid::from_child(child),
                rustix::process::Signal::KILL,
            );
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

const TIME: Duration = Duration::from_secs(5);
const OUTPUT: usize = 1 << 20;
/// How much of the end of stderr is looked at.
const LAST_WORDS: usize = 4 << 10;
const LAST_WORDS_TIME: Duration = Duration::from_millis(200);

//! Runs the program of a `{command:}` reference.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::in_words;
use super::origin::Origin;
use super::reference::{expand, unresolved};
use crate::error::Result;
use crate::secret::Secret;

/// Runs a program without a shell; its standard output, trimmed, is the value.
pub(super) fn run(line: &str, folder: Option<&Path>, origin: &Origin) -> Result<Secret> {
    let Some((program, arguments)) = shlex::split(line).and_then(|words| {
        let mut words = words.into_iter();
        Some((words.next()?, words.collect::<Vec<_>>()))
    }) else {
        return Err(unresolved("The command of a reference cannot be read".into(), origin)
            .fix("Close its quotation marks. Words are split as a POSIX shell does, without expansion."));
    };
    let failed =
        |why: String| unresolved(format!("The command `{program}` of a reference failed"), origin).because(why);
    let name = if program.contains(['/', '\\']) { expand(&program, folder, origin)? } else { PathBuf::from(&program) };
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(in_words(&error)))?;
    let deadline = Instant::now() + COMMAND_TIME;
    let (sender, receiver) = mpsc::channel();
    let output = child.stdout.take();
    std::thread::spawn(move || {
        let mut text = zeroize::Zeroizing::new(String::new());
        let read = output.map(|output| output.take(COMMAND_OUTPUT + 1).read_to_string(&mut text));
        let answer = match read.transpose() {
            // Half a value is no value.
            Ok(Some(length)) if length as u64 > COMMAND_OUTPUT => Err("It printed more than 1 MiB."),
            Ok(_) if text.trim().is_empty() => Err("It printed nothing."),
            Ok(_) => Ok(Secret::new(text.trim().to_owned())),
            Err(_) => Err("What it printed is not UTF-8 text."),
        };
        // The receiver is gone when the time is up; then nobody wants the value.
        let _ = sender.send(answer);
    });
    let answer = receiver.recv_timeout(COMMAND_TIME).ok();
    let status = end(&mut child, if answer.is_some() { deadline } else { Instant::now() });
    match (answer, status) {
        (None, _) | (_, None) => Err(failed(format!("It took longer than {} s.", COMMAND_TIME.as_secs()))),
        (_, Some(status)) if !status.success() => {
            Err(failed(format!("It ended with {status}.")).fix("Run it in a terminal to see what it says."))
        }
        (Some(answer), _) => answer.map_err(|why| failed(why.into())),
    }
}

/// Waits for a program until `deadline`, then ends it. None when it had to be ended.
fn end(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            // It may have ended by itself meanwhile; either way it is reaped.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

const COMMAND_TIME: Duration = Duration::from_secs(5);
const COMMAND_OUTPUT: u64 = 1 << 20;

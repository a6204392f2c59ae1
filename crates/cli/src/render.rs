//! The only place that prints.
//!
//! - Stdout carries what was asked for; `connect` alone writes there by itself, protocol frames only.
//!   Stderr carries the rest: errors, warnings.
//! - Text fits [`WIDTH`] columns. A word that cannot be broken (a path, a fingerprint) may stand out.
//! - Colour only on a terminal, never with `NO_COLOR`, and never as the only sign of something.
//! - A closed pipe is no error: whoever closed it does not want to read on.
//! - With `--json` the answer is one JSON value on stdout, in failure too: `{"error": {...}}`.

mod ask;
mod command_line;
mod print;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use mcp_mtls_core::error::{Code, Failure, printable};
use serde::Serialize;

pub(crate) use ask::confirmed;
pub(crate) use command_line::{argument, command_line};
pub(crate) use print::{answer, answer_on, notice, unwritten};

/// Prints what was asked for as JSON.
pub(crate) fn json(value: &impl Serialize) {
    answer(&json_text(value));
}

/// What was asked for as JSON.
pub(crate) fn json_text(value: &impl Serialize) -> String {
    // Values of ours always serialize: their keys are strings, and they hold no numbers that JSON lacks.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Tells why it could not be done.
pub(crate) fn failure(failure: &Failure) {
    notice(&failure_text(failure));
}

/// Why it could not be done, as text for stderr.
pub(crate) fn failure_text(failure: &Failure) -> String {
    painted(failure, Paint::stderr())
}

/// Tells on stderr what must hold up nothing: a host may leave stderr unread, and then a write to
/// it never returns. What does not fit into the queue is dropped.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Opened, with the thread behind it, when there is something to tell; mostly there is not.
    queue: OnceLock<mpsc::SyncSender<String>>,
    told: AtomicUsize,
    written: Mutex<usize>,
    more: Condvar,
}

impl Notes {
    pub(crate) fn tell(&self, text: String) {
        let queue = self.0.queue.get_or_init(|| {
            let (queue, texts) = mpsc::sync_channel::<String>(NOTES);
            let shared = Arc::downgrade(&self.0);
            std::thread::spawn(move || {
                for text in texts {
                    notice(&text);
                    let Some(shared) = shared.upgrade() else { return };
                    *shared.written.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    shared.more.notify_all();
                }
            });
            queue
        });
        if queue.try_send(text).is_ok() {
            self.0.told.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all is written, but not long.
    pub(crate) fn finish(&self) {
        let told = self.0.told.load(Ordering::Relaxed);
        let written = self.0.written.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.0.more.wait_timeout_while(written, NOTES_TIME, |written| *written < told);
    }
}

/// How far a longer work is, on stderr when that is a terminal; gone when it is dropped.
pub(crate) struct Progress {
    of: usize,
    shown: bool,
}

impl Progress {
    pub(crate) fn of(of: usize) -> Self {
        Self { of, shown: io::stderr().is_terminal() }
    }

    pub(crate) fn show(&self, done: usize) {
        if self.shown {
            hint(&format!("\rexamined {done} of {} ...", self.of));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            // Over the line, and back to its beginning.
            hint(&format!("\r{:width$}\r", "", width = WIDTH - 1));
        }
    }
}

/// Writes what is no line of its own.
fn hint(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Tells a program why it could not be done.
pub(crate) fn failure_json(failure: &Failure) {
    answer(&failure_json_text(failure));
}

/// Why it could not be done, for a program.
pub(crate) fn failure_json_text(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        error: &'a Failure,
    }
    json_text(&Answer { error: failure })
}

/// Prints help, the version, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) {
    let text = error.render().to_string();
    if error.use_stderr() { notice(text.trim_end()) } else { answer(text.trim_end()) }
}

/// Whether to colour what goes to one of the two streams.
#[derive(Clone, Copy)]
pub(crate) struct Paint(bool);

/// What a colour means here.
#[derive(Clone, Copy)]
pub(crate) enum Ink {
    /// What to look at first.
    Strong,
    /// What to look at last.
    Faint,
    /// As it should be.
    Good,
    /// Soon not as it should be.
    Warning,
    /// Not as it should be.
    Bad,
}

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self(io::stdout().is_terminal() && is_wanted())
    }

    fn stderr() -> Self {
        Self(io::stderr().is_terminal() && is_wanted())
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }

    pub(crate) fn ink(self, ink: Ink, text: &str) -> Cow<'_, str> {
        if !self.0 {
            return text.into();
        }
        let code = match ink {
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Warning => "33",
            Ink::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m").into()
    }
}

/// A value under a label, wrapped beside it. `label` is as wide as the column that it stands in.
pub(crate) fn beside(label: &str, columns: usize, text: &str) -> String {
    let text = wrapped(text, columns);
    format!("{label}{}", text.get(columns..).unwrap_or_default())
}

/// A text behind so many blanks and its label.
pub(crate) fn labelled(name: &str, ink: Ink, text: &str, indent: usize, paint: Paint) -> String {
    let label = format!("{:indent$}{name}: ", "");
    beside(&paint.ink(ink, &label), label.len(), text)
}

/// The text in lines that fit, each behind so many blanks.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = blanks.clone();
        let mut used = indent;
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let length = word.chars().count();
            if used > indent && used + 1 + length > WIDTH {
                lines.push(std::mem::replace(&mut line, blanks.clone()));
                used = indent;
            }
            if used > indent {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
        // A blank line has no blanks in it.
        lines.push(if used > indent { line } else { String::new() });
    }
    lines.join("\n")
}

fn painted(failure: &Failure, paint: Paint) -> String {
    failure_within("error", Ink::Bad, failure, 0, paint)
}

/// A failure behind so many blanks, under the name of what it is here.
pub(crate) fn failure_within(name: &str, ink: Ink, failure: &Failure, indent: usize, paint: Paint) -> String {
    let facts = failure.facts();
    let width = name.len() + 2;
    let mut lines = Vec::new();
    let mut tell = |name: &str, ink: Ink, values: &[String]| {
        for (at, value) in values.iter().enumerate() {
            let label = if at == 0 { format!("{name}: ") } else { String::new() };
            let label = format!("{:indent$}{label:>width$}", "");
            let label = if at == 0 { paint.ink(ink, &label) } else { label.as_str().into() };
            // A name out of a file may hold what drives a terminal.
            let value = value.split('\n').map(printable).collect::<Vec<_>>().join("\n");
            lines.push(beside(&label, indent + width, &value));
        }
    };
    tell(name, ink, std::slice::from_ref(&facts.what));
    tell("where", Ink::Faint, &facts.place);
    tell("why", Ink::Faint, &facts.why);
    tell("fix", Ink::Good, &facts.fix);
    tell("code", Ink::Faint, &code(facts.code, indent + width));
    lines.join("\n")
}

/// The code, and the command that explains it: to be copied, so never broken over two lines.
fn code(code: Code, columns: usize) -> Vec<String> {
    let more = format!("(mcp-mtls explain {code})");
    let line = format!("{code} {more}");
    if columns + line.len() <= WIDTH { vec![line] } else { vec![code.to_string(), more] }
}

/// <https://no-color.org>, and terminals that know no colour.
fn is_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A terminal as narrow as they come.
pub(crate) const WIDTH: usize = 80;

/// How many notes wait to be written, and for how long at the end.
const NOTES: usize = 64;
const NOTES_TIME: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_from_what_to_what_to_do() {
        let failure = Failure::new(Code::KeyMismatch, "The key belongs to another certificate")
            .at("/home/alice/certs/alice.key")
            .at("`key` in /home/alice/.config/mcp-mtls/config.jsonc, line 7")
            .because("The certificate has an ECDSA P-256 key, and the key file holds an RSA key of 2048 bits.")
            .fix("Name the key that was made for this certificate.");
        insta::assert_snapshot!(painted(&failure, Paint::none()), @r"
        error: The key belongs to another certificate
        where: /home/alice/certs/alice.key
               `key` in /home/alice/.config/mcp-mtls/config.jsonc, line 7
          why: The certificate has an ECDSA P-256 key, and the key file holds an RSA key
               of 2048 bits.
          fix: Name the key that was made for this certificate.
         code: key-mismatch (mcp-mtls explain key-mismatch)
        ");
    }

    #[test]
    fn the_code_is_followed_by_the_command_that_explains_it() {
        for code in Code::ALL {
            let text = painted(&Failure::new(*code, "No"), Paint::none());
            assert!(text.contains(&format!("(mcp-mtls explain {code})")), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        }
    }

    #[test]
    fn colour_says_nothing_that_the_words_do_not() {
        let failure = Failure::new(Code::FileExists, "The file exists already").at("a.pem");
        let coloured = painted(&failure, Paint(true));
        assert!(coloured.contains("\u{1b}[1;31merror: \u{1b}[0mThe file exists already"), "{coloured:?}");
        let mut plain = coloured;
        for code in ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[1;31m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, painted(&failure, Paint::none()));
    }

    #[test]
    fn lines_fit_and_long_words_stay_whole() {
        let text = wrapped(&format!("{} {} end", "word ".repeat(40), "x".repeat(100)), 4);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH || !line.trim().contains(' ')), "{text}");
        assert!(text.lines().all(|line| line.starts_with("    ")));
    }
}

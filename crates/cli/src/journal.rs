//! The log file of `connect`: one JSON object a line, readable by its owner alone.
//!
//! A thread writes it, and what it cannot keep up with is left out and counted: a slow disk holds
//! up no message.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mcp_mtls_core::config::path_of_flag;
use mcp_mtls_core::error::{Code, Failure, Result, brief};
use mcp_mtls_core::remote::message::{Kind, Message};
use mcp_mtls_core::remote::{Passage, Recipient};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::render::Notes;

/// What is written beside failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Nothing.
    Failures,
    /// A line for each message, without its content.
    Messages,
    /// A line for each message, with its text.
    Bodies,
}

/// An open log file.
pub(crate) struct Journal {
    detail: Detail,
    lines: mpsc::SyncSender<String>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes that are still to be written.
    waiting: AtomicUsize,
    /// Lines that were left out.
    lost: AtomicU64,
}

impl Journal {
    /// Opens the file to write on at its end, and takes it from the eyes of others.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub(crate) fn open(path: &Path, detail: Detail, notes: Notes) -> Result<Self> {
        let path = path_of_flag(path, "--log-file")?;
        let file = open(&path)?;
        let (lines, queue) = mpsc::sync_channel(LINES);
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || write(file, &queue, &writer, &notes));
        Ok(Self { detail, lines, shared })
    }

    /// Writes that the process begins, and to what it connects.
    pub(crate) fn started(&self, name: Option<&str>, url: &str) {
        self.line("started", &serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "name": name, "url": url }));
    }

    /// Writes why the process ends.
    pub(crate) fn ended(&self, failure: Option<&Failure>) {
        self.line("ended", &Told { failure, text: None });
    }

    /// Writes what deserves a word.
    pub(crate) fn warning(&self, text: &str) {
        self.line("warning", &Told { failure: None, text: Some(text) });
    }

    /// Writes what no request was answered with.
    pub(crate) fn note(&self, failure: &Failure) {
        self.line("warning", &Told { failure: Some(failure), text: None });
    }

    /// Writes a message that passed, and always the errors that are ours.
    pub(crate) fn passed(&self, passage: &Passage<'_>) {
        let message = passage.message;
        if passage.to == Recipient::Host
            && matches!(message.kind(), Kind::Response { error: true, .. })
            && let Some(data) = message.part("/error/data").filter(|data| data["source"] == "mcp-mtls")
        {
            self.line("failure", &Answered { id: id(message), failure: data });
        }
        if self.detail == Detail::Failures {
            return;
        }
        let body = (self.detail == Detail::Bodies).then(|| std::str::from_utf8(message.raw()).ok()).flatten();
        let (kind, method) = match message.kind() {
            Kind::Request { method, .. } => ("request", Some(method.as_str())),
            Kind::Notification { method } => ("notification", Some(method.as_str())),
            Kind::Response { error: false, .. } => ("result", None),
            Kind::Response { error: true, .. } => ("error", None),
        };
        self.line(
            "message",
            &Line {
                to: if passage.to == Recipient::Host { "host" } else { "server" },
                kind,
                method,
                id: id(message),
                bytes: message.raw().len(),
                status: passage.status,
                ms: passage.took.map(|took| (took.as_secs_f64() * 1e6).round() / 1e3),
                truncated: body.is_some_and(|body| body.len() > BODY),
                body: body.map(beginning),
            },
        );
    }

    /// Waits until all is written, but not long.
    pub(crate) fn finish(&self) {
        for _ in 0..FINISH {
            if self.shared.waiting.load(Ordering::Acquire) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn line(&self, event: &'static str, rest: &impl Serialize) {
        #[derive(Serialize)]
        struct Entry<'a, T> {
            time: String,
            process: u32,
            event: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            lost: Option<u64>,
            #[serde(flatten)]
            rest: &'a T,
        }
        if self.shared.waiting.load(Ordering::Relaxed) > WAITING {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = Some(self.shared.lost.swap(0, Ordering::Relaxed)).filter(|lost| *lost > 0);
        let Ok(mut line) =
            serde_json::to_string(&Entry { time: now(), process: std::process::id(), event, lost, rest })
        else {
            return;
        };
        line.push('\n');
        let size = line.len();
        self.shared.waiting.fetch_add(size, Ordering::AcqRel);
        if self.lines.try_send(line).is_err() {
            self.shared.waiting.fetch_sub(size, Ordering::AcqRel);
            self.shared.lost.fetch_add(1 + lost.unwrap_or(0), Ordering::Relaxed);
        }
    }
}

/// A message that passed.
#[derive(Serialize)]
struct Line<'a> {
    to: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Box<RawValue>>,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

/// An error of ours with which a request was answered.
#[derive(Serialize)]
struct Answered {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Box<RawValue>>,
    failure: serde_json::Value,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
}

/// As much of a text as is written.
fn beginning(text: &str) -> &str {
    let end = (0..=text.len().min(BODY)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn id(message: &Message) -> Option<Box<RawValue>> {
    let (Kind::Request { id, .. } | Kind::Response { id: Some(id), .. }) = message.kind() else { return None };
    RawValue::from_string(id.raw().to_owned()).ok()
}

fn now() -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    OffsetDateTime::now_utc().format(&format).unwrap_or_default()
}

fn open(path: &Path) -> Result<File> {
    let failed = || {
        let what = format!("The log file {} cannot be written", brief(&path.display().to_string()));
        Failure::new(Code::FileUnwritable, what)
            .at(path.display().to_string())
            .at("--log-file on the command line")
            .fix("Correct `--log-file`, or remove it.")
    };
    // Opening a pipe would wait for its reader, and a device is not ours to close to others.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(failed().because("It is not a regular file."));
    }
    if path.parent().is_some_and(|folder| !folder.exists()) {
        return Err(failed().because("Its folder is not there."));
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ALONE);
    let file = options.open(path).map_err(|error| failed().because_of(&error))?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(OWNER_ALONE)).map_err(|error| {
        failed().because("It belongs to another user, so that it cannot be closed to the eyes of others.").cause(error)
    })?;
    Ok(file)
}

/// Writes each line by one call, so that several processes can share a file. What cannot be written
/// is counted as lost, and told once.
fn write(mut file: File, queue: &mpsc::Receiver<String>, shared: &Shared, notes: &Notes) {
    let mut told = false;
    // A line that a full disk cut, by us or by another, must not swallow the next one.
    let mut cut = ends_within_a_line(&file);
    for line in queue {
        let text = if cut { format!("\n{line}") } else { line };
        let size = text.len() - usize::from(cut);
        match file.write_all(text.as_bytes()) {
            Ok(()) => cut = false,
            Err(error) => {
                cut = ends_within_a_line(&file);
                shared.lost.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut told, true) {
                    let failure = Failure::new(Code::FileUnwritable, "The log file cannot be written any more");
                    notes.tell(format!("warning: {}", failure.because_of(&error)));
                }
            }
        }
        shared.waiting.fetch_sub(size, Ordering::AcqRel);
    }
}

/// Whether the last byte of the file is no line break.
fn ends_within_a_line(file: &File) -> bool {
    let mut last = [0];
    let mut file = file;
    let read = file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last));
    read.is_ok() && last != *b"\n"
}

#[cfg(unix)]
const OWNER_ALONE: u32 = 0o600;
/// How much of a text is written.
const BODY: usize = 1 << 20;
/// How many lines, and about how many bytes, may wait for the disk.
const LINES: usize = 4096;
const WAITING: usize = 16 << 20;
/// For how many milliseconds the end of the process waits for the disk.
const FINISH: u32 = 20;

//! `mcp-mtls connect`: what a host runs.

use std::cell::OnceCell;
use std::future::ready;
use std::io::IsTerminal as _;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use mcp_mtls_core::bridge;
use mcp_mtls_core::config::{self, Entry, EntrySettings};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::remote::{Observer, Passage, Remote, Renewer};

use crate::hosts::opencode::Entries;
use crate::journal::{Detail, Journal};
use crate::render::Notes;
use crate::stdio::{self, Output};

#[derive(clap::Args)]
pub(crate) struct ConnectArgs {
    /// An entry of the configuration, or the URL of a server.
    #[arg(value_name = "NAME | URL")]
    target: String,

    /// Configuration file to read instead of the user's and the machine's.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Take the entry from opencode's own files, as read in this folder; it must have `tls`.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    opencode: Option<PathBuf>,

    /// The working tree that opencode takes that folder to be in.
    #[arg(long, value_name = "DIR", requires = "opencode")]
    worktree: Option<PathBuf>,

    /// Write failures and warnings to this file, one JSON object a line. It is appended to, and made readable by its
    /// owner alone.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Also write a line for each message to the log file: to whom, kind, method, id, size, time, HTTP status; no content.
    #[arg(long, requires = "log_file")]
    trace: bool,

    /// Also write the text of each message, which may be confidential. Headers are never written.
    #[arg(long, requires = "trace")]
    trace_bodies: bool,

    #[command(flatten)]
    settings: EntrySettings,
}

/// Bridges until the host is done. What cannot be connected to is told to the host, as the answer
/// to its requests, and on stderr.
pub(crate) fn run(args: ConnectArgs, started: Instant) -> Result<ExitCode> {
    // Before anything is loaded.
    let output = Output::take()?;
    let notes = Notes::default();
    let watch = match args.journal(&notes) {
        Ok(journal) => Watch { notes, journal: journal.map(Arc::new) },
        Err(failure) => return bridge(ready(Err(failure)), output, started, &Watch { notes, journal: None }),
    };
    let opening = async { open(args.entry()?, started, &watch).await };
    bridge(opening, output, started, &watch)
}

/// What `run` does when the arguments cannot be understood: a host shows the answer to its
/// request and nothing else.
pub(crate) fn refuse(error: &clap::Error, started: Instant) -> Result<ExitCode> {
    let failure = Failure::new(Code::UsageInvalid, format!("mcp-mtls cannot be started: {}", misunderstood(error)))
        .fix(mend(error));
    bridge(ready(Err(failure)), Output::take()?, started, &Watch::default())
}

fn mend(error: &clap::Error) -> &'static str {
    if is_trace_alone(error) {
        "Add `--log-file FILE`, or remove `--trace`."
    } else {
        "Correct the arguments in the host's entry; `mcp-mtls connect --help` lists them."
    }
}

/// Whether clap would repeat an argument that is no flag, and so may be such a secret, or tell less.
pub(crate) fn is_told_in_own_words(error: &clap::Error) -> bool {
    let argument = argument_of(error);
    if error.kind() == ErrorKind::ValueValidation && is_timeout(argument) {
        return true;
    }
    let is_flag = argument.starts_with('-') && !argument.contains(['=', ' ', '\n']);
    error.kind() == ErrorKind::UnknownArgument && !is_flag
}

fn argument_of(error: &clap::Error) -> &str {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument,
        Some(ContextValue::Strings(arguments)) => arguments.first().map_or("", String::as_str),
        _ => "",
    }
}

fn is_timeout(argument: &str) -> bool {
    argument.split([' ', '=']).next() == Some("--timeout")
}

/// Whether something is to be traced, and nothing says where to.
fn is_trace_alone(error: &clap::Error) -> bool {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(arguments)) => arguments.iter().any(|one| one.starts_with("--log-file")),
        _ => false,
    };
    missing && error.kind() == ErrorKind::MissingRequiredArgument
}

/// What is wrong, with the names of flags alone: any other argument may be a secret that lost its quotation marks.
pub(crate) fn misunderstood(error: &clap::Error) -> String {
    let argument = argument_of(error);
    // A value may be written behind its flag.
    let flag = argument.split(['=', ' ']).next().unwrap_or_default();
    let told = if flag.starts_with('-') { format!("`{flag}`") } else { "an argument".to_owned() };
    match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with('-') => format!("there is no flag {told}"),
        ErrorKind::UnknownArgument => "there is one argument too many".to_owned(),
        ErrorKind::MissingRequiredArgument if is_trace_alone(error) => "`--trace` needs `--log-file FILE`".to_owned(),
        ErrorKind::MissingRequiredArgument if flag.starts_with('-') => {
            format!("{told} is missing, which another flag needs")
        }
        ErrorKind::MissingRequiredArgument => "the name of an entry, or a URL, is missing".to_owned(),
        ErrorKind::ArgumentConflict => format!("{told} is given twice"),
        _ if is_timeout(flag) => "the value of `--timeout` is no whole number of milliseconds".to_owned(),
        _ => format!("the value of {told} cannot be used"),
    }
}

/// Reads files, runs programs and asks tokens, within the time that `initialize` has: a named pipe, a
/// network folder or a card that does not answer must not keep the host from its answer.
async fn open(entry: Entry, started: Instant, watch: &Watch) -> Result<Remote> {
    let limit = entry.timeout()?.saturating_sub(started.elapsed());
    // What may hang in it, until the process ends.
    let asked = entry.written().into_iter().filter(|written| written.setting.contains('.'));
    let asked: Vec<_> = asked.map(|written| written.origin.to_string()).take(SETTINGS).collect();
    let load = tokio::task::spawn_blocking(move || {
        let endpoint = entry.resolve();
        let remote = endpoint.as_ref().map_err(Clone::clone).and_then(Remote::new);
        (endpoint, remote)
    });
    let Ok(loaded) = tokio::time::timeout(limit, load).await else {
        let seconds = limit.as_secs_f64().round();
        let what = format!("Certificate, key and references did not come within {seconds} s");
        let failure = asked.into_iter().fold(Failure::new(Code::TimedOut, what), Failure::at);
        return Err(failure
            .because("A file, a program or a token that a setting names does not answer.")
            .fix("Look for named pipes, folders of a network, programs that wait and cards that hang."));
    };
    let (endpoint, remote) = loaded.unwrap_or_else(|error| resume_unwind(error.into_panic()));
    let endpoint = endpoint?;
    for warning in &endpoint.warnings {
        watch.warn(warning);
    }
    if let Some(journal) = &watch.journal {
        journal.started(endpoint.name.as_deref(), &endpoint.told());
    }
    let remote = remote?;
    for warning in remote.warnings() {
        watch.note(&warning);
    }
    for note in remote.notes() {
        watch.warn(&note);
    }
    Ok(remote)
}

fn bridge(
    opening: impl Future<Output = Result<Remote>>,
    output: Output,
    started: Instant,
    watch: &Watch,
) -> Result<ExitCode> {
    let mut told_to_person = None;
    let outcome = crate::on_runtime(async {
        let renewer = OnceCell::<Renewer>::new();
        // Signals are heeded before anything is opened: that may run programs, which must not outlive us.
        let mut stop = pin!(stdio::stop()?);
        let renewals = stdio::at_each_hangup(async || {
            if let Some(renewer) = renewer.get()
                && let Err(failure) = renewer.renew().await
            {
                watch.note(&failure);
            }
        })?;
        let remote = tokio::select! {
            remote = opening => remote,
            () = &mut stop => return Ok(()),
        };
        match &remote {
            Ok(remote) => drop(renewer.set(remote.renewer())),
            Err(failure) if std::io::stdin().is_terminal() => {
                told_to_person = Some(failure.clone());
                return Ok(());
            }
            Err(_) => {}
        }
        tokio::select! {
            outcome = bridge::run(remote, stdio::input()?, output.open()?, started.into(), stop, watch.clone()) => outcome,
            never = renewals => match never {},
        }
    });
    if let Some(failure) = told_to_person {
        return Err(failure);
    }
    // Told here, and not by the caller, since a host may leave stderr unread.
    if let Some(journal) = &watch.journal {
        journal.ended(outcome.as_ref().err());
    }
    let status = outcome.map_or_else(
        |failure| {
            watch.notes.tell(crate::render::failure_text(&failure));
            ExitCode::from(crate::status(failure.code()))
        },
        |()| ExitCode::SUCCESS,
    );
    watch.notes.finish();
    if let Some(journal) = &watch.journal {
        journal.finish();
    }
    Ok(status)
}

/// Tells the person what the host cannot be told.
#[derive(Clone, Default)]
struct Watch {
    notes: Notes,
    journal: Option<Arc<Journal>>,
}

impl Watch {
    fn warn(&self, warning: &str) {
        self.notes.tell(format!("warning: {warning}"));
        if let Some(journal) = &self.journal {
            journal.warning(warning);
        }
    }
}

impl Observer for Watch {
    fn note(&self, failure: &Failure) {
        self.notes.tell(format!("warning: {failure}"));
        if let Some(journal) = &self.journal {
            journal.note(failure);
        }
    }

    fn passed(&self, passage: &Passage<'_>) {
        if let Some(journal) = &self.journal {
            journal.passed(passage);
        }
    }
}

impl ConnectArgs {
    fn entry(self) -> Result<Entry> {
        if let Some(directory) = &self.opencode {
            // The files are looked at as a whole; what else is given could not be judged with them.
            if !self.settings.is_empty() {
                return Err(Failure::new(
                    Code::UsageInvalid,
                    "--opencode and flags of an entry cannot be used together",
                )
                .fix("Write the settings into opencode's file, or remove the flags."));
            }
            // opencode starts no entry that is disabled, but for whoever asks for it.
            return Ok(Entries::read(directory, self.worktree.as_deref())?.entry(&self.target)?.enabled_by_host());
        }
        if !self.target.contains("://") {
            let file = config::file_of_flag(self.config.as_deref())?;
            return Ok(config::find_unless_url(&self.target, file.as_deref())?.overridden(self.settings));
        }
        if self.config.is_some() {
            return Err(Failure::new(Code::UsageInvalid, "A URL and --config cannot be used together")
                .fix("Name an entry of the file instead of the URL, or remove --config."));
        }
        Ok(Entry::from_flags(&self.target, self.settings))
    }

    fn journal(&self, notes: &Notes) -> Result<Option<Journal>> {
        let detail = match (self.trace, self.trace_bodies) {
            (_, true) => Detail::Bodies,
            (true, false) => Detail::Messages,
            (false, false) => Detail::Failures,
        };
        self.log_file.as_deref().map(|path| Journal::open(path, detail, notes.clone())).transpose()
    }
}

/// How many settings are named that may be why nothing came.
const SETTINGS: usize = 6;

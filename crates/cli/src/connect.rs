//! `mcp-mtls connect`: what a host runs.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use mcp_mtls_core::bridge;
use mcp_mtls_core::config::{self, Entry, EntrySettings};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::remote::{Observer, Remote};

use crate::render::Notes;
use crate::stdio;

#[derive(clap::Args)]
pub(crate) struct ConnectArgs {
    /// An entry of the configuration, or the URL of a server.
    #[arg(value_name = "NAME | URL")]
    target: String,

    /// Configuration file to read instead of the user's and the machine's.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: EntrySettings,
}

/// Bridges until the host is done. What cannot be connected to is told to the host, as the answer
/// to its requests, and on stderr.
pub(crate) fn run(args: ConnectArgs, started: Instant) -> Result<ExitCode> {
    let notes = Notes::default();
    let remote = open(args, &notes);
    bridge(remote, started, &notes)
}

/// What `run` does when the arguments cannot be understood: a host shows the answer to its
/// request and nothing else.
pub(crate) fn refuse(error: &clap::Error, started: Instant) -> Result<ExitCode> {
    let failure = Failure::new(Code::UsageInvalid, "mcp-mtls was started with arguments that it does not understand")
        .because(misunderstood(error))
        .fix("Correct the arguments in the host's entry; `mcp-mtls connect --help` lists them.");
    bridge(Err(failure), started, &Notes::default())
}

/// What is wrong, with the names of flags alone: any other argument may be a secret that lost its quotation marks.
fn misunderstood(error: &clap::Error) -> String {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        Some(ContextValue::Strings(arguments)) => arguments.first().map_or("", String::as_str),
        _ => "",
    };
    // A value may be written behind its flag.
    let flag = argument.split(['=', ' ']).next().unwrap_or_default();
    let told = if flag.starts_with('-') { format!("`{flag}`") } else { "an argument".to_owned() };
    match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with('-') => format!("There is no flag {told}."),
        ErrorKind::UnknownArgument => "There is one argument too many.".to_owned(),
        ErrorKind::MissingRequiredArgument => "The name of an entry, or a URL, is missing.".to_owned(),
        ErrorKind::ArgumentConflict => format!("{told} is given twice."),
        _ => format!("The value of {told} cannot be used."),
    }
}

fn open(args: ConnectArgs, notes: &Notes) -> Result<Remote> {
    let entry = if args.target.contains("://") {
        if args.config.is_some() {
            return Err(Failure::new(Code::UsageInvalid, "A URL and --config cannot be used together")
                .fix("Name an entry of the file instead of the URL, or remove --config."));
        }
        Entry::from_flags(&args.target, args.settings)
    } else {
        config::find(&args.target, args.config.as_deref())?.overridden(args.settings)
    };
    let endpoint = entry.resolve()?;
    for warning in &endpoint.warnings {
        notes.tell(format!("warning: {warning}"));
    }
    Remote::new(&endpoint)
}

fn bridge(remote: Result<Remote>, started: Instant, notes: &Notes) -> Result<ExitCode> {
    if std::io::stdin().is_terminal()
        && let Err(failure) = remote
    {
        return Err(failure);
    }
    let outcome = crate::on_runtime(async {
        bridge::run(remote, stdio::input()?, stdio::output()?, started.into(), stdio::stop()?, Watch(notes.clone()))
            .await
    });
    // Told here, and not by the caller, since a host may leave stderr unread.
    let status = outcome.map_or_else(
        |failure| {
            notes.tell(crate::render::failure_text(&failure));
            ExitCode::from(crate::status(failure.code()))
        },
        |()| ExitCode::SUCCESS,
    );
    notes.finish();
    Ok(status)
}

/// Tells the person what the host cannot be told.
struct Watch(Notes);

impl Observer for Watch {
    fn note(&self, failure: &Failure) {
        self.0.tell(format!("warning: {failure}"));
    }
}

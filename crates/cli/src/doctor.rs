//! `mcp-mtls doctor`: what is wrong with an entry, and what to do.

mod view;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use mcp_mtls_core::config::{self, Entry, EntrySettings};
use mcp_mtls_core::doctor::{Report, examine};
use mcp_mtls_core::error::{Code, Failure, Result};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::hosts::opencode::Entries;
use crate::render::{self, Paint, Progress};
use crate::stdio;

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// An entry of the configuration, or the URL of a server. Without it, every entry.
    #[arg(value_name = "NAME | URL")]
    target: Option<String>,

    /// Configuration file to read instead of the user's and the machine's.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Examine the entries with `tls` in the files that opencode reads when it is started in this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    opencode: Option<PathBuf>,

    /// The working tree that opencode takes that folder to be in.
    #[arg(long, value_name = "DIR", requires = "opencode")]
    worktree: Option<PathBuf>,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    settings: EntrySettings,
}

/// What there is to examine.
enum Patient {
    Entry(Box<Entry>),
    /// What needs no examination.
    Told(Report),
}

/// Examines, tells what was found, and says whether all is well.
pub(crate) fn run(args: DoctorArgs) -> Result<ExitCode> {
    let as_json = args.json;
    let patients = args.patients()?;
    let paint = Paint::stdout();
    // What a module of a token prints is no part of the answer.
    let mut output = stdio::Output::take()?.into_write();
    let mut reports = Vec::new();
    let outcome = crate::on_runtime(async {
        reports = examined(patients).await?;
        Ok(())
    });
    let (text, status) = match outcome {
        Err(failure) if as_json => (render::failure_json_text(&failure), crate::status(failure.code())),
        Err(failure) => return Err(failure),
        Ok(()) => {
            let healthy = reports.iter().all(|report| report.healthy != Some(false));
            let answer = Answer { healthy, entries: &reports };
            let text = if as_json { render::json_text(&answer) } else { view::text(&reports, paint) };
            (text, reports.iter().map(status).max().unwrap_or_default())
        }
    };
    render::answer_on(&mut output, &text);
    Ok(ExitCode::from(status))
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    healthy: bool,
    entries: &'a [Report],
}

fn status(report: &Report) -> u8 {
    let failure = report.broken().and_then(|step| step.failure.as_ref());
    failure.map_or(0, |failure| crate::status(failure.code()))
}

/// Examines all at the same time, but not more than a machine does easily. The reports are in the order given.
async fn examined(patients: Vec<Patient>) -> Result<Vec<Report>> {
    // Signals are heeded before anything is opened: that may run programs, which must not outlive us.
    let mut stopped = pin!(stdio::stop()?);
    let progress = Progress::of(patients.len());
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut reports = Vec::new();
    for (at, patient) in patients.into_iter().enumerate() {
        match patient {
            Patient::Told(report) => reports.push((at, report)),
            Patient::Entry(entry) => {
                let turns = Arc::clone(&turns);
                running.spawn(async move {
                    // It is never closed.
                    let _turn = turns.acquire().await;
                    (at, examine(&entry).await)
                });
            }
        }
    }
    progress.show(reports.len());
    loop {
        tokio::select! {
            report = running.join_next() => match report {
                None => break,
                Some(Ok(report)) => reports.push(report),
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            },
            () = &mut stopped => return Err(Failure::new(Code::Stopped, "The examination was stopped before its end")),
        }
        progress.show(reports.len());
    }
    reports.sort_by_key(|(at, _)| *at);
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

impl DoctorArgs {
    fn patients(self) -> Result<Vec<Patient>> {
        if let Some(directory) = &self.opencode {
            return self.patients_of_opencode(directory);
        }
        let file = config::file_of_flag(self.config.as_deref())?;
        match self.target {
            None if !self.settings.is_empty() => {
                Err(Failure::new(Code::UsageInvalid, "Flags of an entry were given, and no entry")
                    .because("Without a name or a URL every entry is examined, each with its own settings.")
                    .fix("Name the entry, or give a URL: `mcp-mtls doctor NAME --cert FILE`."))
            }
            None => Ok(config::list(file.as_deref()).into_iter().map(|one| Patient::of(one.name, one.entry)).collect()),
            Some(url) if url.contains("://") && file.is_some() => {
                Err(Failure::new(Code::UsageInvalid, "A URL and --config cannot be used together")
                    .fix("Name an entry of the file instead of the URL, or remove --config."))
            }
            Some(url) if url.contains("://") => Ok(vec![Patient::entry(Entry::from_flags(&url, self.settings))]),
            Some(name) => Ok(vec![match config::find_unless_url(&name, file.as_deref()) {
                Ok(entry) => Patient::entry(entry.overridden(self.settings)),
                Err(failure) => Patient::Told(Report::unreadable(Some(name), failure)),
            }]),
        }
    }
}

impl DoctorArgs {
    fn patients_of_opencode(&self, directory: &Path) -> Result<Vec<Patient>> {
        if !self.settings.is_empty() {
            return Err(Failure::new(Code::UsageInvalid, "--opencode and flags of an entry cannot be used together")
                .fix("Write the settings into opencode's file, or remove the flags."));
        }
        let entries = Entries::read(directory, self.worktree.as_deref())?;
        let names = self.target.as_deref().map_or_else(|| entries.names(), |name| vec![name]);
        if names.is_empty() {
            return Err(entries.no_such(None));
        }
        Ok(names.into_iter().map(|name| Patient::of(Some(name.to_owned()), entries.entry(name))).collect())
    }
}

impl Patient {
    fn entry(entry: Entry) -> Self {
        Self::Entry(Box::new(entry))
    }

    /// One of several: nobody has asked for one that is disabled.
    fn of(name: Option<String>, entry: Result<Entry>) -> Self {
        match entry {
            Ok(entry) if entry.is_enabled() => Self::entry(entry),
            Ok(_) => Self::Told(Report::disabled(name)),
            Err(failure) => Self::Told(Report::unreadable(name, failure)),
        }
    }
}

/// How many entries are examined at once.
const AT_ONCE: usize = 16;

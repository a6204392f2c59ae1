//! `mcp-mtls add`: an entry is checked as a whole, tried once, and then written.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;

use mcp_mtls_core::config::{
    self, Draft, Entry, EntrySettings, File, Value, Variable, forbid_programs, read_file, schema,
};
use mcp_mtls_core::doctor::{Report, Stage, examine};
use mcp_mtls_core::error::{Code, Failure, Result, printable};
use mcp_mtls_core::identity::Identity;
use mcp_mtls_core::trust::Trust;

use super::paste::{self, Pasted};
use super::{Configuration, exposed, in_file, preview, view};
use crate::edit::Document as _;
use crate::edit::jsonc::plain;
use crate::edit::turn;
use crate::edit::write::Target;
use crate::hosts::{self, Chosen, Installed};
use crate::{render, stdio};

#[derive(clap::Args)]
#[command(override_usage = "mcp-mtls add [OPTIONS] <NAME> <URL>\n       mcp-mtls add [OPTIONS] [NAME] --from <FILE>")]
#[expect(clippy::struct_excessive_bools, reason = "flags are flags")]
pub(crate) struct AddArgs {
    /// What to call the server: letters, digits, `-`, `_` and `.`
    #[arg(required_unless_present = "from")]
    name: Option<String>,

    /// URL of its MCP endpoint.
    #[arg(conflicts_with = "from")]
    url: Option<String>,

    /// Take the entry from a file with that of another host, or from stdin (`-`). The flags below are set over it.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// Configuration file to write instead of yours.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Do not connect to the server. Settings, certificate and trust are checked all the same.
    #[arg(long)]
    offline: bool,

    /// Replace the entry of that name.
    #[arg(long)]
    force: bool,

    /// Put it into the files of these hosts, too: see `mcp-mtls install`.
    #[arg(long, value_name = "HOST[,HOST]")]
    install: Option<String>,

    /// With --from: let it run the programs, load the libraries and send the files and variables that it names,
    /// without a question.
    #[arg(long)]
    yes: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    settings: EntrySettings,
}

/// What was added.
pub(super) struct Added {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The file that was named instead of the user's.
    pub(super) config: Option<PathBuf>,
    pub(super) backup: Option<PathBuf>,
    pub(super) replaced: bool,
    pub(super) draft: Draft,
    /// What there is to say besides.
    pub(super) notes: Vec<String>,
    pub(super) found: Found,
    /// What became of it in hosts.
    pub(super) installed: Option<Result<Installed>>,
}

impl Added {
    /// Whether all of it could be done: the entry stays where a host cannot have it.
    fn is_whole(&self) -> bool {
        self.installed.as_ref().is_none_or(|installed| installed.as_ref().is_ok_and(Installed::is_whole))
    }
}

/// What a look at it has shown.
pub(super) enum Found {
    Server(Box<Report>),
    /// Offline: the certificate alone, if there is one, and what deserves a word.
    Identity(Option<Box<Identity>>, Vec<String>),
}

pub(crate) fn run(args: AddArgs) -> Result<ExitCode> {
    // What a module of a token prints is no part of the answer.
    let mut output = stdio::Output::take()?.into_write();
    let as_json = args.json;
    let paint = render::Paint::stdout();
    let (text, status) = match added(args) {
        Err(failure) if as_json => (render::failure_json_text(&failure), crate::status(failure.code())),
        Err(failure) => return Err(failure),
        Ok(added) => {
            let text = if as_json { render::json_text(&view::added_json(&added)) } else { view::added(&added, paint) };
            (text, u8::from(!added.is_whole()))
        }
    };
    render::answer_on(&mut output, &text);
    Ok(ExitCode::from(status))
}

fn added(args: AddArgs) -> Result<Added> {
    let AddArgs { name, url, from, config, offline, force, install, yes, json: _, settings } = args;
    let hosts = install.as_deref().map(Chosen::read).transpose()?;
    let config = config::file_of_flag(config.as_deref())?;
    if yes && from.is_none() {
        // The parser takes the URL for a reason to need no --from.
        return Err(Failure::new(Code::UsageInvalid, "--yes is for an entry that --from takes from elsewhere")
            .fix("Remove --yes: what is typed is not asked about."));
    }
    let (name, entry, mut notes) = match (from, name, url) {
        (Some(from), name, _) => {
            let Pasted { name, entry, notes } = paste::read(&from, name.as_deref())?;
            (name, entry.overridden(settings), notes)
        }
        (None, Some(name), Some(url)) => (name, Entry::from_flags(&url, settings), Vec::new()),
        (None, name, _) => {
            // The parser takes whatever stands alone for the name.
            let is_url = name.is_some_and(|name| name.contains("://"));
            let what = if is_url { "A name is missing before the URL" } else { "The URL of the server is missing" };
            return Err(Failure::new(Code::UsageInvalid, what).fix("Write `mcp-mtls add NAME URL`."));
        }
    };
    let pasted = entry.place().is_some();
    check_name(&name)?;
    let (configuration, _) = opened(config.as_deref(), &name, force, hosts.as_ref())?;
    if let Some(hosts) = &hosts {
        hosts::check(hosts, &name, configuration.target.path())?;
    }
    let draft = entry.draft().map_err(|failure| failure.because(NOT_WRITTEN))?;
    if pasted {
        agree(&name, &draft, offline, yes)?;
        if draft.programs.is_empty() && !yes {
            // Whatever a reference may give.
            forbid_programs();
        }
    }
    changed(config.as_deref(), &name, &draft, force, hosts.as_ref())?;
    let found = tried(&entry, &draft, offline)?;
    // All that took its time is done; others may have written meanwhile.
    let turn = turn::wait();
    let (configuration, replaced) = changed(config.as_deref(), &name, &draft, force, hosts.as_ref())?;
    let backup = configuration.target.replace(configuration.document.text())?;
    let credentials = exposed::literal_credentials(&draft);
    if !credentials.is_empty() {
        notes.extend(exposed::read_by_others(configuration.target.path()));
    }
    notes.extend(credentials);
    notes.extend(write_schema(&configuration));
    let file = configuration.target.path().to_owned();
    let config = config.map(|_| file.clone());
    drop(turn);
    let installed = hosts.map(|hosts| hosts::added(&hosts, &name, &file));
    Ok(Added { name, file, config, backup, replaced, draft, notes, found, installed })
}

/// Names are written into the files of hosts and given as arguments, so they are what all of these take.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits) && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let what = format!("`{}` cannot be the name of an entry", mcp_mtls_core::error::plain(name));
    Err(Failure::new(Code::UsageInvalid, what)
        .because(format!(
            "A name is of letters, digits, `-`, `_` and `.`, begins with a letter or digit, and has {LONGEST_NAME} characters at most."
        ))
        .fix("Give another name as the first argument."))
}

fn exists(configuration: &Configuration, map: &str, name: &str, hosts: Option<&Chosen>) -> Failure {
    let failure = Failure::new(Code::ConfigConflict, format!("There is an entry `{name}` already"))
        .at(format!("{}, {map}.{name}", configuration.told()));
    let there = File::parse(configuration.target.path().to_owned(), None, configuration.document.text())
        .and_then(|file| file.entry(name));
    let failure = match there {
        Ok(Some(entry)) => match entry.told_url() {
            Some(url) => failure.because(format!("Its URL is {}.", printable(&url))),
            None => failure,
        },
        _ => failure,
    };
    let failure = match hosts.map(Chosen::names) {
        Some(hosts) => {
            let command = hosts::command(&hosts, name, configuration.target.path());
            failure.fix(format!("Put it into hosts with `{command}`."))
        }
        None => failure,
    };
    failure.fix("Replace it with --force, or give another name.")
}

/// Shows what was pasted as it would be written, and asks before any program of it runs and before it sends anything
/// of the user's.
fn agree(name: &str, draft: &Draft, offline: bool, yes: bool) -> Result<()> {
    let sends = if offline { Vec::new() } else { preview::sent(draft) };
    let title = format!("The entry `{}` as it would be written:", printable(name));
    render::notice(&preview::draft(&title, draft, &sends));
    let (question, what) = match (draft.programs.is_empty(), sends.is_empty()) {
        (true, true) => return Ok(()),
        (false, true) => ("It runs or loads these.", "The pasted entry runs programs"),
        (true, false) => ("It sends these.", "The pasted entry sends files or variables of yours"),
        (false, false) => ("It runs, loads or sends these.", "The pasted entry runs programs, and sends what is yours"),
    };
    if yes {
        return Ok(());
    }
    match render::confirmed(&format!("{question} May it, and shall the entry be written?")) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Code::Stopped, "The entry was not agreed to, and nothing was run or written")),
        None => Err(Failure::new(Code::UsageInvalid, format!("{what}, and nobody can be asked whether it may"))
            .because("There is no terminal. Nothing was run, sent or written.")
            .fix("Look at what is listed, and add --yes if it may.")
            .evidence("entry", preview::json(draft))
            .evidence("programs", preview::programs(draft))
            .evidence("sends", sends)),
    }
}

/// The file, and the map in which an entry of this name stands that may be replaced.
fn opened(
    file: Option<&Path>,
    name: &str,
    force: bool,
    hosts: Option<&Chosen>,
) -> Result<(Configuration, Option<&'static str>)> {
    let configuration = Configuration::open(file)?;
    match configuration.map_of(name) {
        Some(map) if !force => Err(exists(&configuration, map, name, hosts)),
        there => Ok((configuration, there)),
    }
}

/// The file with the entry in it, and whether one of its name was there.
fn changed(
    file: Option<&Path>,
    name: &str,
    draft: &Draft,
    force: bool,
    hosts: Option<&Chosen>,
) -> Result<(Configuration, bool)> {
    let (mut configuration, there) = opened(file, name, force, hosts)?;
    let map = there.unwrap_or_else(|| configuration.map());
    let is_new = !configuration.target.exists();
    change(&mut configuration, &[map, name], draft, is_new)?;
    Ok((configuration, there.is_some()))
}

/// Puts the entry into the text of the file, which is then read as `connect` will read it.
fn change(configuration: &mut Configuration, path: &[&str; 2], draft: &Draft, is_new: bool) -> Result<()> {
    let file = configuration.target.path().to_owned();
    if is_new {
        let schema = Value::text(SCHEMA_BESIDE);
        configuration.document.set(&["$schema"], &schema).map_err(|trouble| in_file(trouble, &file))?;
    }
    configuration.document.set(path, &draft.entry).map_err(|trouble| in_file(trouble, &file))?;
    let text = configuration.document.text();
    if text.len() > MOST_BYTES {
        return Err(Failure::new(Code::FileUnwritable, "The configuration file would have more than 64 MiB")
            .at(file.display().to_string())
            .because("So much is not read."));
    }
    let read = File::parse(file.clone(), file.parent().map(Path::to_owned), text)?.entry(path[1])?;
    let same =
        read.map(|entry| entry.draft()).transpose()?.is_some_and(|read| plain(&read.entry) == plain(&draft.entry));
    if same { Ok(()) } else { Err(in_file(crate::edit::Trouble::Strange, &file)) }
}

/// Loads the identity, and connects unless offline.
fn tried(entry: &Entry, draft: &Draft, offline: bool) -> Result<Found> {
    let mut found = None;
    // Many have their tokens in the environment of the host alone.
    let entry = &if offline { entry.clone().without_headers_of_unset(draft) } else { entry.clone() };
    crate::on_runtime(async {
        // Signals are heeded before anything is opened: that may run programs, which must not outlive us.
        let mut stopped = pin!(stdio::stop()?);
        let trying = async { if offline { identity(entry.clone()).await } else { server(entry).await } };
        tokio::select! {
            outcome = trying => found = Some(outcome?),
            () = &mut stopped => {
                return Err(Failure::new(Code::Stopped, "It was stopped before its end, and nothing was written"));
            }
        }
        Ok(())
    })
    .map_err(|failure| match draft.unset().next() {
        Some(unset) if failure.code() == Code::ReferenceUnresolved => {
            failure.fix(format!("Or set {} for this command, too.", unset.name))
        }
        _ => failure,
    })?;
    if let Some(Found::Identity(_, notes)) = &mut found {
        let told =
            |unset: &Variable| format!("{}: {} is not set here; the host must set it", unset.setting, unset.name);
        notes.extend(draft.unset().map(told));
    }
    found.ok_or_else(|| Failure::new(Code::SystemFailed, "The entry could not be tried"))
}

async fn server(entry: &Entry) -> Result<Found> {
    let report = examine(entry).await;
    let Some((stage, failure)) = report.broken().and_then(|step| Some((step.stage, step.failure.clone()?))) else {
        return Ok(Found::Server(Box::new(report)));
    };
    let failure = failure.because(NOT_WRITTEN);
    Err(match stage {
        // What is wrong here is wrong offline, too.
        Stage::Configuration | Stage::Identity | Stage::Trust => failure,
        _ => failure.fix("To write it without a connection, add --offline; `mcp-mtls doctor` examines it then."),
    })
}

async fn identity(entry: Entry) -> Result<Found> {
    let limit = entry.timeout()?;
    let load = tokio::task::spawn_blocking(move || {
        let endpoint = entry.resolve()?;
        let identity = Identity::load(&endpoint.tls)?;
        Trust::load(&endpoint.tls, identity.as_ref())?;
        let warnings = identity.iter().flat_map(Identity::warnings).map(ToString::to_string);
        let notes = identity.iter().flat_map(Identity::notes).cloned();
        let notes = endpoint.warnings.into_iter().chain(warnings).chain(notes).collect();
        Ok(Found::Identity(identity.map(Box::new), notes))
    });
    match tokio::time::timeout(limit, load).await {
        Ok(loaded) => loaded.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
        Err(_) => {
            Err(Failure::new(Code::TimedOut, format!("Certificate and key did not come within {} s", limit.as_secs()))
                .because("A file, a program or a token that a setting names does not answer."))
        }
    }
    .map_err(|failure| failure.because(NOT_WRITTEN))
}

/// Writes the schema for editors, where the file names it. What is in its way and is not ours stays.
fn write_schema(configuration: &Configuration) -> Option<String> {
    if configuration.document.get(&["$schema"]).as_ref().and_then(serde_json::Value::as_str) != Some(SCHEMA_BESIDE) {
        return None;
    }
    let schema = schema();
    let path = configuration.target.path().with_file_name(SCHEMA_FILE);
    let text = format!("{}\n", render::json_text(&schema));
    let ours = match read_file(&path) {
        Ok(there) if *there == text.as_bytes() => return None,
        Ok(there) => {
            serde_json::from_slice::<serde_json::Value>(&there).is_ok_and(|there| there["title"] == schema["title"])
        }
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    let written = ours.then(|| Target::read(&path).and_then(|target| target.overwrite(&text)));
    match written {
        Some(Ok(())) => None,
        _ => Some(format!("{}: the schema for editors could not be written there", path.display())),
    }
}

const SCHEMA_FILE: &str = "config.schema.json";
const SCHEMA_BESIDE: &str = "./config.schema.json";
const LONGEST_NAME: usize = 64;
/// As much as is read of a file.
const MOST_BYTES: usize = 64 << 20;
const NOT_WRITTEN: &str = "The entry was not written.";

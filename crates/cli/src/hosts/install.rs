//! What `install` and `uninstall` do, one host after the other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mcp_mtls_core::config::{self, Entry, Origin};
use mcp_mtls_core::error::{Code, Failure, Result};

use super::file::{Scope, open};
use super::host::Host;
use super::place::Surroundings;
use super::plan::{Outcome, Plan, Theirs, What};
use super::rows::HOSTS;
use super::shape::Run;
use super::{Chosen, list, notes, program, scope, view};
use crate::edit::turn;
use crate::render::{self, Paint};

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are flags")]
#[command(override_usage = "mcp-mtls install [OPTIONS] <HOST> [NAME]...\n       mcp-mtls install --list [--json]")]
pub(crate) struct InstallArgs {
    /// The host: opencode, claude-code, codex, gemini-cli and more (`--list` tells all); several with commas between them;
    /// `auto` for those that are here.
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    host: Option<String>,

    /// The entries; all that are enabled, if none is given.
    #[arg(conflicts_with = "list")]
    name: Vec<String>,

    /// Tell the hosts, where their files are, and which entries of mcp-mtls are in them.
    #[arg(long)]
    list: bool,

    /// Configuration file to take the entries from, instead of the user's and the machine's.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    config: Option<PathBuf>,

    /// Write the file of the project in DIR instead of yours; in the current folder, if DIR is left out.
    #[arg(
        long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = ".",
        conflicts_with = "list"
    )]
    project: Option<PathBuf>,

    /// Replace entries of these names that are not of mcp-mtls.
    #[arg(long, conflicts_with = "list")]
    force: bool,

    /// Show what would change, and write nothing.
    #[arg(long, conflicts_with = "list")]
    dry_run: bool,

    /// With `auto`: do not ask.
    #[arg(long, conflicts_with = "list")]
    yes: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct UninstallArgs {
    /// The host; several with commas between them.
    host: String,

    /// The entries; all that are of mcp-mtls, if none is given.
    name: Vec<String>,

    /// Change the file of the project in DIR instead of yours; in the current folder, if DIR is left out.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = ".")]
    project: Option<PathBuf>,

    /// Show what would change, and write nothing.
    #[arg(long)]
    dry_run: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What came of it.
pub(crate) struct Installed {
    plans: Vec<Plan>,
    /// Whether it was only looked at.
    dry: bool,
}

impl Installed {
    pub(crate) fn text(&self, paint: Paint) -> String {
        view::plans(&self.plans, self.dry, paint)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        view::plans_json(&self.plans, self.dry)
    }

    /// Whether all of it could be done.
    pub(crate) fn is_whole(&self) -> bool {
        self.plans.iter().all(|plan| plan.failures().next().is_none())
    }

    fn answered(self, as_json: bool) -> Result<ExitCode> {
        // One thing that failed is a failure like any other.
        if let [plan] = self.plans.as_slice()
            && plan.entries.len() <= 1
            && plan.snippet.is_none()
            && let Some(failure) = plan.failures().next()
        {
            return Err(failure.clone());
        }
        if as_json {
            render::json(&self.json());
        } else {
            render::answer(&self.text(Paint::stdout()));
        }
        Ok(if self.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

pub(crate) fn install(args: &InstallArgs) -> Result<ExitCode> {
    let around = Surroundings::here();
    let Some(host) = args.host.as_deref() else {
        // Without it nothing is known of any host.
        around.home()?;
        list::run(&around, args.json);
        return Ok(ExitCode::SUCCESS);
    };
    let auto = host.eq_ignore_ascii_case("auto");
    if args.yes && !auto {
        return Err(Failure::new(Code::UsageInvalid, "--yes is for `auto`").fix("Remove --yes: nothing is asked."));
    }
    if auto {
        around.home()?;
    }
    let hosts = if auto { found(&around, args.project.is_some()) } else { Chosen::read(host)? };
    if hosts.0.is_empty() {
        return Err(Failure::new(Code::UsageInvalid, "No host was found on this machine")
            .because("None of their folders and programs is there.")
            .fix("Name one: `mcp-mtls install --list` tells what there is."));
    }
    let scope = scope(args.project.as_deref(), &args.name)?;
    let (runs, broken) = runs(&args.name, args.config.as_deref(), &around)?;
    let asks = auto && !args.yes;
    let _turn = if args.dry_run || asks { None } else { turn::wait() };
    let theirs = if args.force { Theirs::IsReplaced } else { Theirs::Stays };
    let mut plans = planned(&hosts, &scope, &around, &runs, theirs, auto);
    for plan in &mut plans {
        plan.entries.extend(broken.iter().map(|(name, failure)| Outcome {
            name: name.clone(),
            what: What::Failed(failure.clone()),
            file: 0,
            lines: Vec::new(),
            comments: 0,
        }));
    }
    if auto && !args.dry_run && plans.iter().any(Plan::changes) {
        agree(&plans, args.yes)?;
    }
    finished(plans, args.dry_run, &scope, &around, &runs).answered(args.json)
}

/// The hosts that are on this machine.
fn found(around: &Surroundings, in_project: bool) -> Chosen {
    let fits = |host: &&Host| host.is_here(around) && (!in_project || host.project.is_some());
    Chosen(HOSTS.iter().copied().filter(fits).collect())
}

/// Puts one entry that was just written into these hosts.
pub(crate) fn added(hosts: &Chosen, name: &str, file: &Path) -> Result<Installed> {
    let around = Surroundings::here();
    let (runs, _) = runs(&[name.to_owned()], Some(file), &around)?;
    let _turn = turn::wait();
    let plans = planned(hosts, &Scope::User, &around, &runs, Theirs::StaysAfterAdd, false);
    Ok(finished(plans, false, &Scope::User, &around, &runs))
}

/// Whether these hosts can have an entry of this name in this file at all, before there is one.
pub(crate) fn check(hosts: &Chosen, name: &str, file: &Path) -> Result<()> {
    let around = Surroundings::here();
    program::path(&around)?;
    program::usable(file, "The path of the configuration file")?;
    for host in &hosts.0 {
        host.check_name(name)?;
        if !host.is_written {
            host.file(&Scope::User, &around)?;
            continue;
        }
        for file in &open(host, &Scope::User, &around)? {
            if host.entry(file, name).is_some_and(|entry| host.found(&entry).ours(name).is_none()) {
                let taken = host.taken(file, name, None).because("Nothing was written.");
                return Err(taken.fix(format!("Give yours another name, or remove that of {}.", host.title)));
            }
        }
    }
    Ok(())
}

pub(crate) fn uninstall(args: &UninstallArgs) -> Result<ExitCode> {
    let around = Surroundings::here();
    let hosts = Chosen::read(&args.host)?;
    let scope = scope(args.project.as_deref(), &args.name)?;
    let _turn = if args.dry_run { None } else { turn::wait() };
    let plans = hosts.0.iter().map(|host| Plan::uninstall(host, &scope, &around, &args.name)).collect();
    finished(plans, args.dry_run, &scope, &around, &[]).answered(args.json)
}

fn planned(
    hosts: &Chosen,
    scope: &Scope,
    around: &Surroundings,
    runs: &[Run],
    theirs: Theirs,
    auto: bool,
) -> Vec<Plan> {
    let mut plans = Vec::new();
    for host in &hosts.0 {
        // What is to be done by hand was not asked for.
        if auto && !host.is_written {
            let mut plan = Plan::new(host);
            plan.notes.push(format!("`mcp-mtls install {}` shows what to put into its file", host.id));
            plans.push(plan);
            continue;
        }
        let mut plan = Plan::install(host, scope, around, runs, theirs);
        notes::add(&mut plan, scope, runs);
        plans.push(plan);
    }
    plans
}

fn finished(mut plans: Vec<Plan>, dry: bool, scope: &Scope, around: &Surroundings, runs: &[Run]) -> Installed {
    for plan in plans.iter_mut().filter(|_| !dry) {
        plan.write();
        if let Err(failure) = plan.show(scope, around, runs) {
            plan.failure = Some(failure);
        }
    }
    Installed { plans, dry }
}

/// Says what will be written, and asks.
fn agree(plans: &[Plan], yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    render::notice(&view::intended(plans));
    match render::confirmed("Shall these files be changed?") {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Code::Stopped, "It was not agreed to, and nothing was written")),
        None => Err(Failure::new(Code::UsageInvalid, "Files of hosts would be changed, and nobody can be asked")
            .because("There is no terminal. The files are listed above; nothing was written.")
            .fix("Look at them, and add --yes if they may be changed; --dry-run shows how.")),
    }
}

/// What hosts are to run for these entries, and why some cannot be.
type Runs = (Vec<Run>, Vec<(String, Failure)>);

fn runs(names: &[String], config: Option<&Path>, around: &Surroundings) -> Result<Runs> {
    let config = config.map(|file| config::path_of_flag(file, "--config")).transpose()?;
    let program = program::path(around)?;
    let mut entries: Vec<(String, Result<Entry>)> = Vec::new();
    if names.is_empty() {
        for listed in config::list(config.as_deref()) {
            match (listed.name, listed.entry) {
                (Some(_), Ok(entry)) if !entry.is_enabled() => {}
                (Some(name), entry) => entries.push((name, entry)),
                // A file that cannot be read may hold anything.
                (None, Err(failure)) => return Err(failure),
                (None, Ok(_)) => {}
            }
        }
        if entries.is_empty() {
            return Err(Failure::new(Code::ConfigNoSuchEntry, "No entry is enabled")
                .fix("Add one with `mcp-mtls add NAME URL`, or name one that is disabled to be told about it."));
        }
    }
    for name in names {
        if !entries.iter().any(|(other, _)| other == name) {
            entries.push((name.clone(), config::find(name, config.as_deref())));
        }
    }
    let (mut runs, mut broken) = (Vec::new(), Vec::new());
    for (name, entry) in entries {
        match entry.and_then(|entry| run(&name, &entry, &program)) {
            Ok(run) => runs.push(run),
            Err(failure) => broken.push((name, failure)),
        }
    }
    Ok((runs, broken))
}

fn run(name: &str, entry: &Entry, program: &str) -> Result<Run> {
    if !entry.is_enabled() {
        let failure = Failure::new(Code::ConfigDisabled, "The entry is disabled");
        let failure = entry.place().into_iter().fold(failure, |failure, place| failure.at(place.to_string()));
        return Err(failure.because("A host that ran it would be refused.").fix("Remove `\"enabled\": false`."));
    }
    let Some(Origin::File { file, .. }) = entry.place() else {
        return Err(Failure::new(Code::SystemFailed, "The entry stands in no file"));
    };
    let file = program::usable(file, "The path of the configuration file")?;
    Run::new(name, program, &file, entry)
}

//! What deserves a word about an entry in a host.

use mcp_mtls_core::config::Variable;
use mcp_mtls_core::error::plain;

use super::file::Scope;
use super::host::{Environment, Host, Longer, More};
use super::plan::{Plan, What};
use super::program;
use super::shape::Run;

/// What there is to say about these entries in the host of the plan.
pub(super) fn add(plan: &mut Plan, scope: &Scope, runs: &[Run]) {
    let host = plan.host;
    if plan.failure.is_some() {
        return;
    }
    let failed =
        |name: &str| plan.entries.iter().any(|entry| entry.name == name && matches!(entry.what, What::Failed(_)));
    let runs: Vec<_> = runs.iter().filter(|run| !failed(&run.name)).collect();
    let mut notes: Vec<String> = runs.iter().flat_map(|run| of_run(host, run)).collect();
    let program = runs.first().and_then(|run| program::warning(&run.program));
    if let (Scope::Project(_), Some(_)) = (scope, runs.first()) {
        notes.push("whoever gets this project with its files gets absolute paths of this machine, too".to_owned());
    }
    notes.extend(program);
    plan.notes.extend(notes);
}

fn of_run(host: &Host, run: &Run) -> Vec<String> {
    let (name, title) = (plain(&run.name), host.title);
    let mut notes = Vec::new();
    let missing: Vec<_> = host.missing(run).collect();
    let needed = || run.variables.iter().filter(|variable| missing.contains(&variable.name.as_str()));
    let is_left_out = |variable: &&Variable| host.is_left_out(run, &variable.name);
    match &host.environment {
        Environment::Whole => {}
        Environment::Part { more: More::No, .. } => {
            notes.extend(needed().map(|variable| {
                format!("{name} needs {}, which {title} does not give to servers: {}", variable.name, instead(variable))
            }));
        }
        Environment::Part { more, .. } => {
            let names: Vec<_> = host.passed(run).collect();
            if !names.is_empty() {
                notes.push(format!("{title} passes {} on to {name}; no value is written", names.join(", ")));
            }
            if let (More::References { before, after, keeps: true, .. }, Some(first)) = (more, names.first()) {
                notes.push(format!(
                    "one that is not set arrives as the text {before}{first}{after}: {title} must always have what it gives",
                ));
            }
            notes.extend(needed().filter(is_left_out).map(|variable| {
                format!(
                    "{} is not set here, and {title} is not told to give it to {name}: set it and run this again, or {}",
                    variable.name,
                    instead(variable)
                )
            }));
        }
    }
    // What a host never gives need not be set in it.
    let gives = !matches!(host.environment, Environment::Part { more: More::No, .. });
    let unset = run.variables.iter().filter(|variable| gives && !variable.is_set && !is_left_out(variable));
    notes.extend(
        unset.map(|variable| format!("{} is not set here; {title} must have it when it starts {name}", variable.name)),
    );
    if run.starts && !matches!(host.environment, Environment::Whole) {
        notes.push(format!("the programs that {name} runs get only the variables that {title} gives"));
    }
    if let Some(startup) = host.startup.as_ref().filter(|startup| run.timeout.as_secs() >= startup.seconds)
        && let Longer::Variable(variable) = startup.longer
    {
        let seconds = run.timeout.as_secs();
        notes.push(format!(
            "{name} may take {seconds} s to connect, and {title} waits {} s: set {variable}={} for it",
            startup.seconds,
            (seconds + 5) * 1000
        ));
    }
    notes
}

/// What to do where a variable does not arrive.
fn instead(variable: &Variable) -> String {
    match variable.setting.as_str() {
        "proxy" => "set `proxy` in the entry".to_owned(),
        "tls.spiffe.socket" => "set `socket` in the entry".to_owned(),
        "tls.ca" => "set `ca` in the entry".to_owned(),
        setting => format!("write {{file:PATH}} instead of {{env:{}}} in {}", variable.name, plain(setting)),
    }
}

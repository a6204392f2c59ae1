//! How it looks: as text for people, as JSON for programs.

use mcp_mtls_core::error::{plain, printable};
use serde_json::json;

use super::change;
use super::list::{Ours, Row, Standing};
use super::plan::{Outcome, Plan, Snippet, What};
use crate::render::{self, Ink, Paint};

/// What was done to the files of each host, or would be.
pub(super) fn plans(plans: &[Plan], dry: bool, paint: Paint) -> String {
    plans.iter().map(|plan| one(plan, dry, paint)).collect::<Vec<_>>().join("\n\n")
}

fn one(plan: &Plan, dry: bool, paint: Paint) -> String {
    let host = plan.host;
    let mut lines = vec![paint.ink(Ink::Strong, host.title).into_owned()];
    if let Some(failure) = &plan.failure {
        lines.push(render::failure_within("error", Ink::Bad, failure, 2, paint));
    }
    for entry in &plan.entries {
        lines.extend(outcome(plan, entry, dry, paint));
    }
    let done = |entry: &Outcome| entry.changes() && !dry;
    let is_nothing = plan.entries.is_empty() && plan.notes.is_empty() && plan.failure.is_none();
    if is_nothing && plan.snippet.is_none() && !plan.files.is_empty() {
        let files = plan.files.iter().map(|file| printable(&file.told())).collect::<Vec<_>>().join(" and ");
        lines.push(render::wrapped(&format!("Nothing of mcp-mtls is in {files}."), 2));
    }
    lines.extend(plan.snippet.iter().map(|snippet| by_hand(plan, snippet)));
    for backup in plan.files.iter().filter_map(|file| file.backup.as_ref()) {
        let what =
            if backup.is_new { "What the file was before is in" } else { "What it was before mcp-mtls is still in" };
        lines.push(format!("  {what} {}.", printable(&backup.path.display().to_string())));
    }
    lines.extend(plan.notes.iter().map(|note| render::labelled("note", Ink::Warning, &printable(note), 2, paint)));
    let removed = |entry: &Outcome| matches!(entry.what, What::Remove);
    if plan.snippet.is_some() || plan.entries.iter().any(|entry| done(entry) && !removed(entry)) {
        lines.push(render::labelled("next", Ink::Good, plan.next, 2, paint));
    } else if plan.entries.iter().any(done) {
        lines.push(render::wrapped(&format!("What runs keeps it until {} is started anew.", host.title), 2));
    }
    lines.join("\n")
}

fn outcome(plan: &Plan, entry: &Outcome, dry: bool, paint: Paint) -> Vec<String> {
    let file = plan.files.get(entry.file).map(|file| printable(&file.told())).unwrap_or_default();
    let name = if entry.name.is_empty() { "(no name)".to_owned() } else { printable(&entry.name) };
    let text = match (&entry.what, dry) {
        (What::Failed(failure), _) => {
            return vec![format!("  {name}: not done"), render::failure_within("error", Ink::Bad, failure, 4, paint)];
        }
        (What::Same, _) => format!("{name} is in {file} as it should be: nothing to change"),
        (What::Add, false) => format!("Added {name} to {file}."),
        (What::Update, false) => format!("Updated {name} in {file}."),
        (What::Replace, false) => format!("Replaced {name} in {file}."),
        (What::Remove, false) => format!("Removed {name} from {file}."),
        (What::Add, true) => format!("Would add {name} to {file}:"),
        (What::Update, true) => format!("Would update {name} in {file}:"),
        (What::Replace, true) => format!("Would replace {name} in {file}:"),
        (What::Remove, true) => format!("Would remove {name} from {file}:"),
    };
    let mut lines = vec![format!("  {text}")];
    if !dry && entry.comments > 0 {
        lines.push(format!("  With that went {}.", change::comments(entry.comments)));
    }
    if dry {
        lines.extend(entry.lines.iter().map(|line| {
            let ink = match line.as_bytes().first() {
                Some(b'-') => Ink::Bad,
                Some(b'+') => Ink::Good,
                _ => Ink::Faint,
            };
            format!("    {}", paint.ink(ink, line))
        }));
    }
    lines
}

fn by_hand(plan: &Plan, snippet: &Snippet) -> String {
    let host = plan.host;
    let keys = host.keys.join(".");
    let file = match &snippet.file {
        Some(file) => printable(&file.display().to_string()),
        None => "its configuration file, whose place on this system is not known".to_owned(),
    };
    let who = if host.is_written { "This was not written to" } else { "mcp-mtls does not write" };
    let what = format!(
        "{who} the file of {}. Put this into {file}; if that has `{keys}` already, put what is \
         under `{keys}` here under it:",
        host.title
    );
    format!("{}\n\n{}\n", render::wrapped(&what, 2), snippet.text.trim_end())
}

/// What will be written, for whoever is asked.
pub(super) fn intended(plans: &[Plan]) -> String {
    let mut lines = vec!["These files would be changed:".to_owned()];
    for plan in plans {
        for (at, file) in plan.files.iter().enumerate().filter(|(_, file)| file.changed) {
            let entries = plan.entries.iter().filter(|entry| entry.file == at && entry.changes());
            let names: Vec<_> = entries.map(|entry| plain(&entry.name)).collect();
            lines.push(format!("  {} ({}): {}", printable(&file.told()), plan.host.title, names.join(", ")));
        }
    }
    let failed = |plan: &Plan| {
        let told = plan.failures().map(|failure| format!("  {}: {failure}", plan.host.title));
        told.collect::<Vec<_>>()
    };
    let failed: Vec<_> = plans.iter().flat_map(failed).collect();
    if !failed.is_empty() {
        lines.push("These would not:".to_owned());
        lines.extend(failed);
    }
    lines.join("\n")
}

pub(super) fn plans_json(plans: &[Plan], dry: bool) -> serde_json::Value {
    let hosts = plans.iter().map(|plan| {
        let entries = plan.entries.iter().map(|entry| {
            let file = plan.files.get(entry.file);
            let (state, failure) = match &entry.what {
                What::Add => ("added", None),
                What::Update => ("updated", None),
                What::Replace => ("replaced", None),
                What::Same => ("unchanged", None),
                What::Remove => ("removed", None),
                What::Failed(failure) => ("failed", Some(failure)),
            };
            json!({
                "name": entry.name,
                "state": state,
                "file": file.map(|file| file.target.path()),
                "change": dry.then_some(&entry.lines),
                "comments": entry.comments,
                "failure": failure,
            })
        });
        json!({
            "host": plan.host.id,
            "entries": entries.collect::<Vec<_>>(),
            "backups": plan.files.iter().filter_map(|file| Some(&file.backup.as_ref()?.path)).collect::<Vec<_>>(),
            "snippet": plan.snippet.as_ref().map(|snippet| json!({
                "file": snippet.file,
                "keys": plan.host.keys,
                "text": snippet.text,
            })),
            "notes": plan.notes,
            "failure": plan.failure,
        })
    });
    json!({ "dryRun": dry, "hosts": hosts.collect::<Vec<_>>() })
}

pub(super) fn rows(rows: &[Row], paint: Paint) -> String {
    let width = rows.iter().map(|row| row.host.id.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in rows {
        let id = paint.ink(if row.is_here { Ink::Strong } else { Ink::Faint }, row.host.id).into_owned();
        let gap = " ".repeat(width - row.host.id.len());
        let here = if row.is_here { "here" } else { "not here" };
        let way = if row.host.is_written { "install writes its file" } else { "shown to be copied" };
        lines.push(format!("{id}{gap}  {here}, {way}"));
        if let Some(file) = row.file.as_ref().filter(|_| row.is_here) {
            lines.push(format!("  {}", printable(&file.display().to_string())));
        }
        match &row.entries {
            Ok(entries) if !entries.is_empty() => {
                let names: Vec<_> = entries.iter().map(ours).collect();
                lines.push(render::labelled("entries", Ink::Good, &names.join(", "), 2, paint));
            }
            Ok(_) => {}
            Err(failure) => lines.push(render::failure_within("error", Ink::Bad, failure, 2, paint)),
        }
    }
    lines.join("\n")
}

fn ours(entry: &Ours) -> String {
    let name = plain(&entry.name);
    match (entry.standing, &entry.config) {
        (Standing::Yours, _) => name,
        (Standing::Elsewhere, Some(config)) => format!("{name} (of {})", plain(config)),
        (Standing::Missing | Standing::Elsewhere, _) => format!("{name} (not in your configuration)"),
    }
}

pub(super) fn rows_json(rows: &[Row]) -> serde_json::Value {
    let hosts = rows.iter().map(|row| {
        json!({
            "host": row.host.id,
            "title": row.host.title,
            "installed": row.is_here,
            "file": row.file,
            "written": row.host.is_written,
            "entries": row.entries.as_ref().ok().map(|entries| entries.iter().map(|entry| json!({
                "name": entry.name,
                "config": entry.config,
                "isYours": entry.standing == Standing::Yours,
            })).collect::<Vec<_>>()),
            "failure": row.entries.as_ref().err(),
        })
    });
    json!({ "hosts": hosts.collect::<Vec<_>>() })
}

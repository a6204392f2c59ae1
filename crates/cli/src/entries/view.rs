//! How entries look: as text for people, as JSON for programs.

use std::path::Path;

use mcp_mtls_core::doctor::{Report, Stage};
use mcp_mtls_core::error::{printable, quoted};
use mcp_mtls_core::identity::facts::CertificateFacts;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::add::{Added, Found};
use super::list::{Row, State};
use crate::hosts::Installed;
use crate::render::{self, Ink, Paint};

/// What was found, then what was written.
pub(super) fn added(added: &Added, paint: Paint) -> String {
    let mut lines = match &added.found {
        Found::Server(report) => of_server(report, paint),
        Found::Identity(identity, notes) => {
            let told = identity.as_ref().map(|identity| certificate(identity.facts()));
            let told = told.unwrap_or_else(|| "no client certificate is set".to_owned());
            let mut lines = vec![field("certificate", &told, paint)];
            lines.push(field("server", "not asked, since --offline was given", paint));
            lines.extend(notes.iter().map(|note| field("note", &printable(note), paint)));
            lines
        }
    };
    for moved in &added.draft.moved {
        let text = format!("{} is written as {}", printable(&moved.from), moved.to.display());
        lines.push(field(&moved.setting, &text, paint));
    }
    lines.extend(added.notes.iter().map(|note| field("note", &printable(note), paint)));
    lines.push(String::new());
    let verb = if added.replaced { "Replaced" } else { "Added" };
    let done = format!("{verb} {} in {}.", added.name, added.file.display());
    lines.push(paint.ink(Ink::Good, &done).into_owned());
    lines.extend(added.backup.as_deref().map(backup));
    match &added.installed {
        None => {
            lines.push("A host runs it as:".to_owned());
            lines.push(render::command_line(&command(added), 2));
            lines.push("This puts it into a host:".to_owned());
            lines.push(render::command_line(&installing(added), 2));
        }
        Some(Ok(installed)) => lines.extend([String::new(), installed.text(paint)]),
        Some(Err(failure)) => {
            lines.push("The hosts were not changed:".to_owned());
            lines.push(render::failure_within("error", Ink::Bad, failure, 2, paint));
        }
    }
    lines.join("\n")
}

fn command(added: &Added) -> Vec<&str> {
    with_config(&["mcp-mtls", "connect", &added.name], added)
}

fn installing(added: &Added) -> Vec<&str> {
    with_config(&["mcp-mtls", "install", "HOST", &added.name], added)
}

fn with_config<'a>(words: &[&'a str], added: &'a Added) -> Vec<&'a str> {
    match added.config.as_deref().and_then(Path::to_str) {
        Some(config) => [words, &["--config", config]].concat(),
        None => words.to_vec(),
    }
}

fn of_server(report: &Report, paint: Paint) -> Vec<String> {
    let fact = |stage: Stage, name: &str| {
        let step = report.steps.iter().find(|step| step.stage == stage)?;
        let fact = step.facts.iter().find(|fact| fact.name == name)?;
        fact.text.first().map(|text| printable(text))
    };
    let server = [fact(Stage::Mcp, "server"), fact(Stage::Mcp, "tools")];
    let joined =
        |facts: [Option<String>; 2], between: &str| facts.into_iter().flatten().collect::<Vec<_>>().join(between);
    let mut lines = vec![field("server", &joined(server, ", "), paint)];
    let identity = [fact(Stage::Identity, "certificate"), fact(Stage::Tls, "certificateAccepted")];
    if identity.iter().any(Option::is_some) {
        lines.push(field("certificate", &joined(identity, "; "), paint));
    }
    for step in &report.steps {
        lines.extend(step.notes.iter().map(|note| field("note", &printable(note), paint)));
        let warnings = step.warnings.iter();
        lines.extend(warnings.map(|warning| render::failure_within("warning", Ink::Warning, warning, 2, paint)));
    }
    lines
}

pub(super) fn added_json(added: &Added) -> serde_json::Value {
    let moved = added.draft.moved.iter();
    let (report, identity) = match &added.found {
        Found::Server(report) => (Some(report), examined_certificate(report)),
        Found::Identity(identity, _) => (None, identity.as_ref().map(|identity| certificate_json(identity.facts()))),
    };
    let notes = match &added.found {
        Found::Server(_) => &[][..],
        Found::Identity(_, notes) => notes,
    };
    json!({
        "name": added.name,
        "file": added.file,
        "backup": added.backup,
        "replaced": added.replaced,
        "paths": moved.map(|moved| json!({ "setting": moved.setting, "from": moved.from, "to": moved.to })).collect::<Vec<_>>(),
        "notes": notes.iter().chain(&added.notes).collect::<Vec<_>>(),
        "certificate": identity,
        "report": report,
        "installed": added.installed.as_ref().and_then(|installed| installed.as_ref().ok()).map(Installed::json),
        "installFailure": added.installed.as_ref().and_then(|installed| installed.as_ref().err()),
    })
}

/// The client certificate that the report tells of.
fn examined_certificate(report: &Report) -> Option<serde_json::Value> {
    let step = report.steps.iter().find(|step| step.stage == Stage::Identity)?;
    let told = &step.facts.iter().find(|fact| fact.name == "certificate")?.value;
    let not_after = told["notAfter"].as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    Some(json!({
        "subject": told["subject"],
        "notAfter": told["notAfter"],
        "daysLeft": not_after.map(|end| (end - OffsetDateTime::now_utc()).whole_days()),
        "sha256": told["sha256"],
    }))
}

/// `stays` when a comment right above it did not go with it: it may be about others, too.
pub(super) fn removed(name: &str, file: &Path, kept: Option<&Path>, comments: &[String], stays: bool) -> String {
    let mut lines = vec![format!("Removed {} from {}.", printable(name), file.display())];
    if stays {
        lines.push("The comment above it stays.".to_owned());
    }
    if !comments.is_empty() {
        lines.push("These comments went with it:".to_owned());
        lines.extend(
            comments.iter().flat_map(|comment| comment.lines()).map(|line| format!("  {}", printable(line.trim()))),
        );
    }
    lines.extend(kept.map(backup));
    lines.join("\n")
}

/// The entries, under the file that they stand in.
pub(super) fn list(rows: &[Row], paint: Paint) -> String {
    if rows.is_empty() {
        return "There are no entries. `mcp-mtls add NAME URL` adds one.".to_owned();
    }
    let width = rows.iter().filter_map(|row| row.name.as_ref()).map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut file = None;
    for row in rows {
        let here = row.file.as_ref().map(|file| file.display().to_string());
        if here.is_some() && here != file {
            lines.push(paint.ink(Ink::Faint, here.as_deref().unwrap_or_default()).into_owned());
            file = here;
        }
        lines.push(one(row, width, paint));
    }
    lines.join("\n")
}

fn one(row: &Row, width: usize, paint: Paint) -> String {
    let Some(name) = &row.name else {
        return match &row.state {
            State::Broken(failure) => render::failure_within("error", Ink::Bad, failure, 2, paint),
            _ => String::new(),
        };
    };
    let name = format!("{:<width$}", printable(name));
    let url = row.url.as_deref().map_or_else(String::new, printable);
    let head = format!("  {}  {url}", paint.ink(Ink::Strong, &name));
    let indent = 4;
    let told = match &row.state {
        State::Enabled(None) => "no client certificate".to_owned(),
        State::Enabled(Some(facts)) => certificate(facts),
        State::Unknown(why) => match row.identity {
            Some(identity) => format!("certificate by {identity}, not looked at: {why}"),
            None => format!("no client certificate; {why}"),
        },
        State::Disabled => paint.ink(Ink::Faint, "disabled").into_owned(),
        State::Broken(failure) => {
            return format!(
                "{}\n{}",
                head.trim_end(),
                render::labelled("broken", Ink::Bad, &printable(&failure.to_string()), indent, paint)
            );
        }
    };
    format!("{}\n{}", head.trim_end(), render::wrapped(&told, indent))
}

pub(super) fn list_json(rows: &[Row]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        let (state, certificate, failure, note) = match &row.state {
            State::Enabled(facts) => ("enabled", facts.as_ref(), None, None),
            State::Unknown(why) => ("enabled", None, None, Some(why)),
            State::Disabled => ("disabled", None, None, None),
            State::Broken(failure) => ("broken", None, Some(failure), None),
        };
        json!({
            "name": row.name,
            "file": row.file,
            "url": row.url,
            "identity": row.identity,
            "certificate": certificate.map(|facts| certificate_json(facts)),
            "state": state,
            "note": note,
            "failure": failure,
        })
    });
    json!({ "entries": rows.collect::<Vec<_>>() })
}

fn certificate(facts: &CertificateFacts) -> String {
    let now = OffsetDateTime::now_utc();
    // The words of `describe`, with the subject as somebody else's.
    let described = facts.describe(now);
    let rest = described.strip_prefix(facts.title()).unwrap_or_default();
    format!("{}{rest}", quoted(facts.title()))
}

fn certificate_json(facts: &CertificateFacts) -> serde_json::Value {
    json!({
        "subject": facts.subject,
        "notAfter": facts.not_after.format(&Rfc3339).ok(),
        "daysLeft": (facts.not_after - OffsetDateTime::now_utc()).whole_days(),
        "sha256": facts.fingerprint,
    })
}

fn backup(path: &Path) -> String {
    format!("What the file was before is in {}.", path.display())
}

fn field(name: &str, text: &str, paint: Paint) -> String {
    let label = format!("  {:<13}", format!("{name}:"));
    let label = if label.ends_with(' ') { label } else { format!("{label} ") };
    render::beside(&paint.ink(Ink::Faint, &label), label.chars().count(), text)
}

//! How trust looks: as text for people, as JSON for programs.

use std::path::Path;

use mcp_mtls_core::config::Draft;
use serde_json::{Value, json};

use super::Own;
use super::covered::Covered;
use super::store::Store;
use crate::entries::preview;
use crate::hosts::opencode::Entries;

/// What is asked about.
pub(super) fn asked(entries: &Entries, own: &[Own], covered: &Covered) -> String {
    let mut parts = vec![format!("The project {} has these entries of its own.", folder(entries))];
    for Own { name, draft, .. } in own {
        parts.push(preview::draft(&format!("The entry {}:", quoted(name)), draft, &sends(draft)));
    }
    parts.push("Trust covers these as they are now, and ends when one of them changes:".to_owned());
    parts.extend(covered.iter().map(|(path, state)| {
        let is = if state.target == *path { String::new() } else { format!(" is {}", preview::path(&state.target)) };
        format!("  {}{is}", preview::path(path))
    }));
    if own.iter().any(|one| !one.draft.programs.is_empty()) {
        parts.push("What these programs read or start themselves is not covered.".to_owned());
    }
    parts.join("\n")
}

/// What is sent to the server, and what it is shown of the user by the handshake.
fn sends(draft: &Draft) -> Vec<String> {
    let mut sends = preview::sent(draft);
    sends.extend(preview::presented(draft));
    sends
}

pub(super) fn trusted(entries: &Entries, names: &[&str]) -> String {
    format!("Trusted: {} in {}. Start opencode anew there.", listed(names), folder(entries))
}

/// What trust allows, for programs.
pub(super) fn allowed_json(entries: &Entries, own: &[Own], covered: &Covered) -> Value {
    let one = |Own { name, draft, .. }: &Own| {
        json!({
            "name": name,
            "entry": preview::json(draft),
            "programs": preview::programs(draft),
            "sends": sends(draft),
        })
    };
    let covers = covered.iter().map(|(path, state)| json!({ "path": path, "target": state.target }));
    json!({
        "directory": entries.project.directory,
        "entries": own.iter().map(one).collect::<Vec<_>>(),
        "covered": covers.collect::<Vec<_>>(),
    })
}

pub(super) fn nothing(entries: &Entries) -> String {
    let told =
        format!("There is nothing to trust: no entry with `tls` is set by the files of {} alone.", folder(entries));
    let refused = refused(entries);
    refused.iter().fold(told, |told, line| format!("{told}\n{line}"))
}

pub(super) fn nothing_json(entries: &Entries) -> Value {
    json!({ "directory": entries.project.directory, "entries": [], "notes": refused(entries) })
}

pub(super) fn list(store: &Store) -> String {
    let lines: Vec<_> =
        store.projects().map(|(path, trusted)| format!("{}  since {}", preview::path(path), trusted.date)).collect();
    if lines.is_empty() {
        "No project is trusted. `mcp-mtls trust DIR` trusts one.".to_owned()
    } else {
        lines.join("\n")
    }
}

pub(super) fn list_json(store: &Store) -> Value {
    let one = |(path, trusted): (_, &super::Trusted)| json!({ "directory": path, "date": trusted.date, "covered": trusted.covered });
    json!({ "projects": store.projects().map(one).collect::<Vec<_>>() })
}

pub(super) fn removed(directory: &Path) -> String {
    format!("{} is not trusted any more.", preview::path(directory))
}

pub(super) fn removed_json(directory: &Path) -> Value {
    json!({ "directory": directory, "removed": true })
}

/// What trust would not help.
fn refused(entries: &Entries) -> Vec<String> {
    entries
        .names()
        .into_iter()
        .filter_map(|name| entries.merged(name).err())
        .map(|failure| failure.to_string())
        .collect()
}

fn folder(entries: &Entries) -> String {
    preview::path(&entries.project.directory)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("`{}`", preview::visible(name))
}

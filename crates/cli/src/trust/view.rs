//! How trust looks: as text for people, as JSON for programs.

use std::path::Path;

use mcp_mtls_core::config::Draft;
use mcp_mtls_core::error::printable;
use serde_json::{Value, json};

use super::Hashes;
use super::store::Store;
use crate::entries::preview;
use crate::hosts::opencode::Entries;

/// What is asked about.
pub(super) fn asked(entries: &Entries, drafts: &[(&str, Draft)], hashes: &Hashes) -> String {
    let mut parts = vec![format!("The project {} has these entries of its own.", folder(entries))];
    for (name, draft) in drafts {
        parts.push(preview::draft(&format!("The entry `{}`:", printable(name)), draft, &preview::sent(draft)));
    }
    parts.push("Trust covers these files as they are now, and ends when one of them changes:".to_owned());
    parts.extend(hashes.keys().map(|path| format!("  {}", path.display())));
    parts.join("\n")
}

pub(super) fn trusted(entries: &Entries, names: &[&str]) -> String {
    format!("Trusted: {} in {}. Start opencode anew there.", listed(names), folder(entries))
}

pub(super) fn trusted_json(entries: &Entries, names: &[&str]) -> Value {
    json!({ "directory": entries.project.directory, "entries": names, "files": entries.files().keys().collect::<Vec<_>>() })
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
        store.projects().map(|(path, trusted)| format!("{}  since {}", path.display(), trusted.date)).collect();
    if lines.is_empty() {
        "No project is trusted. `mcp-mtls trust DIR` trusts one.".to_owned()
    } else {
        lines.join("\n")
    }
}

pub(super) fn list_json(store: &Store) -> Value {
    let one = |(path, trusted): (_, &super::Trusted)| json!({ "directory": path, "date": trusted.date, "files": trusted.files });
    json!({ "projects": store.projects().map(one).collect::<Vec<_>>() })
}

pub(super) fn removed(directory: &Path) -> String {
    format!("{} is not trusted any more.", directory.display())
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
    entries.project.directory.display().to_string()
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{}`", printable(name))).collect::<Vec<_>>().join(", ")
}

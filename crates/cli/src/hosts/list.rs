//! `install --list`: the hosts, where their files are, and what of ours is in them.

use std::path::PathBuf;

use mcp_mtls_core::error::Failure;

use super::file::{Scope, open};
use super::host::Host;
use super::place::Surroundings;
use super::rows::HOSTS;
use super::view;
use crate::render::{self, Paint};

pub(super) struct Row {
    pub(super) host: &'static Host,
    pub(super) is_here: bool,
    pub(super) file: Option<PathBuf>,
    /// Our entries in its files.
    pub(super) entries: Result<Vec<String>, Failure>,
}

pub(super) fn run(around: &Surroundings, as_json: bool) {
    let rows: Vec<_> = HOSTS.iter().map(|host| row(host, around)).collect();
    if as_json {
        render::json(&view::rows_json(&rows));
    } else {
        render::answer(&view::rows(&rows, Paint::stdout()));
    }
}

/// The hosts that start this entry.
pub(crate) fn that_start(name: &str) -> Vec<&'static str> {
    let around = Surroundings::here();
    let rows = HOSTS.iter().map(|host| row(host, &around));
    let has = |row: &Row| row.entries.as_ref().is_ok_and(|entries| entries.iter().any(|entry| entry == name));
    rows.filter(has).map(|row| row.host.id).collect()
}

fn row(host: &'static Host, around: &Surroundings) -> Row {
    let (file, entries) = match host.file(&Scope::User, around) {
        Err(failure) => (None, Err(failure)),
        Ok(file) => {
            let files = open(host, &Scope::User, around);
            let ours = files.map(|files| files.iter().flat_map(|file| host.ours(file)).collect());
            (file, ours)
        }
    };
    Row { host, is_here: host.is_here(around), file, entries }
}

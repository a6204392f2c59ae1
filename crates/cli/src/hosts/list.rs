//! `install --list`: the hosts, where their files are, and what of ours is in them.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{self, Listed};
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
    pub(super) entries: Result<Vec<Ours>, Failure>,
}

/// An entry of ours in the file of a host.
pub(super) struct Ours {
    pub(super) name: String,
    /// The configuration file that it names.
    pub(super) config: Option<String>,
    pub(super) standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is in the user's configuration, or the machine's.
    Yours,
    /// It should be there, and is not.
    Missing,
    /// It is of another file.
    Elsewhere,
}

pub(super) fn run(around: &Surroundings, as_json: bool) {
    let listed = config::list(None);
    let rows: Vec<_> = HOSTS.iter().map(|host| row(host, around, &listed)).collect();
    if as_json {
        render::json(&view::rows_json(&rows));
    } else {
        render::answer(&view::rows(&rows, Paint::stdout()));
    }
}

/// The hosts that start this entry of this configuration file.
pub(crate) fn that_start(name: &str, file: &Path) -> Vec<&'static str> {
    let around = Surroundings::here();
    let has = |host: &&&Host| {
        let files = open(host, &Scope::User, &around).unwrap_or_default();
        let mut entries = files.iter().flat_map(|file| host.ours(file));
        entries.any(|(other, config)| other == name && is_of(config.as_deref(), file))
    };
    HOSTS.iter().filter(has).map(|host| host.id).collect()
}

fn row(host: &'static Host, around: &Surroundings, listed: &[Listed]) -> Row {
    let (file, entries) = match host.file(&Scope::User, around) {
        Err(failure) => (None, Err(failure)),
        Ok(file) => {
            let files = open(host, &Scope::User, around);
            let ours = |(name, config): (String, Option<String>)| {
                let standing = standing(&name, config.as_deref(), listed);
                Ours { name, config, standing }
            };
            let ours = files.map(|files| files.iter().flat_map(|file| host.ours(file)).map(ours).collect());
            (file, ours)
        }
    };
    Row { host, is_here: host.is_here(around), file, entries }
}

fn standing(name: &str, config: Option<&str>, listed: &[Listed]) -> Standing {
    let is_there = |one: &Listed| {
        let is_meant = one.file.as_deref().is_some_and(|file| is_of(config, file));
        // A file that cannot be read may hold anything.
        is_meant && one.name.as_deref().is_none_or(|other| other == name)
    };
    if !config::files(None).iter().any(|file| is_of(config, file)) {
        Standing::Elsewhere
    } else if listed.iter().any(is_there) {
        Standing::Yours
    } else {
        Standing::Missing
    }
}

/// Whether `connect` reads this file, with that one named or without.
fn is_of(config: Option<&str>, file: &Path) -> bool {
    let is_same = |other: &Path| {
        other == file
            || fs::canonicalize(other).is_ok_and(|other| fs::canonicalize(file).is_ok_and(|file| file == other))
    };
    match config {
        Some(config) => is_same(Path::new(config)),
        None => config::files(None).iter().any(|other| is_same(other)),
    }
}

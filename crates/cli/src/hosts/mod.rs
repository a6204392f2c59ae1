//! Hosts: entries of ours in their files (`install`, `uninstall`), and what `opencode` has in its own.

mod change;
mod file;
mod host;
mod install;
mod list;
mod notes;
pub(crate) mod opencode;
mod place;
mod plan;
mod program;
mod rows;
mod shape;
mod view;

use std::path::{Path, PathBuf};

use mcp_mtls_core::config;
use mcp_mtls_core::error::{Code, Failure, Result, plain};

use file::Scope;
use host::Host;
use rows::HOSTS;

pub(crate) use install::{InstallArgs, Installed, UninstallArgs, added, check, install, uninstall};
pub(crate) use list::that_start;

/// The hosts of these names, with commas between them.
pub(crate) struct Chosen(Vec<&'static Host>);

impl Chosen {
    /// Their names, as `install` takes them.
    pub(crate) fn names(&self) -> String {
        self.0.iter().map(|host| host.id).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn read(names: &str) -> Result<Self> {
        let mut hosts: Vec<&'static Host> = Vec::new();
        for name in names.split(',').map(str::trim) {
            let host = rows::find(name).ok_or_else(|| unknown(name))?;
            if !hosts.iter().any(|other| other.id == host.id) {
                hosts.push(host);
            }
        }
        Ok(Self(hosts))
    }
}

/// The names of all hosts.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    HOSTS.iter().map(|host| host.id)
}

fn unknown(name: &str) -> Failure {
    if name.eq_ignore_ascii_case("auto") {
        return Failure::new(Code::UsageInvalid, "`auto` stands alone, and for `mcp-mtls install` only")
            .fix("Name the hosts: `mcp-mtls install --list` tells which are here.");
    }
    let failure = Failure::new(Code::UsageInvalid, format!("There is no host `{}`", plain(name)));
    let names = HOSTS.iter().flat_map(|host| host.aliases.iter().map(|alias| (true, *alias)).chain([(false, host.id)]));
    // Of two that are as near, the name and not the alias.
    let far = |(is_alias, near)| (strsim::damerau_levenshtein(&name.to_lowercase(), near), is_alias, near);
    match names.map(far).min() {
        Some((distance, _, near)) if distance <= 2 => failure.fix(format!("Did you mean `{near}`?")),
        _ => {
            let ids: Vec<_> = HOSTS.iter().map(|host| host.id).collect();
            failure.because(format!("The hosts are {}.", ids.join(", "))).fix("Name one of these.")
        }
    }
}

/// What puts an entry of this configuration file into hosts.
pub(crate) fn command(hosts: &str, name: &str, file: &Path) -> String {
    let command = format!("mcp-mtls install {hosts} {}", plain(name));
    if config::user_file().is_ok_and(|user| user == file) {
        command
    } else {
        format!("{command} --config {}", plain(&file.display().to_string()))
    }
}

/// The folder of the project, if one is meant. A folder among the names was meant for it.
fn scope(project: Option<&Path>, names: &[String]) -> Result<Scope> {
    let Some(folder) = project else { return Ok(Scope::User) };
    if names.iter().any(|name| name.contains(['/', '\\'])) {
        return Err(Failure::new(Code::UsageInvalid, "A folder is given as the name of an entry")
            .fix("Write --project=DIR, with the `=`."));
    }
    // Behind the `=` that is needed, not every shell replaces a `~`.
    let folder = config::path_of_flag(folder, "--project")?;
    if folder.is_dir() {
        return Ok(Scope::Project(plain_path(&folder)));
    }
    Err(Failure::new(Code::UsageInvalid, "There is no such folder")
        .at(folder.display().to_string())
        .fix("Name the folder of the project with --project=DIR."))
}

/// The path without the `.` in it.
fn plain_path(path: &Path) -> PathBuf {
    path.components().collect()
}

//! Which configuration file an entry comes from.

use std::env;
use std::path::{Path, PathBuf};

use super::file::named;
use super::origin::Origin;
use super::suggest::{self, nearest};
use super::{Entry, File};
use crate::error::{Code, Failure, Result, brief};

/// Finds the entry `name`: in `config` alone when it is given, else in the user's file, else in
/// the machine's.
///
/// # Errors
/// `config-no-such-entry` with the names that exist, and every error of reading a file.
pub fn find(name: &str, config: Option<&Path>) -> Result<Entry> {
    find_as(name, config, false)
}

/// The same for a command that takes the URL of a server in the place of a name, too, and says so.
///
/// # Errors
/// As [`find`].
pub fn find_unless_url(name: &str, config: Option<&Path>) -> Result<Entry> {
    find_as(name, config, true)
}

fn find_as(name: &str, config: Option<&Path>, takes_urls: bool) -> Result<Entry> {
    let paths = files(config);
    let mut names = Vec::new();
    let mut read = Vec::new();
    for path in &paths {
        let Some(file) = File::read(path)? else { continue };
        if let Some(entry) = file.entry(name)? {
            return Ok(entry);
        }
        names.extend(file.names()?);
        read.push(file.path().display().to_string());
    }
    if is_like_url(name) {
        let what = if takes_urls {
            "This is no name of an entry, and a URL begins with https://"
        } else {
            "This is no name of an entry"
        };
        let failure = paths
            .iter()
            .fold(Failure::new(Code::ConfigNoSuchEntry, what), |failure, path| failure.at(path.display().to_string()));
        return Err(failure.fix(if takes_urls {
            "If it is the URL of a server, write https:// before it."
        } else {
            "Give the name of an entry; `mcp-mtls list` tells what there is."
        }));
    }
    if read.is_empty() {
        return Err(no_file(&paths, config.is_some(), takes_urls));
    }
    let failure =
        Failure::new(Code::ConfigNoSuchEntry, format!("There is no entry `{}`", brief(name))).at(read.join(" and in "));
    if names.is_empty() {
        let fix = if takes_urls { "Add the entry with `mcp-mtls add NAME URL`, or give a URL." } else { ADD };
        return Err(failure.because("There are no entries at all.").fix(fix));
    }
    Err(match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => failure.fix(format!("Did you mean `{near}`?")),
        None => failure
            .because(format!("The entries are {}.", suggest::list(names.iter().map(String::as_str))))
            .fix("Name one of the entries, or write this one."),
    })
}

/// What a configuration file holds under one name, or why nothing under it can be found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The name; none when the failure is that of a whole file.
    pub name: Option<String>,
    /// The file; none when there is none at all.
    pub file: Option<PathBuf>,
    /// The entry, and every error of reading it.
    pub entry: Result<Entry>,
}

/// Every entry that [`find`] finds, and what keeps it from finding more.
#[must_use]
pub fn list(config: Option<&Path>) -> Vec<Listed> {
    let paths = files(config);
    let mut listed: Vec<Listed> = Vec::new();
    let mut read = Vec::new();
    for path in &paths {
        let names = File::read(path).and_then(|file| file.map(|file| Ok((file.names()?, file))).transpose());
        let (names, file) = match names {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(failure) => {
                listed.push(Listed { name: None, file: Some(path.clone()), entry: Err(failure) });
                // No name is looked for beyond a file that cannot be read.
                return listed;
            }
        };
        for name in names {
            if !listed.iter().any(|other| other.name.as_ref() == Some(&name))
                && let Some(entry) = file.entry(&name).transpose()
            {
                listed.push(Listed { name: Some(name), file: Some(file.path().to_owned()), entry });
            }
        }
        read.push(file.path().display().to_string());
    }
    if listed.is_empty() {
        let failure = if read.is_empty() {
            no_file(&paths, config.is_some(), false)
        } else {
            Failure::new(Code::ConfigNoSuchEntry, "There are no entries at all").at(read.join(" and in ")).fix(ADD)
        };
        listed.push(Listed { name: None, file: None, entry: Err(failure) });
    }
    listed
}

/// Whether this is rather a URL that lacks its scheme than a name. It is not repeated: there may be a token in it.
fn is_like_url(name: &str) -> bool {
    let has_port = name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    has_port || name.contains('/')
}

fn no_file(paths: &[PathBuf], of_flag: bool, takes_urls: bool) -> Failure {
    let what = match paths {
        [only] if of_flag => format!("There is no configuration file {}", named(only)),
        _ => "There is no configuration file".to_owned(),
    };
    let failure = Failure::new(Code::ConfigUnreadable, what);
    let failure = paths.iter().fold(failure, |failure, path| failure.at(path.display().to_string()));
    if of_flag {
        return failure.fix("Correct the path of --config, or write the file.");
    }
    let failure = match user_folder() {
        Some(_) => failure,
        None => failure
            .because("The environment names no home folder, where yours would be; some hosts clear it.")
            .fix("Set HOME in the host's `env`, or give --config /ABSOLUTE/PATH."),
    };
    failure.fix(if takes_urls {
        "Add an entry with `mcp-mtls add NAME URL`, or give a URL and --cert, --key and --ca instead of a name."
    } else {
        ADD
    })
}

/// The user's own configuration file, whether it is there or not.
///
/// # Errors
/// `config-unreadable` without a home folder.
pub fn user_file() -> Result<PathBuf> {
    user_folder().map(|folder| folder.join("mcp-mtls").join(FILE)).ok_or_else(|| {
        Failure::new(Code::ConfigUnreadable, "There is no place for your configuration file")
            .because("The environment names no home folder.")
            .fix("Name the file with --config FILE.")
    })
}

/// Where entries are looked for: in `config` alone when it is given, else in the user's file, then in the machine's.
#[must_use]
pub fn files(config: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = config {
        return vec![path.to_owned()];
    }
    let user = user_file().ok();
    let machine = cfg!(unix).then(|| Path::new("/etc/mcp-mtls").join(FILE));
    user.into_iter().chain(machine).collect()
}

fn user_folder() -> Option<PathBuf> {
    if cfg!(windows) {
        return variable("APPDATA");
    }
    if cfg!(target_os = "macos") {
        return home().map(|home| home.join("Library/Application Support"));
    }
    // The XDG specification says that a relative path there counts as unset.
    variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| home().map(|home| home.join(".config")))
}

/// The user's home folder: `~`.
pub(crate) fn home() -> Option<PathBuf> {
    variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" })
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

const FILE: &str = "config.jsonc";
const ADD: &str = "Add an entry with `mcp-mtls add NAME URL`.";

/// The configuration file that `--config` names, if it is given.
///
/// # Errors
/// As [`path_of_flag`].
pub fn file_of_flag(written: Option<&Path>) -> Result<Option<PathBuf>> {
    written.map(|file| path_of_flag(file, "--config")).transpose()
}

/// The path that a flag names. Where no shell is between, as in the entries of hosts, nobody else replaces a `~`.
///
/// # Errors
/// `reference-unresolved` for a `~` without a home folder.
pub fn path_of_flag(written: &Path, flag: &str) -> Result<PathBuf> {
    match written.to_str() {
        Some(text) => expand(text, None, &Origin::Flag(flag.to_owned())),
        None => Ok(std::path::absolute(written).unwrap_or_else(|_| written.to_owned())),
    }
}

/// A path as written: `~` is the home folder, and the rest is relative to the file it stands in.
pub(super) fn expand(written: &str, folder: Option<&Path>, origin: &Origin) -> Result<PathBuf> {
    let path = match written.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            let Some(home) = home() else {
                return Err(Failure::new(Code::ReferenceUnresolved, "`~` has no meaning here")
                    .at(origin.to_string())
                    .because("The environment names no home folder; some hosts clear it.")
                    .fix("Write the absolute path."));
            };
            home.join(rest.trim_start_matches(['/', '\\']))
        }
        _ => PathBuf::from(written),
    };
    let path = folder.map_or_else(|| path.clone(), |folder| folder.join(&path));
    // Hosts start programs in folders of their choice; a message must say which file was meant.
    Ok(std::path::absolute(&path).unwrap_or(path))
}

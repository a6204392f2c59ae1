//! The path under which hosts are to start this program.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_mtls_core::error::{Code, Failure, Result};

use super::place::Surroundings;

/// The absolute path of this program. One that is found through `PATH` lasts longer than what it leads to: package
/// managers put every version into a folder of its own.
pub(super) fn path(surroundings: &Surroundings) -> Result<String> {
    let own = std::env::current_exe().map_err(|error| {
        Failure::new(Code::SystemFailed, "The path of this program is not known").because_of(&error)
    })?;
    let path = stable(&own, surroundings).unwrap_or(own);
    let failure = |what: &str| Failure::new(Code::UsageInvalid, what).at(path.display().to_string());
    if path.file_stem().is_none_or(|name| name != NAME) {
        return Err(failure("This program is not called mcp-mtls")
            .because("Its entries in the files of hosts are known by that name.")
            .fix("Give it that name, or run it through a link that has it, in a folder of PATH."));
    }
    if !path.is_file() {
        // It was replaced or removed while it runs.
        return Err(failure("This program is not where it was when it was started").fix("Try again."));
    }
    usable(&path, "The path of this program")
}

/// What there is to say about the path.
pub(super) fn warning(path: &str) -> Option<String> {
    is_built(Path::new(path)).then(|| {
        format!("{path} is in the folder of a build, and gone with the next `cargo clean`; install the program first")
    })
}

/// The path as text that means the same in the file of every host.
pub(super) fn usable(path: &Path, what: &str) -> Result<String> {
    let refused = |why: &str| {
        Err(Failure::new(Code::ConfigInvalidValue, format!("{what} cannot be written into the file of a host"))
            .at(path.display().to_string())
            .because(why)
            .fix("Move it to a folder with a plain name."))
    };
    match path.to_str() {
        None => refused("It is not UTF-8."),
        Some(text) if text.contains(['$', '{', '}']) => refused("Hosts take `$` and `{` for references."),
        Some(text) if text.chars().any(char::is_control) => refused("It has control characters in it."),
        Some(text) => Ok(text.to_owned()),
    }
}

fn stable(own: &Path, surroundings: &Surroundings) -> Option<PathBuf> {
    let real = fs::canonicalize(own).ok()?;
    surroundings.programs(NAME).find(|path| fs::canonicalize(path).is_ok_and(|path| path == real))
}

/// Whether cargo has built it there: it marks a folder that it has made for that.
fn is_built(path: &Path) -> bool {
    let profile = path.parent().is_some_and(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let mut folders = path.ancestors().skip(2).take(2);
    folders.any(|folder| folder.join("CACHEDIR.TAG").is_file() || (profile && folder.ends_with("target")))
}

const NAME: &str = "mcp-mtls";

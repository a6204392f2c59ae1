//! `mcp-mtls add`, `list` and `remove`: the entries of a configuration file.

mod add;
mod exposed;
mod list;
mod mcp_remote;
mod paste;
pub(crate) mod preview;
mod remove;
mod view;

use std::path::Path;

use mcp_mtls_core::config::{self, File, MAPS};
use mcp_mtls_core::error::{Code, Failure, Result};

use crate::edit::jsonc::Jsonc;
use crate::edit::write::Target;
use crate::edit::{Document as _, Trouble};

pub(crate) use add::{AddArgs, run as add};
pub(crate) use list::{ListArgs, run as list};
pub(crate) use remove::{RemoveArgs, run as remove};

/// A configuration file that is to be changed.
struct Configuration {
    target: Target,
    document: Jsonc,
}

impl Configuration {
    /// The file that was named, or the user's.
    fn open(path: Option<&Path>) -> Result<Self> {
        let target = Target::read(&path.map_or_else(config::user_file, |path| Ok(path.to_owned()))?)?;
        let document = Jsonc::parse(target.text()?);
        // What `connect` would not read is not changed either: of two of one name, nobody knows which is meant.
        match (File::parse(target.path().to_owned(), None, target.text()?).and_then(|file| file.names()), &document) {
            (Err(failure), Err(Trouble::Syntax { .. })) => return Err(failure.because(UNTOUCHED)),
            (Err(failure), Ok(document)) if failure.code() == Code::ConfigSyntax && !document.is_nothing() => {
                return Err(failure.because(UNTOUCHED));
            }
            (Err(failure), _) if failure.code() == Code::ConfigConflict => return Err(failure.because(UNTOUCHED)),
            _ => {}
        }
        let document = document.map_err(|trouble| in_file(trouble, target.path()))?;
        Ok(Self { target, document })
    }

    /// The map in which the entry of this name stands.
    fn map_of(&self, name: &str) -> Option<&'static str> {
        MAPS.into_iter().find(|map| self.document.get(&[map, name]).is_some())
    }

    /// The map in which a new entry belongs.
    fn map(&self) -> &'static str {
        MAPS.into_iter().find(|map| self.document.get(&[map]).is_some()).unwrap_or(MAPS[0])
    }

    fn told(&self) -> String {
        self.target.path().display().to_string()
    }
}

const UNTOUCHED: &str = "Nothing was changed.";

/// Why the file cannot be changed.
fn in_file(trouble: Trouble, path: &Path) -> Failure {
    let path = path.display();
    match trouble {
        Trouble::Syntax { line, what } => {
            Failure::new(Code::ConfigSyntax, "The configuration file is not valid JSON, and was not touched")
                .at(format!("{path}:{line}"))
                .because(what)
                .fix("Mend the syntax there. Comments and trailing commas are allowed.")
        }
        Trouble::NoMap { line, path: keys } => {
            let what = if keys.is_empty() { "The file".to_owned() } else { format!("`{keys}`") };
            Failure::new(Code::ConfigInvalidValue, format!("{what} holds no JSON object"))
                .at(format!("{path}:{line}"))
                .because("Entries stand by their names in an object; nothing was changed.")
        }
        Trouble::Twice { line, path: keys } => {
            Failure::new(Code::ConfigConflict, format!("`{keys}` is there twice, and the file was not touched"))
                .at(format!("{path}:{line}"))
                .because("Nobody knows which of the two is meant.")
                .fix("Remove one of them.")
        }
        Trouble::Strange => {
            Failure::new(Code::FileUnwritable, "The configuration file is written in a way that cannot be changed")
                .at(path.to_string())
                .because("The change would have damaged something else, so nothing was written.")
                .fix("Make the change in an editor.")
        }
    }
}

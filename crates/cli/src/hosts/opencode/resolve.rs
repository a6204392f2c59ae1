//! `mcp-mtls hosts opencode resolve`: the entries with `tls` as opencode is to have them.

use std::path::Path;

use mcp_mtls_core::error::{Code, Failure, Result};
use serde_json::{Map, Value, json};

use super::Entries;
use crate::render;

/// Prints them. One that is refused is there, too: `connect` tells why, where the host shows it.
pub(super) fn run(directory: &Path, worktree: Option<&Path>) -> Result<()> {
    let entries = Entries::read(directory, worktree)?;
    let binary = std::env::current_exe().map_err(|error| {
        Failure::new(Code::SystemFailed, "The path of this program is not known").because_of(&error)
    })?;
    let (binary, project) = (text(&binary)?, &entries.project);
    let (directory, worktree) = (text(&project.directory)?, text(&project.worktree)?);
    let mut servers = Map::new();
    let mut notes = Vec::new();
    for name in entries.names() {
        // A name may begin as a flag does.
        let command = [binary, "connect", "--opencode", directory, "--worktree", worktree, "--", name];
        let mut server = json!({ "type": "local", "command": command });
        match entries.entry(name) {
            Ok(entry) => {
                let switches = [
                    ("enabled", entry.enabled().map(Value::from)),
                    ("timeout", entry.written_timeout().map(Value::from)),
                ];
                for (key, value) in switches {
                    if let Some(value) = value {
                        server[key] = value;
                    }
                }
            }
            Err(failure) => notes.push(failure.to_string()),
        }
        servers.insert(name.to_owned(), server);
    }
    render::json(&json!({ "mcp": servers, "notes": notes }));
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Failure::new(Code::ConfigInvalidValue, "A path cannot be given to opencode")
            .at(path.display().to_string())
            .because("It is not UTF-8 text.")
            .fix("Rename the folder.")
    })
}

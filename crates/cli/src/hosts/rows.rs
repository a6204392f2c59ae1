//! The hosts, as data: where each keeps its servers, how an entry looks there, and what it gives a server.

mod shown;
mod written;

use super::host::{Command, Environment, Fixed, Host, More, Project, Shape};
use super::place::{Files, Place};
use shown::{CLAUDE_DESKTOP, CONTINUE, CURSOR, DEVIN, GOOSE, LIBRECHAT, ROO, VSCODE, WINDSURF, ZED};
use written::{CLAUDE_CODE, CLINE, CODEX, COPILOT_CLI, GEMINI_CLI, HERMES, OPENCODE};

pub(super) const HOSTS: &[&Host] = &[
    &OPENCODE,
    &CLAUDE_CODE,
    &CODEX,
    &GEMINI_CLI,
    &VSCODE,
    &CURSOR,
    &ZED,
    &GOOSE,
    &CLAUDE_DESKTOP,
    &WINDSURF,
    &DEVIN,
    &CLINE,
    &COPILOT_CLI,
    &HERMES,
    &CONTINUE,
    &LIBRECHAT,
    &ROO,
];

/// The host of this name.
pub(super) fn find(name: &str) -> Option<&'static Host> {
    let name = name.to_ascii_lowercase();
    HOSTS.iter().copied().find(|host| host.id == name || host.aliases.contains(&name.as_str()))
}

const fn files(folder: &'static [Place], names: &'static [&'static str], new: &'static str) -> Files {
    Files { folder, names, new }
}

const fn project(names: &'static [&'static str]) -> Project {
    Project { files: Files { folder: &[], names, new: names[0] }, next: None }
}

/// `command` and `args`, which most have.
const PLAIN: Shape =
    Shape { inside: None, command: Command::Parts("command", "args"), fixed: &[], first: &[], in_list: false };
const STDIO: Shape = Shape { fixed: &[("type", Fixed::Text("stdio"))], ..PLAIN };

/// What the SDKs of MCP give a server, and whoever does as they do.
const BASICS: &[&str] = if cfg!(windows) {
    &["APPDATA", "LOCALAPPDATA", "PATH", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"]
} else {
    &["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]
};

const fn part(more: More) -> Environment {
    Environment::Part { given: BASICS, more }
}

const fn references(before: &'static str, after: &'static str, keeps: bool) -> More {
    More::References { key: "env", before, after, keeps }
}

const ENV_REFERENCES: More = references("${env:", "}", false);

const MCP_SERVERS: &[&str] = &["mcpServers"];

#[cfg(test)]
mod tests;

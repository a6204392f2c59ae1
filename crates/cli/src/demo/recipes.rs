//! How to reach the demo's server from hosts, ready to be pasted.

use std::path::Path;

use super::stage::CommandLine;
use crate::render::{command_line, wrapped};

/// The commands and entries, for a person with a terminal beside this one.
pub(super) fn text(command: &CommandLine, inspector_config: &Path) -> String {
    let parts = [
        wrapped("\nThe server stays until Ctrl-C. From another terminal:", 0),
        part("MCP Inspector (Node 22.19 or newer)", &inspector(inspector_config)),
        part("Claude Code", &added(&["claude", "mcp", "add", "-s", "user", "demo", "--"], command)),
        part("Codex", &added(&["codex", "mcp", "add", "demo", "--"], command)),
        part("opencode", &added(&["opencode", "mcp", "add", "demo", "--"], command)),
        part("or in opencode.json", &command.opencode()),
        part("other hosts", &command.mcp_servers()),
        wrapped("\nThen ask your agent to call whoami.", 0),
    ];
    parts.join("\n")
}

fn inspector(config: &Path) -> String {
    let config = config.display().to_string();
    let words = ["npx", "@modelcontextprotocol/inspector", "--cli", "--config", &config, "--server", "demo"];
    command_line(&[&words[..], &["--method", "tools/call", "--tool-name", "whoami"]].concat(), 0)
}

fn added(host: &[&str], command: &CommandLine) -> String {
    let arguments = command.argument_texts();
    let program = command.program_text();
    let mut words = host.to_vec();
    words.push(&program);
    words.extend(arguments.iter().map(String::as_str));
    command_line(&words, 0)
}

fn part(title: &str, text: &str) -> String {
    format!("\n{title}:\n{text}")
}

//! How to reach the demo's server from hosts, ready to be pasted.

use std::path::Path;

use super::stage::CommandLine;
use crate::render::{command_line, wrapped};

/// The commands and entries, for a person with a terminal beside this one.
pub(super) fn text(command: &CommandLine, inspector_config: &Path) -> String {
    let parts = [
        wrapped("\nThe server stays until Ctrl-C. From another terminal:", 0),
        part("MCP Inspector (Node 22.19 or newer)", &inspector(inspector_config)),
        part("opencode, Claude Code, Codex and others (`mcp-mtls install --list`)", &added(command)),
        part("or in the file of a host", &command.mcp_servers()),
        wrapped("\nThen ask your agent to call whoami.", 0),
    ];
    parts.join("\n")
}

fn inspector(config: &Path) -> String {
    let config = config.display().to_string();
    let words = ["npx", "@modelcontextprotocol/inspector", "--cli", "--config", &config, "--server", "demo"];
    command_line(&[&words[..], &["--method", "tools/call", "--tool-name", "whoami"]].concat(), 0)
}

/// An entry with what `connect` is told here, for a host of hers.
fn added(command: &CommandLine) -> String {
    let (program, arguments) = (command.program_text(), command.argument_texts());
    let settings = arguments.iter().skip(1).map(String::as_str);
    let words: Vec<_> =
        [program.as_str(), "add", "demo"].into_iter().chain(settings).chain(["--install", "HOST"]).collect();
    command_line(&words, 0)
}

fn part(title: &str, text: &str) -> String {
    format!("\n{title}:\n{text}")
}

//! Hosts that somebody has run with what is written here: their files are changed.

use super::{MCP_SERVERS, PLAIN, STDIO, files, part, project, references};
use crate::edit::Format;
use crate::hosts::host::{Command, Environment, Fixed, Host, Longer, More, Project, Shape, Startup};
use crate::hosts::place::{Place, System};

pub(super) const OPENCODE: Host = Host {
    id: "opencode",
    aliases: &[],
    title: "opencode",
    format: Format::Jsonc,
    user: Some(files(
        &[Place::variable("XDG_CONFIG_HOME", "opencode"), Place::home(".config/opencode")],
        &["config.json", "opencode.json", "opencode.jsonc"],
        "opencode.jsonc",
    )),
    project: Some(project(&["opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"])),
    program: Some("opencode"),
    keys: &["mcp"],
    shape: Shape { command: Command::Line("command"), fixed: &[("type", Fixed::Text("local"))], ..PLAIN },
    environment: Environment::Whole,
    startup: Some(Startup { seconds: 30, longer: Longer::Milliseconds("timeout"), least: 60 }),
    strict_names: false,
    next: "`opencode mcp list` shows it; an opencode that runs must be started anew.",
    is_written: true,
};

pub(super) const CLAUDE_CODE: Host = Host {
    id: "claude-code",
    aliases: &["claude"],
    title: "Claude Code",
    format: Format::Jsonc,
    user: Some(files(&[Place::variable("CLAUDE_CONFIG_DIR", ""), Place::home("")], &[".claude.json"], ".claude.json")),
    project: Some(Project {
        next: Some(
            "Start Claude Code in that folder, and approve the server when it asks; `claude mcp list` shows it.",
        ),
        ..project(&[".mcp.json"])
    }),
    program: Some("claude"),
    keys: MCP_SERVERS,
    shape: STDIO,
    environment: Environment::Whole,
    startup: Some(Startup { seconds: 30, longer: Longer::Variable("MCP_TIMEOUT"), least: 0 }),
    strict_names: true,
    next: "`claude mcp list` shows it; in a session that runs, start Claude Code anew.",
    is_written: true,
};

pub(super) const CODEX: Host = Host {
    id: "codex",
    aliases: &[],
    title: "Codex",
    format: Format::Toml,
    user: Some(files(&[Place::variable("CODEX_HOME", ""), Place::home(".codex")], &["config.toml"], "config.toml")),
    project: Some(Project {
        next: Some(
            "Codex reads that file in projects that it trusts: start it in that folder, and trust it when it asks.",
        ),
        ..project(&[".codex/config.toml"])
    }),
    program: Some("codex"),
    keys: &["mcp_servers"],
    shape: PLAIN,
    environment: part(More::Names("env_vars")),
    startup: Some(Startup { seconds: 30, longer: Longer::Seconds("startup_timeout_sec"), least: 0 }),
    strict_names: false,
    next: "`codex mcp list` shows it; start Codex anew, and `/mcp` shows its tools.",
    is_written: true,
};

pub(super) const GEMINI_CLI: Host = Host {
    id: "gemini-cli",
    aliases: &["gemini"],
    title: "Gemini CLI",
    format: Format::Jsonc,
    user: Some(files(
        &[Place::variable("GEMINI_CLI_HOME", ".gemini"), Place::home(".gemini")],
        &["settings.json"],
        "settings.json",
    )),
    project: Some(project(&[".gemini/settings.json"])),
    program: Some("gemini"),
    keys: MCP_SERVERS,
    shape: PLAIN,
    environment: part(references("$", "", false)),
    startup: Some(Startup { seconds: 600, longer: Longer::Milliseconds("timeout"), least: 0 }),
    strict_names: false,
    next: "`gemini mcp list` shows it in a folder that is trusted; start Gemini CLI anew.",
    is_written: true,
};

pub(super) const CLINE: Host = Host {
    id: "cline",
    aliases: &[],
    title: "Cline CLI",
    format: Format::Jsonc,
    user: Some(files(
        &[
            Place::file("CLINE_MCP_SETTINGS_PATH"),
            Place::variable("CLINE_DATA_DIR", "settings"),
            Place::variable("CLINE_DIR", "data/settings"),
            Place::home(".cline/data/settings"),
        ],
        &["cline_mcp_settings.json"],
        "cline_mcp_settings.json",
    )),
    project: None,
    program: Some("cline"),
    keys: MCP_SERVERS,
    shape: Shape { inside: Some("transport"), ..STDIO },
    environment: Environment::Whole,
    startup: Some(Startup { seconds: 3, longer: Longer::Seconds("timeout"), least: 60 }),
    strict_names: false,
    next: "`cline config mcp` lists it; start Cline anew.",
    is_written: true,
};

pub(super) const COPILOT_CLI: Host = Host {
    id: "copilot-cli",
    aliases: &["copilot"],
    title: "Copilot CLI",
    format: Format::Jsonc,
    user: Some(files(
        &[Place::variable("COPILOT_HOME", ""), Place::home(".copilot")],
        &["mcp-config.json"],
        "mcp-config.json",
    )),
    project: None,
    program: Some("copilot"),
    keys: MCP_SERVERS,
    shape: Shape { fixed: &[("type", Fixed::Text("local"))], first: &[("tools", Fixed::Words(&["*"]))], ..PLAIN },
    environment: Environment::Whole,
    startup: Some(Startup { seconds: 60, longer: Longer::Milliseconds("timeout"), least: 180 }),
    strict_names: false,
    next: "`copilot mcp list` shows it; start Copilot CLI anew.",
    is_written: true,
};

pub(super) const HERMES: Host = Host {
    id: "hermes",
    aliases: &[],
    title: "Hermes",
    format: Format::Yaml,
    user: Some(files(
        &[
            Place::variable("HERMES_HOME", ""),
            Place::variable("LOCALAPPDATA", "hermes").on(System::Windows),
            Place::home("AppData/Local/hermes").on(System::Windows),
            Place::home(".hermes").on(System::Linux),
            Place::home(".hermes").on(System::MacOs),
        ],
        &["config.yaml"],
        "config.yaml",
    )),
    project: None,
    program: Some("hermes"),
    keys: &["mcp_servers"],
    shape: PLAIN,
    environment: Environment::Part {
        given: &["HOME", "PATH", "SHELL", "TERM", "USER", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "SYSTEMROOT"],
        more: references("${", "}", true),
    },
    startup: Some(Startup { seconds: 60, longer: Longer::Seconds("connect_timeout"), least: 0 }),
    strict_names: false,
    next: "`hermes mcp test NAME` tries it; start Hermes anew.",
    is_written: true,
};

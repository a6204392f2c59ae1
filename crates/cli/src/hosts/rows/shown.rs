//! Hosts that nobody has run so far: what belongs into their files is shown, and they are not changed.

use super::{ENV_REFERENCES, MCP_SERVERS, PLAIN, STDIO, files, part, project, references};
use crate::edit::Format;
use crate::hosts::host::{Command, Environment, Fixed, Host, Longer, More, Project, Shape, Startup};
use crate::hosts::place::{Files, Place, System};

pub(super) const VSCODE: Host = Host {
    id: "vscode",
    aliases: &["code", "vs-code"],
    title: "VS Code",
    format: Format::Jsonc,
    user: Some(files(
        &[
            Place::variable("XDG_CONFIG_HOME", "Code/User").on(System::Linux),
            Place::home(".config/Code/User").on(System::Linux),
            Place::home("Library/Application Support/Code/User").on(System::MacOs),
            Place::variable("APPDATA", "Code/User").on(System::Windows),
        ],
        &["mcp.json"],
        "mcp.json",
    )),
    project: Some(project(&[".vscode/mcp.json"])),
    program: Some("code"),
    keys: &["servers"],
    shape: STDIO,
    environment: Environment::Whole,
    startup: None,
    strict_names: false,
    next: "`MCP: List Servers` in the command palette starts it.",
    is_written: false,
};

pub(super) const CURSOR: Host = Host {
    id: "cursor",
    aliases: &[],
    title: "Cursor",
    format: Format::Jsonc,
    user: Some(files(&[Place::home(".cursor")], &["mcp.json"], "mcp.json")),
    project: Some(project(&[".cursor/mcp.json"])),
    program: Some("cursor"),
    keys: MCP_SERVERS,
    shape: STDIO,
    environment: part(ENV_REFERENCES),
    startup: None,
    strict_names: false,
    next: "Cursor's settings show it under MCP.",
    is_written: false,
};

pub(super) const ZED: Host = Host {
    id: "zed",
    aliases: &[],
    title: "Zed",
    format: Format::Jsonc,
    user: Some(files(
        &[
            Place::variable("FLATPAK_XDG_CONFIG_HOME", "zed").on(System::Linux),
            Place::variable("XDG_CONFIG_HOME", "zed").on(System::Linux),
            Place::home(".config/zed").on(System::Linux),
            Place::home(".config/zed").on(System::MacOs),
            Place::variable("APPDATA", "Zed").on(System::Windows),
        ],
        &["settings.json"],
        "settings.json",
    )),
    project: Some(project(&[".zed/settings.json"])),
    program: Some("zed"),
    keys: &["context_servers"],
    shape: PLAIN,
    environment: Environment::Whole,
    startup: Some(Startup { seconds: 60, longer: Longer::Seconds("timeout"), least: 0 }),
    strict_names: false,
    next: "The settings of the Agent Panel show it.",
    is_written: false,
};

pub(super) const GOOSE: Host = Host {
    id: "goose",
    aliases: &[],
    title: "Goose",
    format: Format::Yaml,
    user: Some(files(
        &[
            Place::variable("GOOSE_PATH_ROOT", "config"),
            Place::variable("APPDATA", "Block/goose/config").on(System::Windows),
            Place::variable("XDG_CONFIG_HOME", "goose").on(System::Linux),
            Place::variable("XDG_CONFIG_HOME", "goose").on(System::MacOs),
            Place::home(".config/goose").on(System::Linux),
            Place::home(".config/goose").on(System::MacOs),
        ],
        &["config.yaml"],
        "config.yaml",
    )),
    project: None,
    program: Some("goose"),
    keys: &["extensions"],
    shape: Shape {
        command: Command::Parts("cmd", "args"),
        fixed: &[("name", Fixed::Name), ("type", Fixed::Text("stdio"))],
        first: &[("enabled", Fixed::Bool(true))],
        ..PLAIN
    },
    environment: Environment::Whole,
    startup: None,
    strict_names: false,
    next: "Start a new session; `goose configure` shows it among the extensions.",
    is_written: false,
};

pub(super) const CLAUDE_DESKTOP: Host = Host {
    id: "claude-desktop",
    aliases: &[],
    title: "Claude Desktop",
    format: Format::Jsonc,
    user: Some(files(
        &[
            Place::variable("XDG_CONFIG_HOME", "Claude").on(System::Linux),
            Place::home(".config/Claude").on(System::Linux),
            Place::home("Library/Application Support/Claude").on(System::MacOs),
            Place::variable("LOCALAPPDATA", "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude")
                .on(System::Windows),
        ],
        &["claude_desktop_config.json"],
        "claude_desktop_config.json",
    )),
    project: None,
    program: None,
    keys: MCP_SERVERS,
    shape: PLAIN,
    environment: part(More::No),
    startup: None,
    strict_names: false,
    next: "Quit Claude Desktop and start it anew; its settings show it under Developer. On Windows, one that was \
           installed before February 2026 reads `%APPDATA%\\Claude\\claude_desktop_config.json` instead.",
    is_written: false,
};

pub(super) const WINDSURF: Host = Host {
    id: "windsurf",
    aliases: &["devin-desktop"],
    title: "Devin Desktop (Windsurf)",
    format: Format::Jsonc,
    user: Some(files(&[Place::home(".codeium/windsurf")], &["mcp_config.json"], "mcp_config.json")),
    project: None,
    program: Some("windsurf"),
    keys: MCP_SERVERS,
    shape: PLAIN,
    environment: part(ENV_REFERENCES),
    startup: None,
    strict_names: false,
    next: "Refresh its list of MCP servers. If the entry is not in it, this version may read the file that \
           `mcp-mtls install devin` shows.",
    is_written: false,
};

pub(super) const DEVIN: Host = Host {
    id: "devin",
    aliases: &[],
    title: "Devin CLI",
    format: Format::Jsonc,
    user: Some(files(
        &[
            Place::variable("APPDATA", "devin").on(System::Windows),
            Place::variable("XDG_CONFIG_HOME", "devin").on(System::Linux),
            Place::home(".config/devin").on(System::Linux),
            Place::home(".config/devin").on(System::MacOs),
        ],
        &["mcp_config.json"],
        "mcp_config.json",
    )),
    project: Some(Project {
        files: Files {
            folder: &[],
            names: &[".devin/mcp_config.json", ".devin/mcp_config.local.json"],
            // The one that is not shared.
            new: ".devin/mcp_config.local.json",
        },
        next: None,
    }),
    program: Some("devin"),
    keys: MCP_SERVERS,
    shape: PLAIN,
    environment: part(ENV_REFERENCES),
    startup: None,
    strict_names: false,
    next: "`devin mcp list` shows it; start Devin anew.",
    is_written: false,
};

pub(super) const CONTINUE: Host = Host {
    id: "continue",
    aliases: &[],
    title: "Continue",
    format: Format::Yaml,
    user: Some(files(
        &[Place::variable("CONTINUE_GLOBAL_DIR", ""), Place::home(".continue")],
        &["config.yaml"],
        "config.yaml",
    )),
    project: None,
    program: Some("cn"),
    keys: MCP_SERVERS,
    shape: Shape { in_list: true, fixed: &[("name", Fixed::Name)], ..PLAIN },
    environment: part(More::No),
    startup: Some(Startup { seconds: 20, longer: Longer::Milliseconds("connectionTimeout"), least: 0 }),
    strict_names: false,
    next: "Continue reads the file when it is saved; only its agent mode uses tools.",
    is_written: false,
};

pub(super) const LIBRECHAT: Host = Host {
    id: "librechat",
    aliases: &[],
    title: "LibreChat",
    format: Format::Yaml,
    user: None,
    project: Some(project(&["librechat.yaml"])),
    program: None,
    keys: MCP_SERVERS,
    shape: PLAIN,
    environment: part(references("${", "}", true)),
    startup: Some(Startup { seconds: 120, longer: Longer::Milliseconds("initTimeout"), least: 0 }),
    strict_names: false,
    next: "Start LibreChat anew.",
    is_written: false,
};

pub(super) const ROO: Host = Host {
    id: "roo",
    aliases: &["roo-code"],
    title: "Roo Code",
    format: Format::Jsonc,
    user: Some(files(
        &[
            Place::variable("XDG_CONFIG_HOME", "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings")
                .on(System::Linux),
            Place::home(".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings").on(System::Linux),
            Place::home("Library/Application Support/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings")
                .on(System::MacOs),
            Place::variable("APPDATA", "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings")
                .on(System::Windows),
        ],
        &["mcp_settings.json"],
        "mcp_settings.json",
    )),
    project: Some(project(&[".roo/mcp.json"])),
    program: None,
    keys: MCP_SERVERS,
    shape: PLAIN,
    environment: part(references("${env:", "}", true)),
    startup: None,
    strict_names: false,
    next: "Roo Code shows it under MCP Servers.",
    is_written: false,
};

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use mcp_mtls_core::config::{Entry, EntrySettings};

use super::*;
use crate::hosts::file::Scope;
use crate::hosts::place::{Surroundings, System};
use crate::hosts::plan::{Plan, Theirs};
use crate::hosts::shape::{Run, whole};

/// Nobody's machine.
fn machine(system: System, variables: &[(&str, &str)]) -> Surroundings {
    let home = match system {
        System::Linux => "/home/me",
        System::MacOs => "/Users/me",
        System::Windows => r"C:\Users\me",
    };
    let variables: HashMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Surroundings { system, home: Some(home.to_owned()), variables, path: Vec::new() }
}

fn file(host: &Host, around: &Surroundings) -> String {
    let (_, new) = host.user.expect("a file").paths(around).unwrap().unwrap_or_default();
    new.to_str().unwrap().to_owned()
}

#[test]
fn every_host_has_its_file_on_every_system() {
    let windows = [("APPDATA", r"C:\Users\me\AppData\Roaming"), ("LOCALAPPDATA", r"C:\Users\me\AppData\Local")];
    let systems = [machine(System::Linux, &[]), machine(System::MacOs, &[]), machine(System::Windows, &windows)];
    let everywhere = |path: &str| {
        let windows = format!(r"C:\Users\me\{}", path.replace('/', r"\"));
        [format!("/home/me/{path}"), format!("/Users/me/{path}"), windows]
    };
    let each = |linux: &str, mac: &str, windows: &str| [linux.to_owned(), mac.to_owned(), windows.to_owned()];
    let known = [
        ("opencode", everywhere(".config/opencode/opencode.jsonc")),
        ("claude-code", everywhere(".claude.json")),
        ("codex", everywhere(".codex/config.toml")),
        ("gemini-cli", everywhere(".gemini/settings.json")),
        (
            "vscode",
            each(
                "/home/me/.config/Code/User/mcp.json",
                "/Users/me/Library/Application Support/Code/User/mcp.json",
                r"C:\Users\me\AppData\Roaming\Code\User\mcp.json",
            ),
        ),
        ("cursor", everywhere(".cursor/mcp.json")),
        (
            "zed",
            each(
                "/home/me/.config/zed/settings.json",
                "/Users/me/.config/zed/settings.json",
                r"C:\Users\me\AppData\Roaming\Zed\settings.json",
            ),
        ),
        (
            "goose",
            each(
                "/home/me/.config/goose/config.yaml",
                "/Users/me/.config/goose/config.yaml",
                r"C:\Users\me\AppData\Roaming\Block\goose\config\config.yaml",
            ),
        ),
        (
            "claude-desktop",
            each(
                "/home/me/.config/Claude/claude_desktop_config.json",
                "/Users/me/Library/Application Support/Claude/claude_desktop_config.json",
                r"C:\Users\me\AppData\Local\Packages\Claude_pzs8sxrjxfjjc\LocalCache\Roaming\Claude\claude_desktop_config.json",
            ),
        ),
        ("windsurf", everywhere(".codeium/windsurf/mcp_config.json")),
        (
            "devin",
            each(
                "/home/me/.config/devin/mcp_config.json",
                "/Users/me/.config/devin/mcp_config.json",
                r"C:\Users\me\AppData\Roaming\devin\mcp_config.json",
            ),
        ),
        ("cline", everywhere(".cline/data/settings/cline_mcp_settings.json")),
        ("copilot-cli", everywhere(".copilot/mcp-config.json")),
        (
            "hermes",
            each(
                "/home/me/.hermes/config.yaml",
                "/Users/me/.hermes/config.yaml",
                r"C:\Users\me\AppData\Local\hermes\config.yaml",
            ),
        ),
        ("continue", everywhere(".continue/config.yaml")),
        (
            "roo",
            each(
                "/home/me/.config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
                "/Users/me/Library/Application Support/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
                r"C:\Users\me\AppData\Roaming\Code\User\globalStorage\rooveterinaryinc.roo-cline\settings\mcp_settings.json",
            ),
        ),
    ];
    for host in HOSTS.iter().filter(|host| host.user.is_some()) {
        let (_, paths) = known.iter().find(|(id, _)| *id == host.id).unwrap_or_else(|| panic!("{}", host.id));
        assert_eq!(systems.each_ref().map(|around| file(host, around)), *paths, "{}", host.id);
    }
    assert_eq!(HOSTS.len() - known.len(), 1, "LibreChat has files of projects alone");
}

#[test]
fn variables_count_where_their_host_heeds_them() {
    let moved = |system, id, name, value: &str| file(find(id).unwrap(), &machine(system, &[(name, value)]));
    for (system, id, name, value, path) in [
        (System::Linux, "opencode", "XDG_CONFIG_HOME", "/x", "/x/opencode/opencode.jsonc"),
        (System::MacOs, "opencode", "XDG_CONFIG_HOME", "/x/", "/x/opencode/opencode.jsonc"),
        (System::Windows, "codex", "CODEX_HOME", r"D:\codex", r"D:\codex\config.toml"),
        (System::Windows, "codex", "CODEX_HOME", r"\\server\codex\", r"\\server\codex\config.toml"),
        (System::Linux, "code", "XDG_CONFIG_HOME", "/x", "/x/Code/User/mcp.json"),
        (System::MacOs, "code", "XDG_CONFIG_HOME", "/x", "/Users/me/Library/Application Support/Code/User/mcp.json"),
        (System::Linux, "zed", "FLATPAK_XDG_CONFIG_HOME", "/f", "/f/zed/settings.json"),
        (System::MacOs, "zed", "XDG_CONFIG_HOME", "/x", "/Users/me/.config/zed/settings.json"),
        (System::Linux, "goose", "GOOSE_PATH_ROOT", "/g", "/g/config/config.yaml"),
        (System::Linux, "hermes", "HERMES_HOME", "/h", "/h/config.yaml"),
        (System::Linux, "hermes", "LOCALAPPDATA", "/h", "/home/me/.hermes/config.yaml"),
        (System::Linux, "continue", "CONTINUE_GLOBAL_DIR", "/c", "/c/config.yaml"),
        (System::Linux, "claude-desktop", "XDG_CONFIG_HOME", "/x", "/x/Claude/claude_desktop_config.json"),
        (System::Windows, "hermes", "PATH", "x", r"C:\Users\me\AppData\Local\hermes\config.yaml"),
        (System::Linux, "codex", "CODEX_HOME", "", "/home/me/.codex/config.toml"),
    ] {
        assert_eq!(moved(system, id, name, value), path, "{id} {name}={value}");
    }
    for (system, value) in [(System::Linux, "x/y"), (System::Linux, "~/x"), (System::Windows, r"x\y")] {
        let around = machine(system, &[("CODEX_HOME", value)]);
        let failure = find("codex").and_then(|host| host.user).unwrap().paths(&around).err().unwrap();
        assert!(failure.to_string().contains("CODEX_HOME holds no absolute path"), "{failure}");
    }
    let nowhere = Surroundings { home: None, ..machine(System::Linux, &[]) };
    assert!(find("codex").and_then(|host| host.user).unwrap().paths(&nowhere).is_err());
}

#[test]
fn names_are_unique_and_found() {
    let names: Vec<_> = HOSTS.iter().flat_map(|host| host.aliases.iter().copied().chain([host.id])).collect();
    for name in &names {
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        assert!(find(name).is_some_and(|host| host.id == *name || host.aliases.contains(name)), "{name}");
        assert!(find(&name.to_uppercase()).is_some(), "{name}");
    }
    assert!(find("auto").is_none(), "it has another meaning");
}

fn run() -> Run {
    let mut settings = EntrySettings::default();
    settings.timeout = Some(700_000);
    let url = "https://corp.example/{env:TOKEN}";
    let run = Run::new("corp", "/usr/bin/mcp-mtls", "/etc/corp.jsonc", &Entry::from_flags(url, settings)).unwrap();
    assert_eq!(run.timeout, Duration::from_secs(700));
    run
}

#[test]
fn every_entry_is_read_back_as_ours_and_as_it_should_be() {
    let run = run();
    for host in HOSTS {
        let mut document = host.format.parse("").unwrap();
        let path: Vec<_> = host.keys.iter().copied().chain(["corp"]).collect();
        document.set(&path, &whole(host.pieces(&run, None).unwrap())).unwrap();
        let again = host.format.parse(document.text()).unwrap();
        let entry = again.get(&path).unwrap();
        assert!(host.found(&entry).ours("corp").is_some(), "{}: {entry}", host.id);
        assert!(host.found(&entry).url.is_none(), "{}", host.id);
        for piece in host.pieces(&run, Some(&entry)).unwrap() {
            let path: Vec<_> = path.iter().copied().chain(piece.path.iter().map(String::as_str)).collect();
            assert_eq!(again.get(&path), Some(crate::edit::jsonc::plain(&piece.value)), "{}: {path:?}", host.id);
        }
        assert_eq!(document.remove(&path).unwrap().map(|comments| comments.len()), Some(0), "{}", host.id);
    }
}

#[test]
fn what_is_not_written_is_shown_on_every_system() {
    for host in HOSTS.iter().filter(|host| !host.is_written) {
        for system in [System::Linux, System::MacOs, System::Windows] {
            let around = machine(system, &[]);
            let plan = Plan::install(host, &Scope::User, &around, &[run()], Theirs::Stays);
            let snippet = plan.snippet.unwrap_or_else(|| panic!("{}", host.id));
            assert!(host.format.parse(&snippet.text).unwrap().get(host.keys).is_some(), "{}", host.id);
            assert!(plan.files.is_empty() && plan.failure.is_none());
            let project = Plan::install(host, &Scope::Project("/work".into()), &around, &[run()], Theirs::Stays);
            let shown = project.snippet.and_then(|snippet| snippet.file);
            let wanted = host.project.as_ref().map(|project| Path::new("/work").join(project.files.new));
            assert_eq!(shown, wanted, "{}", host.id);
        }
    }
}

#[test]
fn only_what_install_writes_is_ours() {
    use serde_json::json;
    let host = find("cursor").unwrap();
    let ours = |entry: serde_json::Value| host.found(&entry).ours("corp").is_some();
    let entry = |command: &str, arguments: &[&str]| json!({ "command": command, "args": arguments });
    for command in ["mcp-mtls", "/usr/bin/mcp-mtls", r"C:\bin\mcp-mtls.exe"] {
        assert!(ours(entry(command, &["connect", "corp"])), "{command}");
        assert!(ours(entry(command, &["connect", "corp", "--config", "/x/config.jsonc"])), "{command}");
    }
    for command in ["npx", "/usr/bin/not-mcp-mtls", "/usr/bin/mcp-mtls/run", "mcp-mtls-2", ""] {
        assert!(!ours(entry(command, &["connect", "corp"])), "{command}");
    }
    for arguments in [
        &["connect"][..],
        &["doctor", "corp"],
        &["connect", "other"],
        &["connect", "https://mcp.corp.example/mcp"],
        &["connect", "corp", "--cert", "me.pem"],
        &["connect", "corp", "--config"],
        &["connect", "corp", "--config", "a", "--header", "X: hunter2"],
        &["connect", "--config", "a", "corp"],
        &["connect", "--opencode", "/work", "corp"],
    ] {
        assert!(!ours(entry("mcp-mtls", arguments)), "{arguments:?}");
    }
    for url in ["url", "httpUrl", "serverUrl", "uri"] {
        assert!(
            !ours(json!({ "command": "mcp-mtls", "args": ["connect", "corp"], url: "https://x.example" })),
            "{url}"
        );
    }
    assert!(!ours(json!({ "command": "mcp-mtls", "args": ["connect", "corp", "--config", 1] })));
    assert!(!ours(json!("mcp-mtls connect corp")));
}

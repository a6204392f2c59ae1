//! An entry of ours that is not what it should be, and what is hers in it.

use super::{CONFIG, CORP, Home, parsed};

#[test]
fn only_what_is_ours_in_an_entry_is_changed() {
    let home = Home::new().with("HTTPS_PROXY", "http://u:hunter2@proxy.example:8080");
    let before = r#"# mine
[mcp_servers.corp]
command = "/old/bin/mcp-mtls" # was here
args = ["connect", "corp"]
env_vars = ["MINE", { name = "MORE", source = "local" }]
env = { TOKEN = "hunter2" }
startup_timeout_sec = 7
enabled_tools = ["echo"]
"#;
    home.has(".codex/config.toml", before);
    let dry = home.told(&["install", "codex", "--dry-run"]);
    // Of what was there, nothing is shown but how much of it goes.
    assert!(
        dry.contains("    - (3 lines)\n    + [mcp_servers.corp]\n    + command = \"[home]/bin/mcp-mtls\"\n"),
        "{dry}"
    );
    assert!(dry.contains("    + env_vars = [\"HTTPS_PROXY\"]\n"), "{dry}");
    assert!(["hunter2", "/old/", "MINE", "source", "was here"].iter().all(|there| !dry.contains(there)), "{dry}");
    home.told(&["install", "codex"]);
    let program = home.path("bin/mcp-mtls");
    let after = before
        .replace("/old/bin/mcp-mtls", &program.to_string_lossy())
        .replace(r#""corp"]"#, &format!(r#""corp", "--config", "{}"]"#, home.path(super::CONFIG).to_string_lossy()))
        // The token that she has written stays, and needs no name.
        .replace(r#""local" }]"#, r#""local" }, "HTTPS_PROXY"]"#);
    assert_eq!(home.text(".codex/config.toml"), after);
    let again = home.told(&["install", "codex"]);
    assert!(again.contains("nothing to change"), "{again}");
}

#[cfg(unix)]
#[test]
fn many_at_the_same_time_wait_for_each_other() {
    let home = Home::new();
    let names: Vec<_> = (0..20).map(|at| format!("corp{at}")).collect();
    let entries: Vec<_> =
        names.iter().map(|name| format!(r#""{name}": {{ "url": "https://{name}.example/mcp" }}"#)).collect();
    home.has(super::CONFIG, &format!(r#"{{ "mcp": {{ {} }} }}"#, entries.join(", ")));
    let at_once = |what: &str| {
        // In either order: nobody waits for somebody who waits for her.
        let hosts = ["codex,gemini", "gemini,codex"].into_iter().cycle();
        std::thread::scope(|scope| {
            let runs = names.iter().zip(hosts).map(|(name, hosts)| scope.spawn(|| home.run(&[what, hosts, name])));
            for run in runs.collect::<Vec<_>>() {
                run.join().expect("a run").succeeded();
            }
        });
    };
    at_once("install");
    let (codex, gemini) = (home.text(".codex/config.toml"), parsed(&home.text(".gemini/settings.json")));
    for name in &names {
        assert!(codex.contains(&format!("[mcp_servers.{name}]")), "{name}: {codex}");
        assert!(gemini["mcpServers"][name].is_object(), "{name}: {gemini}");
    }
    at_once("uninstall");
    assert!(!home.text(".codex/config.toml").contains("corp"));
    assert_eq!(parsed(&home.text(".gemini/settings.json")), serde_json::json!({}));
}

#[test]
fn a_file_of_comments_alone_loses_nothing() {
    let home = Home::new();
    home.has(".gemini/settings.json", "// mine\n");
    let dry = home.told(&["install", "gemini", "--dry-run"]);
    assert!(dry.contains("+ \"mcpServers\": {") && !dry.contains("  - "), "{dry}");
    home.told(&["install", "gemini"]);
    assert!(home.text(".gemini/settings.json").starts_with("// mine\n{\n"));
}

#[test]
fn what_the_user_has_added_stays() {
    let home = Home::new();
    home.told(&["install", "copilot,gemini"]);
    let gemini = home.text(".gemini/settings.json").replace(r#""$TOKEN""#, r#""a value of hers", "MORE": "1""#);
    home.has(".gemini/settings.json", &gemini);
    assert!(home.told(&["install", "gemini"]).contains("nothing to change"));
    assert_eq!(home.text(".gemini/settings.json"), gemini);
    let file = ".copilot/mcp-config.json";
    let mine = home.text(file).replace(r#"["*"]"#, r#"["echo"]"#);
    let mine = mine.replace("\"type\": \"local\"", "\"type\": \"local\", // hers\n      \"disabled\": true");
    home.has(file, &mine);
    let told = home.told(&["install", "copilot"]);
    assert!(told.contains("nothing to change") && told.contains("switched off"), "{told}");
    assert_eq!(home.text(file), mine);
    let config = home.path(super::CONFIG).to_string_lossy().into_owned();
    home.has(file, &mine.replace(&config, "/old/config.jsonc"));
    let json = parsed(&home.told(&["install", "copilot", "--json"]));
    assert_eq!(json["hosts"][0]["entries"][0]["state"], "updated", "{json}");
    let told = json["hosts"][0]["notes"].to_string();
    assert!(told.contains("until now corp of Copilot CLI was that of /old/config.jsonc"), "{told}");
    assert_eq!(home.text(file), mine);
}

#[test]
fn what_cannot_be_kept_is_not_dropped() {
    let home = Home::new();
    let before =
        "[mcp_servers.corp]\ncommand = \"mcp-mtls\"\nargs = [\"connect\", \"corp\"]\nenv_vars = [1.5, \"MINE\"]\n";
    home.has(".codex/config.toml", before);
    let refused = home.refused(1, &["install", "codex"]);
    assert!(refused.contains("`env_vars` of the entry `corp` of Codex holds what cannot be kept"), "{refused}");
    assert_eq!(home.text(".codex/config.toml"), before);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_read_only_is_replaced_only_with_force() {
    let home = Home::new();
    home.has(".codex/config.toml", "# mine\n");
    let file = home.path(".codex/config.toml");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o444)).expect("chmod");
    for arguments in [&["install", "codex"][..], &["install", "codex", "--dry-run"]] {
        let outcome = home.run(arguments);
        assert_eq!((outcome.status, home.text(".codex/config.toml")), (1, "# mine\n".to_owned()));
        let told = outcome.stdout;
        assert!(told.contains("The file of Codex is read-only") && told.contains("or add --force"), "{told}");
        assert!(told.contains("Put this into") && told.contains("[mcp_servers.corp]"), "{told}");
    }
    let told = home.told(&["install", "codex", "--force"]);
    assert!(told.contains("config.toml is read-only, and stays so") && super::mode(&file) == 0o444, "{told}");
    let refused = home.refused(1, &["uninstall", "codex"]);
    assert!(refused.contains("is read-only, and was not changed"), "{refused}");
    assert!(home.text(".codex/config.toml").contains("corp"));
}

#[test]
fn opencode_is_written_where_it_reads_last() {
    for (there, written) in [
        (&["opencode.json"][..], "opencode.json"),
        (&["opencode.json", "opencode.jsonc"], "opencode.jsonc"),
        (&["config.json"], "config.json"),
        (&[], "opencode.jsonc"),
    ] {
        let home = Home::new().with("XDG_CONFIG_HOME", "");
        for name in there {
            home.has(&format!(".config/opencode/{name}"), "{ \"theme\": \"dark\" }\n");
        }
        home.told(&["install", "opencode"]);
        for name in home.files().iter().filter(|name| !name.ends_with("-backup")) {
            assert_eq!(home.text(name).contains("corp"), name.ends_with(&format!("/{written}")), "{there:?}: {name}");
        }
    }
    // The one that has the entry already is changed, wherever it is.
    let home = Home::new();
    home.told(&["install", "opencode"]);
    std::fs::rename(home.path(".config/opencode/opencode.jsonc"), home.path(".config/opencode/opencode.json"))
        .expect("moved");
    home.has(".config/opencode/opencode.jsonc", "{}\n");
    assert!(home.told(&["install", "opencode"]).contains("opencode.json as it should be"));
    assert_eq!(home.text(".config/opencode/opencode.jsonc"), "{}\n");
    // Of two that are ours, the one that counts is changed.
    let (first, last) = (".config/opencode/opencode.json", ".config/opencode/opencode.jsonc");
    let ours = r#"{ "mcp": { "corp": { "type": "local", "command": ["/old/mcp-mtls", "connect", "corp"] } } }"#;
    home.has(first, ours);
    home.has(last, ours);
    home.told(&["install", "opencode"]);
    assert!(home.text(first) == ours && home.text(last).contains("--config"), "{}", home.text(last));
    // What is not ours in the one is mixed with what is ours in the other.
    let theirs = r#"{ "mcp": { "corp": { "type": "remote", "url": "https://mcp.corp.example/mcp" } } }"#;
    for (file, other) in [(first, last), (last, first)] {
        home.has(file, theirs);
        home.has(other, ours);
        let refused = home.refused(1, &["install", "opencode"]);
        assert!(refused.contains(&format!("{file}, mcp.corp")), "{refused}");
        assert!(refused.contains("by itself, without the certificate"), "{refused}");
        assert!(home.text(file) == theirs && home.text(other) == ours);
    }
    home.has(first, theirs);
    home.has(last, ours);
    let refused = home.refused(1, &["install", "opencode", "--force"]);
    assert!(refused.contains("the host would mix them"), "{refused}");
    home.has(last, "{}");
    home.told(&["install", "opencode", "--force"]);
    assert!(home.text(first).contains("--config") && !home.text(first).contains("remote") && home.text(last) == "{}");
}

#[test]
fn variables_move_the_files_of_hosts() {
    for (host, variable, below, file) in [
        ("opencode", "XDG_CONFIG_HOME", "", "opencode/opencode.jsonc"),
        ("claude", "CLAUDE_CONFIG_DIR", "", ".claude.json"),
        ("codex", "CODEX_HOME", "", "config.toml"),
        ("gemini", "GEMINI_CLI_HOME", "", ".gemini/settings.json"),
        ("cline", "CLINE_DIR", "", "data/settings/cline_mcp_settings.json"),
        ("cline", "CLINE_DATA_DIR", "", "settings/cline_mcp_settings.json"),
        ("cline", "CLINE_MCP_SETTINGS_PATH", "/mine.json", "mine.json"),
        ("copilot", "COPILOT_HOME", "", "mcp-config.json"),
        ("hermes", "HERMES_HOME", "", "config.yaml"),
    ] {
        let home = Home::new();
        let config = home.path(super::CONFIG).to_string_lossy().into_owned();
        let value = format!("{}{below}", home.path("moved").to_string_lossy());
        let home = home.with(variable, value);
        home.told(&["install", host, "--config", &config]);
        assert_eq!(home.files(), [format!("moved/{file}")], "{host} {variable}");
        let home = home.with(variable, "relative/path");
        let refused = home.refused(1, &["install", host, "--config", &config]);
        assert!(refused.contains(&format!("{variable} holds no absolute path")), "{refused}");
    }
}

#[test]
fn links_and_modes_stay() {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let home = Home::new();
        home.has("dotfiles/claude.json", "{}\n");
        let real = home.path("dotfiles/claude.json");
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).expect("chmod");
        symlink("dotfiles/claude.json", home.path(".claude.json")).expect("a link");
        home.told(&["install", "claude-code"]);
        assert!(home.path(".claude.json").is_symlink());
        assert!(home.text("dotfiles/claude.json").contains("corp"));
        let backup = home.path("dotfiles/claude.json.mcp-mtls-backup");
        assert_eq!((super::mode(&real), super::mode(&backup)), (0o640, 0o640));
    }
}

#[test]
fn an_entry_that_writes_a_log_is_ours_and_goes_on_with_it() {
    let home = Home::new();
    home.told(&["install", "gemini,opencode"]);
    let (gemini, opencode) = (".gemini/settings.json", ".config/opencode/opencode.jsonc");
    for (flags, kept) in [
        (r#""--log-file", "/x.log""#, r#""--log-file", "/x.log""#),
        (r#""--trace", "--log-file=/x.log", "--trace-bodies""#, r#""--trace", "--log-file=/x.log", "--trace-bodies""#),
    ] {
        for (host, file) in [("gemini", gemini), ("opencode", opencode)] {
            let text = home.text(file);
            home.has(file, &text.replace(r#""corp", "--config""#, &format!(r#""corp", {flags}, "--config""#)));
            assert!(home.told(&["install", host]).contains("Updated corp"));
            assert_eq!(home.text(file), text.replace("config.jsonc\"]", &format!("config.jsonc\", {kept}]")));
            assert!(home.told(&["install", host]).contains("nothing to change"));
            assert!(home.told(&["install", "--list"]).contains("entries: corp"));
            home.has(file, &text);
        }
    }
    let text = home.text(gemini);
    for other in ["--url", "--trace=", "--log-file=", "--config", "--log"] {
        home.has(gemini, &text.replace(r#""corp", "--config""#, &format!(r#""corp", "{other}", "--config""#)));
        let refused = home.refused(1, &["install", "gemini"]);
        assert!(refused.contains("that is not of mcp-mtls"), "{other}: {refused}");
    }
    home.has(gemini, &text.replace("config.jsonc\"]", "config.jsonc\", \"--log-file\", \"x\"]"));
    home.told(&["uninstall", "gemini", "corp"]);
    assert_eq!(home.text(gemini), "{}\n");
}

#[test]
fn what_a_file_was_before_us_is_kept_until_nothing_of_ours_is_in_it() {
    let home = Home::new();
    let (file, backup) = (".codex/config.toml", ".codex/config.toml.mcp-mtls-backup");
    home.has(file, "# before\n");
    home.has(CONFIG, &CORP.replace("\"corp\"", "\"two\": { \"url\": \"https://two.example/mcp\" }, \"corp\""));
    home.told(&["install", "codex", "corp"]);
    let told = home.told(&["install", "codex", "two"]);
    assert!(
        told.contains("What it was before mcp-mtls is still in [home]/.codex/config.toml.mcp-mtls-backup"),
        "{told}"
    );
    home.told(&["uninstall", "codex"]);
    assert_eq!((home.text(backup), home.text(file)), ("# before\n".to_owned(), "# before\n".to_owned()));
    home.has(file, "# later\n");
    home.told(&["install", "codex"]);
    assert_eq!(home.text(backup), "# later\n");
}

#[test]
fn comments_that_go_are_counted() {
    let home = Home::new();
    let file = ".gemini/settings.json";
    let ours = "{\n  \"mcpServers\": {\n    // all\n    \"x\": {},\n    // hunter2\n    \"corp\": {\n      \"command\": \"/old/mcp-mtls\",\n      \"args\": [\n        \"connect\", // one\n        \"corp\" /* two */\n      ]\n    } // hunter3\n  }\n}\n";
    home.has(file, ours);
    let dry = home.told(&["install", "gemini", "--dry-run"]);
    assert!(dry.contains("- (2 comments)") && dry.contains("\n      \"mcpServers\": {\n"), "{dry}");
    let told = home.told(&["install", "gemini"]);
    assert!(told.contains("Updated corp") && told.contains("With that went 2 comments."), "{told}");
    home.has(file, ours);
    let json = parsed(&home.told(&["uninstall", "gemini", "--json"]));
    assert_eq!(json["hosts"][0]["entries"][0]["comments"], 4, "{json}");
    assert_eq!(home.text(file), "{\n  \"mcpServers\": {\n    // all\n    \"x\": {}\n  }\n}\n");
}

#[test]
fn a_map_that_is_left_empty_goes_unless_there_is_a_comment_in_it() {
    let home = Home::new();
    for (host, file, before, after) in [
        ("gemini", ".gemini/settings.json", "{\n  \"a\": 1\n}\n", None),
        ("gemini", ".gemini/settings.json", "{\n  \"mcpServers\": {\n    // mine\n  }\n}\n", None),
        ("gemini", ".gemini/settings.json", "{ \"a\": 1, \"mcpServers\": {} }", Some("{ \"a\": 1 }")),
        ("hermes", ".hermes/config.yaml", "model: big\n", None),
        ("hermes", ".hermes/config.yaml", "mcp_servers: {}\n  # mine\n", None),
        ("codex", ".codex/config.toml", "model = \"o3\"\n", None),
    ] {
        home.has(file, before);
        home.told(&["install", host]);
        assert!(home.text(file).contains("corp"));
        home.told(&["uninstall", host]);
        assert_eq!(home.text(file), after.unwrap_or(before));
    }
}

//! What is refused, and that nothing is changed then.

use super::{CONFIG, CORP, Home, WRITTEN, parsed};

#[test]
fn an_entry_of_somebody_else_is_not_replaced_unless_told_to() {
    for host in WRITTEN {
        let home = Home::new();
        let there = host.there.replace("other", "corp");
        home.has(host.file, &there);
        let refused = home.refused(1, &["install", host.host]);
        assert!(refused.contains("already that is not of mcp-mtls") && refused.contains("--force"), "{refused}");
        assert!(refused.contains(".corp") && refused.contains("config-conflict"), "{refused}");
        let refused = home.refused(1, &["uninstall", host.host, "corp"]);
        assert!(refused.contains("is not of mcp-mtls"), "{refused}");
        let told = home.told(&["uninstall", host.host]);
        assert!(told.contains("Nothing of mcp-mtls is in"), "{told}");
        assert_eq!((home.text(host.file), home.files()), (there, vec![host.file.to_owned()]));
        let dry = home.told(&["install", host.host, "--force", "--dry-run"]);
        assert!(dry.contains("- (what stood there as corp)") && !dry.contains("hunter2"), "{dry}");
        let told = home.told(&["install", host.host, "--force"]);
        assert!(told.contains("Replaced corp"), "{told}");
        let text = home.text(host.file);
        assert!(text.contains("mcp-mtls") && !text.contains("\"x\"") && !text.contains(": x"), "{text}");
    }
}

#[test]
fn an_entry_that_starts_this_program_in_a_way_of_its_own_is_somebody_elses() {
    let entry = |rest: &str| format!(r#"{{ "mcpServers": {{ "corp": {{ "command": "/x/mcp-mtls", {rest} }} }} }}"#);
    for rest in [
        r#""args": ["connect", "https://mcp.corp.example/mcp", "--header", "X: hunter2"]"#,
        r#""args": ["connect", "corp", "--config", "/x", "--header", "X: hunter2"]"#,
        r#""args": ["connect", "other"]"#,
        r#""args": ["connect", "--opencode", "/work", "corp"]"#,
        r#""args": ["doctor", "corp"]"#,
        r#""args": ["connect", "corp"], "httpUrl": "https://mcp.corp.example/mcp""#,
    ] {
        let home = Home::new();
        let there = entry(rest);
        home.has(".gemini/settings.json", &there);
        for dry in [&["install", "gemini"][..], &["install", "gemini", "--dry-run"]] {
            let refused = home.refused(1, dry);
            assert!(refused.contains("config-conflict") && !refused.contains("hunter2"), "{rest}: {refused}");
        }
        let told = home.told(&["uninstall", "gemini"]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("corp starts mcp-mtls, but not as `install` would write it, and stays"), "{told}");
        let refused = home.refused(1, &["uninstall", "gemini", "corp"]);
        assert!(refused.contains("is not of mcp-mtls") && refused.contains("It stays as it is."), "{refused}");
        assert_eq!((home.text(".gemini/settings.json"), home.files().len()), (there, 1), "{rest}");
        let dry = home.told(&["install", "gemini", "--force", "--dry-run"]);
        assert!(dry.contains("- (what stood there as corp)") && !dry.contains("hunter2"), "{dry}");
    }
}

#[test]
fn a_server_that_the_host_has_already_is_named() {
    let home = Home::new();
    home.has(".gemini/settings.json", r#"{"mcpServers":{"corp":{"httpUrl":"https://mcp.corp.example/mcp"}}}"#);
    let refused = home.refused(1, &["install", "gemini"]);
    assert!(refused.contains("It is the same server"), "{refused}");
    home.has(".gemini/settings.json", r#"{"mcpServers":{"corp":{"httpUrl":"https://other.example/mcp"}}}"#);
    let refused = home.refused(1, &["install", "gemini"]);
    assert!(refused.contains("It is a remote server"), "{refused}");
}

#[test]
fn a_file_that_is_broken_stays_so_and_its_line_is_told() {
    for host in WRITTEN {
        let home = Home::new();
        let broken = match host.file.rsplit_once('.').expect("an ending").1 {
            "toml" => "a = 1\nb = [1,\nc = 2\n",
            "yaml" => "a: 1\nb: [1,\nc: {\n",
            _ => "{\n  \"a\": 1,\n  \"b\" 2\n}\n",
        };
        home.has(host.file, broken);
        for command in ["install", "uninstall"] {
            let refused = home.refused(1, &[command, host.host]);
            assert!(refused.contains("and was not touched") && refused.contains("config-syntax"), "{refused}");
            assert!(refused.contains(&format!("{}:", host.file)), "{refused}");
        }
        assert_eq!((home.text(host.file), home.files()), (broken.to_owned(), vec![host.file.to_owned()]));
    }
}

#[test]
fn names_must_be_those_of_entries_and_of_hosts() {
    let home = Home::new();
    let refused = home.refused(1, &["install", "codex", "crop"]);
    assert!(refused.contains("Did you mean `corp`?") && refused.contains("config-no-such-entry"), "{refused}");
    let refused = home.refused(2, &["install", "opncode"]);
    assert!(
        refused.contains("There is no host `opncode`") && refused.contains("Did you mean `opencode`?"),
        "{refused}"
    );
    let refused = home.refused(2, &["install", "emacs"]);
    assert!(refused.contains("The hosts are opencode, claude-code, codex"), "{refused}");
    let refused = home.refused(2, &["install", "codx"]);
    assert!(refused.contains("Did you mean `codex`?"), "{refused}");
    home.has(CONFIG, &CORP.replace("\"corp\"", "\"corp.eu\""));
    let refused = home.refused(1, &["install", "claude"]);
    assert!(refused.contains("letters, digits, `-` and `_` alone"), "{refused}");
    home.told(&["install", "opencode"]);
    for (name, host, why) in [
        ("--stdio", "opencode", "would take it for a flag"),
        ("a{env:TOKEN}b", "opencode", "`$` and `{` for references"),
        ("a$TOKEN", "gemini", "`$` and `{` for references"),
        ("a${TOKEN}", "cursor", "`$` and `{` for references"),
        ("__proto__", "copilot", "no key for programs in JavaScript"),
    ] {
        home.has(CONFIG, &CORP.replace("\"corp\"", &format!("\"{name}\"")));
        let refused = home.refused(1, &["install", host]);
        assert!(refused.contains(why) && refused.contains("cannot be the name of an entry"), "{name}: {refused}");
    }
    home.has(CONFIG, &CORP.replace("\"url\"", "\"enabled\": false, \"url\""));
    let refused = home.refused(1, &["install", "codex", "corp"]);
    assert!(refused.contains("config-disabled"), "{refused}");
    let refused = home.refused(1, &["install", "codex"]);
    assert!(refused.contains("No entry is enabled"), "{refused}");
    home.has(CONFIG, r#"{ "mcp": {} }"#);
    let refused = home.refused(1, &["install", "codex"]);
    assert!(refused.contains("mcp-mtls add NAME URL"), "{refused}");
    let refused = home.refused(2, &["install", "codex", "--project=nowhere"]);
    assert!(refused.contains("There is no such folder"), "{refused}");
    let refused = home.refused(1, &["uninstall", "codex", "corp"]);
    assert!(refused.contains("Codex has no entry `corp`"), "{refused}");
    assert_eq!(home.files(), [".config/opencode/opencode.jsonc"]);
}

#[test]
fn a_path_that_hosts_would_change_is_refused() {
    let home = Home::new();
    home.has("a${b}/config.jsonc", CORP);
    let refused = home.refused(1, &["install", "gemini", "--config", "a${b}/config.jsonc"]);
    assert!(refused.contains("Hosts take `$` and `{` for references"), "{refused}");
    assert_eq!(home.files(), ["a${b}/config.jsonc"]);
}

#[test]
fn what_fails_for_one_does_not_hold_up_the_others() {
    let home = Home::new();
    home.has(
        CONFIG,
        &CORP.replace(
            "\"corp\"",
            "\"two\": { \"url\": \"https://two.example/mcp\" }, \"b.c\": { \"url\": \"https://b.example\" }, \"corp\"",
        ),
    );
    home.has(".gemini/settings.json", "{");
    home.has(".claude.json", r#"{"mcpServers":{"two":{"command":"x"}}}"#);
    let outcome = home.run(&["install", "claude,gemini,codex", "--json"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""), "{}", outcome.stdout);
    let json = parsed(&outcome.stdout);
    let states = |at: usize| -> Vec<String> {
        let entries = json["hosts"][at]["entries"].as_array().expect("entries");
        entries.iter().map(|entry| format!("{} {}", entry["name"], entry["state"]).replace('"', "")).collect()
    };
    assert_eq!(states(0), ["two failed", "b.c failed", "corp added"]);
    assert_eq!(states(2), ["two added", "b.c added", "corp added"]);
    assert_eq!(json["hosts"][1]["failure"]["code"], "config-syntax", "{json}");
    assert_eq!(json["hosts"][0]["entries"][0]["failure"]["code"], "config-conflict", "{json}");
    let outcome = home.run(&["install", "claude,gemini,codex"]);
    assert_eq!(outcome.status, 1);
    assert!(outcome.stdout.contains("two: not done") && outcome.stdout.contains("corp is in "), "{}", outcome.stdout);
}

#[test]
fn an_entry_is_changed_as_a_whole_or_not_at_all() {
    let home = Home::new();
    let there = r#"{"mcpServers":{"corp":{"command":"/old/mcp-mtls","args":["connect","corp"],"env":"x"}}}"#;
    home.has(".gemini/settings.json", there);
    let refused = home.refused(1, &["install", "gemini"]);
    assert!(refused.contains("`mcpServers.corp.env` in the file of Gemini CLI is not a JSON object"), "{refused}");
    assert!(refused.contains("fix: Write `\"env\": {}`, or remove it."), "{refused}");
    assert_eq!(home.text(".gemini/settings.json"), there);
    home.has(CONFIG, &CORP.replace("\"corp\"", "\"two\": { \"url\": \"https://two.example/mcp\" }, \"corp\""));
    assert_eq!(home.run(&["install", "gemini"]).status, 1);
    let text = home.text(".gemini/settings.json");
    assert!(text.starts_with(there.trim_end_matches('}')) && text.contains("\"two\""), "{text}");
}

#[cfg(unix)]
#[test]
fn a_program_of_another_name_would_not_know_its_entries() {
    let home = Home::new();
    std::fs::rename(home.path("bin/mcp-mtls"), home.path("bin/bridge")).expect("renamed");
    let output = std::process::Command::new(home.path("bin/bridge"))
        .env_clear()
        .env("HOME", home.path(""))
        .args(["install", "codex"])
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && told.contains("This program is not called mcp-mtls"), "{told}");
    assert!(home.files().is_empty());
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_told_as_one_of_a_host() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.has(".codex/config.toml/x", "");
    let refused = home.refused(1, &["install", "codex"]);
    assert!(refused.contains("Put a file in its place.") && !refused.contains("--config"), "{refused}");
    home.has(".gemini/settings.json", "{}");
    let folder = home.path(".gemini");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).expect("chmod");
    // Whoever may do all is stopped by no mode.
    if std::fs::write(folder.join("x"), "").is_err() {
        let told = home.run(&["install", "gemini"]).stdout;
        assert!(told.contains("file-unwritable") && told.contains("Put this into"), "{told}");
        assert_eq!(home.text(".gemini/settings.json"), "{}");
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("chmod");
}

#[test]
fn what_cannot_be_changed_is_shown_to_be_copied() {
    let home = Home::new();
    let there = "mcp_servers: &servers\n  other:\n    command: x\nmore: *servers\n";
    home.has(".hermes/config.yaml", there);
    let outcome = home.run(&["install", "hermes"]);
    let told = home.without_chance(&outcome.stdout);
    assert_eq!(outcome.status, 1, "{told}");
    assert!(told.contains("corp: not done") && told.contains("This was not written to the file of Hermes."), "{told}");
    assert!(told.contains("\nmcp_servers:\n  corp:\n    command: [home]/bin/mcp-mtls"), "{told}");
    assert_eq!(
        (home.text(".hermes/config.yaml"), home.files()),
        (there.to_owned(), vec![".hermes/config.yaml".to_owned()])
    );
}

#[test]
fn a_map_of_servers_that_is_none_is_told_as_what_it_is() {
    let home = Home::new();
    let file = ".config/opencode/opencode.jsonc";
    for (there, why) in [
        (r#"{"mcp":null}"#, "fix: Write `\"mcp\": {}`, or remove it."),
        (r#"{"mcp":[]}"#, "`mcp` in the file of opencode is not a JSON object"),
        (r#"{"mcp":{"a":1},"mcp":1}"#, "`mcp` is twice in the file of opencode"),
        (r#"{"mcp":{"a":1},"mcp":{}}"#, "fix: Remove one of them."),
        ("{\n  \"a\": b }", "opencode.jsonc:2 why: Unexpected word, in column 8."),
    ] {
        home.has(file, there);
        let refused = home.refused(1, &["install", "opencode"]);
        assert!(refused.contains(why), "{there}: {refused}");
        assert_eq!(home.text(file), there);
    }
    // JSON.stringify writes half of an emoji so.
    home.has(file, r#"{"history":["\ud83d"]}"#);
    home.told(&["install", "opencode"]);
    assert!(home.text(file).starts_with(r#"{"history":["\ud83d"],"mcp":{"corp":"#), "{}", home.text(file));
}

#[cfg(unix)]
#[test]
fn a_link_of_a_project_that_leads_out_of_it_is_refused() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    home.has("mine/settings.json", "{}");
    home.has("work/inside/settings.json", "{}");
    let (file, folder) = (home.path("work/.mcp.json"), home.path("work/.gemini"));
    for (host, link, to) in [
        ("claude", &file, "../mine/settings.json"),
        ("claude", &file, "../mine/new.json"),
        ("claude", &file, "inside/../../mine/settings.json"),
        ("gemini", &folder, "../mine"),
        ("gemini", &folder, "../not-there"),
    ] {
        symlink(to, link).expect("a link");
        for what in ["install", "uninstall"] {
            let refused = home.refused(1, &[what, host, "--project=work"]);
            assert!(refused.contains("is a link that leads out of it"), "{to}: {refused}");
        }
        std::fs::remove_file(link).expect("a link");
    }
    assert_eq!(home.files(), ["mine/settings.json", "work/inside/settings.json"]);
    assert_eq!(home.text("mine/settings.json"), "{}");
    symlink("inside", &folder).expect("a link");
    symlink("work", home.path("same")).expect("a link");
    home.told(&["install", "gemini", "--project=same"]);
    assert!(home.text("work/inside/settings.json").contains("corp"));
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_shown_to_be_copied() {
    // A folder in which nobody makes files.
    let home = Home::new().with("CODEX_HOME", "/proc/self");
    let outcome = home.run(&["install", "codex"]);
    let told = home.without_chance(&outcome.stdout);
    assert!(outcome.status == 1 && told.contains("The file of the host cannot be written"), "{told}{}", outcome.stderr);
    assert!(told.contains("Put this into") && told.contains("\n[mcp_servers.corp]\ncommand = "), "{told}");
}

#[test]
fn an_entry_of_the_plugin_is_told_as_such() {
    let home = Home::new();
    home.has(
        ".config/opencode/opencode.jsonc",
        r#"{"mcp":{"corp":{"type":"remote","url":"https://mcp.corp.example/mcp","tls":{"cert":"a","key":"b"}}}}"#,
    );
    let refused = home.refused(1, &["install", "opencode"]);
    assert!(
        refused.contains("It has `tls`: the plugin connects to it") && !refused.contains("without the certificate"),
        "{refused}"
    );
}

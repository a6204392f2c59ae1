//! `install --list`, and `install auto`.

use super::{Home, parsed};

#[test]
fn every_host_is_told_with_its_file_and_our_entries() {
    let home = Home::new();
    home.has(".codex/config.toml", "");
    home.has(".gemini/settings.json", "{");
    home.told(&["install", "opencode"]);
    let told = home.told(&["install", "--list"]);
    insta::assert_snapshot!("list", told);
    let json = parsed(&home.told(&["install", "--list", "--json"]));
    let rows = json["hosts"].as_array().expect("rows");
    let row = |id: &str| rows.iter().find(|row| row["host"] == id).expect("a row").clone();
    assert_eq!(rows.len(), 17);
    let entries =
        serde_json::json!([{ "name": "corp", "config": "[home]/.config/mcp-mtls/config.jsonc", "isYours": true }]);
    assert_eq!(row("opencode")["entries"], entries);
    assert_eq!((&row("opencode")["installed"], &row("zed")["installed"]), (&true.into(), &false.into()));
    assert_eq!(row("gemini-cli")["failure"]["code"], "config-syntax");
    assert_eq!(row("zed")["file"], "[home]/.config/zed/settings.json");
}

#[test]
fn a_home_that_is_not_known_is_told_once() {
    let home = Home::new();
    for arguments in [&["install", "--list"][..], &["install", "auto"], &["install", "codex"]] {
        for (set, why) in [(None, "HOME."), (Some("rel"), "HOME holds no absolute path")] {
            let mut command = home.command(arguments);
            command.env_remove("HOME").env_remove("USERPROFILE").arg("--json");
            if arguments[1] != "--list" {
                command.arg("--config").arg(home.path(super::CONFIG));
            }
            command.envs(set.map(|set| (if cfg!(windows) { "USERPROFILE" } else { "HOME" }, set)));
            let output = command.output().expect("it runs");
            let told =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(!output.status.success() && !told.contains("No host was found"), "{told}");
            assert!(cfg!(windows) || told.matches(why).count() == 1, "{arguments:?} {set:?}: {told}");
        }
    }
    assert!(home.files().is_empty(), "{:?}", home.files());
}

#[test]
fn auto_is_for_the_hosts_that_are_here_and_asks_first() {
    let home = Home::new();
    let refused = home.refused(2, &["install", "auto", "--yes"]);
    assert!(refused.contains("No host was found on this machine"), "{refused}");
    home.has(".codex/config.toml", "");
    home.has(".cursor/mcp.json", "{}");
    let refused = home.refused(2, &["install", "auto"]);
    assert!(refused.contains("[home]/.codex/config.toml (Codex): corp"), "{refused}");
    assert!(refused.contains("nobody can be asked") && refused.contains("--yes"), "{refused}");
    home.has(".gemini/settings.json", "{");
    let refused = home.refused(2, &["install", "auto"]);
    assert!(refused.contains("These would not: Gemini CLI: The file of Gemini CLI is not valid JSON"), "{refused}");
    std::fs::remove_dir_all(home.path(".gemini")).expect("removed");
    let dry = home.told(&["install", "auto", "--dry-run"]);
    assert!(dry.contains("Would add corp to [home]/.codex/config.toml"), "{dry}");
    assert_eq!(home.text(".codex/config.toml"), "");
    let told = home.told(&["install", "auto", "--yes"]);
    assert!(told.contains("Added corp") && told.contains("`mcp-mtls install cursor` shows"), "{told}");
    assert!(home.text(".codex/config.toml").contains("corp"));
    assert_eq!(home.text(".cursor/mcp.json"), "{}");
    // There is nothing to be asked about any more.
    assert!(home.told(&["install", "auto"]).contains("nothing to change"));
    // A host may be there without a file.
    home.has("bin/opencode", "");
    #[cfg(unix)]
    {
        let told = home.told(&["install", "auto", "--dry-run"]);
        assert!(!told.contains("opencode"), "it cannot be run: {told}");
        std::fs::set_permissions(home.path("bin/opencode"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("chmod");
        let told = home.told(&["install", "auto", "--dry-run"]);
        assert!(told.contains("Would add corp to [home]/.config/opencode/opencode.jsonc"), "{told}");
    }
    let refused = home.refused(2, &["install", "codex", "--yes"]);
    assert!(refused.contains("--yes is for `auto`"), "{refused}");
}

#[test]
fn entries_of_elsewhere_are_marked_and_are_not_those_that_remove_names() {
    let home = Home::new();
    home.told(&["install", "opencode,codex"]);
    home.has("team.jsonc", super::CORP);
    home.told(&["install", "gemini", "--config", "team.jsonc"]);
    home.has(".copilot/mcp-config.json", r#"{"mcpServers":{"old":{"command":"mcp-mtls","args":["connect","old"]}}}"#);
    let told = home.told(&["install", "--list"]);
    let all = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(all.contains("entries: corp (of [home]/team.jsonc)"), "{told}");
    assert!(
        all.contains("entries: old (not in your configuration)") && all.contains("opencode.jsonc entries: corp "),
        "{told}"
    );
    let json = parsed(&home.told(&["remove", "corp", "--json"]));
    assert_eq!(json["hosts"], serde_json::json!(["opencode", "codex"]), "{json}");
    let json = parsed(&home.told(&["remove", "corp", "--json", "--config", "team.jsonc"]));
    assert_eq!(json["hosts"], serde_json::json!(["gemini-cli"]), "{json}");
    for flag in ["--project", "--force", "--dry-run", "--yes", "--config=x"] {
        let refused = home.refused(2, &["install", "--list", flag]);
        assert!(refused.contains("cannot be used with"), "{flag}: {refused}");
    }
    for arguments in [
        &["uninstall", "auto"][..],
        &["install", "auto,codex"],
        &["add", "a", "https://a.example", "--install", "auto"],
    ] {
        let refused = home.refused(2, arguments);
        assert!(refused.contains("`auto` stands alone"), "{refused}");
    }
}

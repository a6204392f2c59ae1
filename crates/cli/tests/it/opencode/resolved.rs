//! What the plugin of opencode is given, and the order in which opencode merges its files.

use serde_json::json;

use super::{Stage, USER};
use crate::run::BINARY;

#[tokio::test]
async fn an_entry_with_tls_becomes_a_command_and_others_are_left_alone() {
    let stage = Stage::new().await;
    let plain = json!({ "type": "remote", "url": "https://plain.example/", "tls": null });
    let text = json!({ "mcp": { "corp": stage.entry(), "-x": stage.entry(), "plain": plain, "a/b": stage.entry() } });
    stage.file(USER, &text.to_string());
    let resolved = stage.resolved();
    let binary = std::path::Path::new(BINARY).canonicalize().unwrap();
    let clone = stage.clone();
    let command = |name: &str| {
        let words =
            ["connect", "--opencode", clone.to_str().unwrap(), "--worktree", clone.to_str().unwrap(), "--", name];
        let words = [&[binary.to_str().unwrap()][..], &words].concat();
        json!({ "type": "local", "command": words })
    };
    let expected = json!({ "corp": command("corp"), "-x": command("-x"), "a/b": command("a/b") });
    assert_eq!(resolved, json!({ "mcp": expected, "notes": [] }));
}

#[tokio::test]
async fn a_refused_entry_is_there_too_so_that_it_never_goes_out_plain() {
    let stage = Stage::new().await;
    stage.corp("clone/opencode.json", &stage.entry());
    let resolved = stage.resolved();
    assert_eq!(resolved["mcp"]["corp"]["command"][1], "connect", "{resolved}");
    assert!(resolved["notes"][0].as_str().unwrap().contains("is not trusted"), "{resolved}");
}

#[tokio::test]
async fn opencode_and_we_must_mean_the_same_working_tree() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    let clone = stage.clone();
    let resolve = ["hosts", "opencode", "resolve", "--directory", "."];
    for command in [&resolve[..], &["doctor", "--opencode", "."], &["connect", "corp", "--opencode", "."]] {
        let told = stage.run(&[command, &["--worktree", "/"]].concat());
        let told = format!("{}{}", told.stdout, told.stderr);
        assert!(told.contains("opencode takes another folder for the working tree"), "{command:?}: {told}");
    }
    stage.run(&[&resolve[..], &["--worktree", clone.to_str().unwrap()]].concat()).succeeded();
    // Such a file makes git refuse the folder, and opencode take another one.
    std::fs::create_dir(clone.join("sub")).unwrap();
    stage.file("clone/sub/.git", "");
    let mut host = crate::stage::host(["--opencode", clone.join("sub").to_str().unwrap(), "--worktree"]);
    host = stage.variables.iter().fold(host, |host, (name, value)| host.env(name, value));
    let error =
        crate::stage::refusal(&mut host.args([clone.to_str().unwrap(), "corp"]).home(&stage.home()).spawn()).await;
    assert_eq!(error["data"]["code"], "config-unreadable", "{error:#}");
    assert!(stage.server.server().connections().is_empty());
    stage.run(&["connect", "corp", "--worktree", "."]).failed(2);
}

/// As opencode 1.18.33 answers `opencode debug config`: the last one counts.
#[tokio::test]
async fn the_files_are_merged_in_opencodes_order() {
    const USERS: [&str; 11] = [
        ".config/opencode/config.json",
        ".config/opencode/opencode.json",
        USER,
        "named.json",
        ".opencode/opencode.json",
        ".opencode/opencode.jsonc",
        "folder/opencode.json",
        "folder/opencode.jsonc",
        "OPENCODE_CONFIG_CONTENT",
        "managed/opencode.json",
        "managed/opencode.jsonc",
    ];
    const PROJECTS: [&str; 8] = [
        "clone/opencode.json",
        "clone/opencode.jsonc",
        "clone/deep/opencode.json",
        "clone/deep/opencode.jsonc",
        // Of these folders those above count more.
        "clone/deep/.opencode/opencode.json",
        "clone/deep/.opencode/opencode.jsonc",
        "clone/.opencode/opencode.json",
        "clone/.opencode/opencode.jsonc",
    ];
    for order in [&USERS[..], &PROJECTS[..]] {
        // Each with all before it: the timeout is that of the last.
        for last in 0..order.len() {
            let mut stage =
                Stage::new().await.with("OPENCODE_CONFIG", "named.json").with("OPENCODE_CONFIG_DIR", "folder");
            std::fs::create_dir_all(stage.clone().join("deep")).unwrap();
            for (at, path) in order.iter().enumerate().take(last + 1) {
                let mut entry = stage.entry();
                entry["timeout"] = json!(1000 + at);
                if *path == "OPENCODE_CONFIG_CONTENT" {
                    stage = stage.set(path, json!({ "mcp": { "corp": entry } }).to_string());
                } else {
                    stage.corp(path, &entry);
                }
            }
            let deep = stage.clone().join("deep");
            stage.run(&["trust", deep.to_str().unwrap(), "--yes"]).succeeded();
            let told = stage.run(&["hosts", "opencode", "resolve", "--directory", deep.to_str().unwrap()]).succeeded();
            let resolved: serde_json::Value = serde_json::from_str(&told).unwrap();
            assert_eq!(resolved["mcp"]["corp"]["timeout"], 1000 + last, "{}: {resolved}", order[last]);
        }
    }
}

#[tokio::test]
async fn the_global_folder_counts_again_where_a_variable_names_it() {
    let stage = Stage::new().await.with("OPENCODE_CONFIG", "named.json");
    let with = |timeout: u64| {
        let mut entry = stage.entry();
        entry["timeout"] = json!(timeout);
        entry
    };
    stage.corp(USER, &with(1000));
    stage.corp("named.json", &with(2000));
    assert_eq!(stage.resolved()["mcp"]["corp"]["timeout"], 2000);
    let stage = stage.with("OPENCODE_CONFIG_DIR", ".config/opencode");
    assert_eq!(stage.resolved()["mcp"]["corp"]["timeout"], 1000);
}

#[tokio::test]
async fn the_projects_files_can_be_switched_off() {
    for (value, is_off) in [("1", true), ("TRUE", true), ("0", false), ("yes", false)] {
        let stage = Stage::new().await.set("OPENCODE_DISABLE_PROJECT_CONFIG", value.to_owned());
        stage.corp("clone/opencode.json", &stage.entry());
        stage.corp("clone/.opencode/opencode.json", &stage.entry());
        assert_eq!(stage.resolved()["mcp"].as_object().unwrap().is_empty(), is_off, "{value}");
    }
}

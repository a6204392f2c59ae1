//! What is the user's own is used, wherever of opencode's places it stands.

use serde_json::json;

use super::{Stage, USER};

#[tokio::test]
async fn every_file_of_the_user_counts() {
    for path in [
        ".config/opencode/config.json",
        ".config/opencode/opencode.json",
        USER,
        ".opencode/opencode.json",
        ".opencode/opencode.jsonc",
        "named.json",
        "folder/opencode.json",
        "managed/opencode.jsonc",
    ] {
        let stage = Stage::new().await.with("OPENCODE_CONFIG", "named.json").with("OPENCODE_CONFIG_DIR", "folder");
        stage.corp(path, &stage.entry());
        stage.is_used().await;
    }
    let stage = Stage::new().await;
    let content = json!({ "mcp": { "corp": stage.entry() } }).to_string();
    stage.set("OPENCODE_CONFIG_CONTENT", content).is_used().await;
}

#[tokio::test]
async fn tls_may_stand_in_the_options_of_the_plugin() {
    let stage = Stage::new().await;
    let url = json!({ "type": "remote", "url": stage.server.url() });
    let options = json!(["file:///plugin.js", { "mcp": { "corp": { "tls": stage.tls() } } }]);
    stage.file(USER, &json!({ "plugin": ["other", options], "mcp": { "corp": url } }).to_string());
    stage.is_used().await;
}

#[tokio::test]
async fn a_relative_path_is_relative_to_the_file_that_it_stands_in() {
    let stage = Stage::new().await;
    let mut entry = stage.entry();
    for (setting, name) in [("cert", "alice.pem"), ("key", "alice.key")] {
        let from = entry["tls"][setting].as_str().expect("a path").to_owned();
        std::fs::create_dir_all(stage.home().join(".config/opencode")).expect("a folder");
        std::fs::copy(from, stage.home().join(".config/opencode").join(name)).expect("a copy");
        entry["tls"][setting] = json!(name);
    }
    stage.mine(&entry);
    // Over it, out of another folder.
    stage.corp("managed/opencode.json", &json!({ "type": "remote", "timeout": 9000, "url": stage.server.url() }));
    stage.is_used().await;
}

#[cfg(unix)]
#[tokio::test]
async fn programs_of_the_users_variable_do_not_run_in_the_project() {
    let stage = Stage::new().await;
    let mut entry = stage.entry();
    entry["tls"] = json!({ "exec": ["cat", "identity.pem"], "ca": stage.tls()["ca"] });
    stage.file("identity.pem", &stage.client.combined_pem());
    stage.file("clone/identity.pem", &stage.pki.client("mallory").combined_pem());
    let content = json!({ "mcp": { "corp": entry } }).to_string();
    let stage = stage.set("OPENCODE_CONFIG_CONTENT", content);
    // It is started in the clone.
    let mut doctor = stage.command(&["doctor", "--opencode", ".", "corp"]);
    let told = tokio::task::spawn_blocking(move || doctor.output()).await.unwrap().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(stage.server.verified().contains(&stage.client.fingerprint), "{told}");
    assert!(told.contains("alice") && !told.contains("mallory"), "{told}");
}

#[tokio::test]
async fn a_project_may_switch_it_and_give_it_time() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    stage.corp("clone/opencode.json", &json!({ "enabled": false, "timeout": 8000 }));
    // opencode starts it for whoever asks for it.
    stage.is_used().await;
    let server = &stage.resolved()["mcp"]["corp"];
    assert_eq!((&server["enabled"], &server["timeout"]), (&json!(false), &json!(8000)), "{server}");
    let told = stage.run(&["doctor", "--opencode", "."]).succeeded();
    assert!(told.contains("disabled"), "{told}");
}

#[tokio::test]
async fn a_home_folder_that_is_a_repository_is_still_the_users() {
    let stage = Stage::new().await;
    std::fs::create_dir(stage.home().join(".git")).expect("a folder");
    stage.corp(".opencode/opencode.json", &stage.entry());
    assert_eq!(stage.connected(&stage.home()).await, Ok(()));
    stage.is_used().await;
}

#[tokio::test]
async fn doctor_examines_it() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    let mut doctor = stage.command(&["doctor", "--opencode", ".", "corp"]);
    // The server answers on this thread.
    let told = tokio::task::spawn_blocking(move || doctor.output()).await.unwrap().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("alice") && !stage.server.verified().is_empty(), "{told}");
    let told = stage.run(&["doctor", "--opencode", ".", "other"]);
    assert!(told.stdout.contains("config-no-such-entry") && told.status == 1, "{}", told.stdout);
}

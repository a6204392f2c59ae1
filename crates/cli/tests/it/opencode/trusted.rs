//! `mcp-mtls trust`: what a project may have of its own, for as long as it stays what somebody has looked at.

use serde_json::{Value, json};

use super::Stage;

const UNTRUSTED: &str = "project-not-trusted";

fn trusted(stage: &Stage) -> String {
    let outcome = stage.run(&["trust", "--yes"]);
    let shown = outcome.stderr.clone();
    assert!(outcome.succeeded().contains("Trusted: `corp`"), "{shown}");
    shown
}

#[tokio::test]
async fn a_project_that_is_trusted_is_used_until_it_changes() {
    let stage = Stage::new().await;
    stage.corp("clone/opencode.json", &stage.entry());
    stage.refused(UNTRUSTED).await;
    let shown = trusted(&stage);
    assert!(shown.contains(&stage.server.url()) && shown.contains("clone/opencode.json"), "{shown}");
    let presented = format!("tls.cert: the certificate \"{}\"", stage.client.cert_file.display());
    assert!(shown.contains(&presented), "{shown}");
    stage.is_used().await;
    let mut entry = stage.entry();
    entry["headers"] = json!({ "X-A": "1" });
    stage.corp("clone/opencode.json", &entry);
    let error = stage.refused(UNTRUSTED).await;
    let why = error["why"].to_string();
    assert!(why.contains("It was trusted on 20") && why.contains("opencode.json has changed"), "{why}");
    stage.corp("clone/opencode.json", &stage.entry());
    stage.is_used().await;
}

#[tokio::test]
async fn or_until_there_is_another_file_or_one_less() {
    for path in ["clone/opencode.jsonc", "clone/.opencode/opencode.json"] {
        let stage = Stage::new().await;
        stage.corp("clone/opencode.json", &stage.entry());
        trusted(&stage);
        stage.file(path, r#"{ "theme": "dark" }"#);
        assert!(stage.refused(UNTRUSTED).await["why"].to_string().contains("is new"));
        trusted(&stage);
        stage.is_used().await;
        std::fs::remove_file(stage.home().join(path)).expect("it is there");
        assert!(stage.refused(UNTRUSTED).await["why"].to_string().contains("is gone"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn or_until_a_program_of_the_project_is_another() {
    let stage = Stage::new().await;
    let print = format!("cat '{}' '{}'", stage.client.cert_file.display(), stage.client.key_file.display());
    for exec in [json!(["sh", "./print.sh"]), json!(["sh", "-c", ". ./print.sh; true"])] {
        let mut entry = stage.entry();
        entry["tls"] = json!({ "exec": exec, "ca": stage.pki.server_ca_file() });
        stage.corp("clone/opencode.json", &entry);
        stage.file("clone/print.sh", &print);
        let shown = trusted(&stage);
        assert!(shown.contains("tls.exec: sh ") && shown.contains("clone/print.sh"), "{shown}");
        assert!(shown.contains("tls.exec: the certificate that it prints"), "{shown}");
        let marker = stage.home().join("ran");
        stage.file("clone/print.sh", &format!("touch {}; {print}", marker.display()));
        let error = stage.refused(UNTRUSTED).await;
        assert!(error["why"].to_string().contains("print.sh has changed") && !marker.exists(), "{error:#}");
    }
}

#[tokio::test]
async fn what_only_a_reference_may_load_is_shown_too() {
    let stage = Stage::new().await;
    let mut entry = stage.entry();
    entry["tls"]["cert"] = json!("{env:CERT}");
    entry["headers"] = json!({ "X-A": "{env:HOME}" });
    stage.corp("clone/opencode.json", &entry);
    stage.file("clone/library", "");
    let shown = trusted(&stage);
    assert!(!shown.contains("clone/library"), "{shown}");
    assert!(
        shown.contains("whatever library its reference names") && shown.contains("headers.X-A: {env:HOME}"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_line_that_opencode_adds_is_no_change() {
    let stage = Stage::new().await;
    stage.corp("clone/opencode.json", &stage.entry());
    trusted(&stage);
    let text = json!({ "mcp": { "corp": stage.entry() } }).to_string();
    let added = text.replacen('{', "{\n  \"$schema\": \"https://opencode.ai/config.json\",", 1);
    stage.file("clone/opencode.json", &added);
    stage.is_used().await;
}

#[tokio::test]
async fn it_is_of_one_folder() {
    let stage = Stage::new().await;
    stage.corp("clone/opencode.json", &stage.entry());
    std::fs::create_dir(stage.clone().join("deep")).expect("a folder");
    trusted(&stage);
    let error = stage.connected(&stage.clone().join("deep")).await.expect_err("another folder");
    assert_eq!(error["code"], UNTRUSTED, "{error:#}");
}

#[tokio::test]
async fn it_is_listed_and_removed() {
    let stage = Stage::new().await;
    let list =
        || -> Value { serde_json::from_str(&stage.run(&["trust", "--list", "--json"]).succeeded()).expect("JSON") };
    assert_eq!(list()["projects"], json!([]));
    stage.corp("clone/opencode.json", &stage.entry());
    trusted(&stage);
    assert_eq!(list()["projects"][0]["directory"], json!(stage.clone()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::metadata(stage.home().join(".config/mcp-mtls/trusted.json")).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
    stage.run(&["trust", "--remove"]).succeeded();
    stage.refused(UNTRUSTED).await;
    stage.run(&["trust", "--remove"]).failed(2);
    assert_eq!(list()["projects"], json!([]));
}

#[tokio::test]
async fn without_a_terminal_nothing_is_trusted() {
    let stage = Stage::new().await;
    stage.corp("clone/opencode.json", &stage.entry());
    let told = stage.run(&["trust"]).failed(2);
    assert!(told.contains("Nobody can be asked") && told.contains("The entry `corp`"), "{told}");
    let error = stage.refused(UNTRUSTED).await;
    assert_eq!(
        error["fix"][0],
        format!("See what it does, and allow it, with `mcp-mtls trust {}`.", stage.clone().display())
    );
    let told = stage.run(&["trust", "/nope"]).failed(1);
    assert!(told.contains("Name the folder that opencode is started in."), "{told}");
}

#[tokio::test]
async fn programs_are_told_what_it_would_allow() {
    let stage = Stage::new().await;
    let mut entry = stage.entry();
    entry["tls"] = json!({ "exec": ["sh", "./print.sh"], "ca": stage.tls()["ca"] });
    entry["headers"] = json!({ "X-A": "hunter2 {env:HOME}" });
    stage.corp("clone/opencode.json", &entry);
    stage.file("clone/print.sh", "");
    let parsed = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    let refused = stage.run(&["trust", "--json"]);
    assert_eq!(refused.status, 2);
    let allows = parsed(&refused.stdout)["error"]["evidence"]["allows"].clone();
    assert_eq!(allows["directory"], json!(stage.clone()));
    let told = &allows["entries"][0];
    assert_eq!((&told["name"], &told["entry"]["url"]), (&json!("corp"), &json!(stage.server.url())));
    assert_eq!(told["programs"][0]["setting"], "tls.exec");
    assert!(told["programs"][0]["line"].as_str().expect("text").starts_with("sh "), "{told}");
    assert_eq!(told["sends"], json!(["headers.X-A: …{env:HOME}", "tls.exec: the certificate that it prints"]));
    let script = json!({ "path": stage.clone().join("print.sh"), "target": stage.clone().join("print.sh") });
    assert!(allows["covered"].as_array().expect("a list").contains(&script), "{allows:#}");
    assert!(!refused.stdout.contains("hunter2"), "{}", refused.stdout);
    assert_eq!(parsed(&stage.run(&["trust", "--yes", "--json"]).succeeded()), allows);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_trusts_nobody() {
    let stage = Stage::new().await;
    stage.corp("clone/opencode.json", &stage.entry());
    trusted(&stage);
    stage.file(".config/mcp-mtls/trusted.json", "{");
    stage.refused("config-syntax").await;
    // What needs no trust needs no list.
    std::fs::remove_file(stage.clone().join("opencode.json")).expect("it is there");
    stage.mine(&stage.entry());
    stage.is_used().await;
}

#[cfg(unix)]
#[tokio::test]
async fn whoever_sits_at_a_terminal_is_asked() {
    use std::io::{Read as _, Write as _};

    for (answer, agrees) in [("n\n", false), ("\n", false), ("\u{4}", false), ("y\n", true)] {
        let stage = Stage::new().await;
        stage.corp("clone/opencode.json", &stage.entry());
        let (mut person, program) = crate::entries::asked::terminal();
        person.write_all(answer.as_bytes()).unwrap();
        let mut command = stage.command(&["trust"]);
        command.stdout(std::process::Stdio::null());
        command.stdin(program.try_clone().unwrap()).stderr(program.try_clone().unwrap());
        let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap();
        drop(program);
        let mut told = Vec::new();
        let _ = person.read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains("The entry `corp`:") && told.contains("[y/N]"), "{told}");
        assert_eq!(status.code(), Some(i32::from(!agrees)), "{answer:?}: {told}");
        if agrees {
            stage.is_used().await;
        } else {
            stage.refused(UNTRUSTED).await;
        }
    }
}

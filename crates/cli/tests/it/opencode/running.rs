//! What a project may not do to a connection that has begun: what it changes is not read, and not run.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::Client;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

use super::Stage;
use crate::stage::{self, LATEST, whoami};

/// A connection that has begun, of an entry that was trusted just before.
async fn begun(stage: &Stage) -> Host {
    stage.run(&["trust", "--yes"]).succeeded();
    let host = stage::host(["--opencode".into(), stage.clone(), "corp".into()]).home(&stage.home());
    let mut host = stage.variables.iter().fold(host, |host, (name, value)| host.env(name, value)).spawn();
    let answer = host.initialize(LATEST).await;
    assert!(answer["result"].is_object(), "{answer:#}");
    host
}

/// Has everything read anew, as far as it may be.
async fn renew(host: &Host) {
    host.signal("HUP");
    tokio::time::sleep(Duration::from_millis(700)).await;
}

async fn until_the_next_look() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

/// Makes the links `certs/me.pem` and `certs/me.key` of the clone lead to this client's files.
fn link(stage: &Stage, client: &Client) {
    std::fs::create_dir_all(stage.clone().join("certs")).expect("a folder");
    for (to, name) in [(&client.cert_file, "me.pem"), (&client.key_file, "me.key")] {
        let at = stage.clone().join("certs").join(name);
        let _ = std::fs::remove_file(&at);
        symlink(to, at).expect("a link");
    }
}

fn linked(stage: &Stage) -> Value {
    let mut entry = stage.entry();
    entry["tls"]["cert"] = json!("./certs/me.pem");
    entry["tls"]["key"] = json!("./certs/me.key");
    entry
}

#[tokio::test]
async fn links_that_lead_elsewhere_are_not_followed_until_somebody_has_looked_again() {
    let stage = Stage::new().await;
    let bob = stage.pki.client("bob");
    link(&stage, &bob);
    stage.corp("clone/opencode.json", &linked(&stage));
    let mut host = begun(&stage).await;
    link(&stage, &stage.client);
    until_the_next_look().await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint, "on a look");
    renew(&host).await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint, "on a signal");
    assert!(!stage.server.verified().contains(&stage.client.fingerprint));
    let told = host.stderr();
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in ["those from before stay in use", "is not trusted", "me.pem leads elsewhere"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    stage.run(&["trust", "--yes"]).succeeded();
    renew(&host).await;
    assert_eq!(whoami(&mut host).await, stage.client.fingerprint, "trusted anew");
}

#[tokio::test]
async fn nor_are_they_when_trust_has_ended_or_is_of_another_entry() {
    let stage = Stage::new().await;
    let bob = stage.pki.client("bob");
    link(&stage, &bob);
    stage.corp("clone/opencode.json", &linked(&stage));
    let mut host = begun(&stage).await;
    stage.run(&["trust", "--remove"]).succeeded();
    link(&stage, &stage.client);
    renew(&host).await;
    // Of these files nothing is covered.
    let mut other = stage.entry();
    other["tls"] = json!({ "ca": stage.tls()["ca"] });
    stage.corp("clone/opencode.json", &other);
    stage.run(&["trust", "--yes"]).succeeded();
    renew(&host).await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint);
    let told = host.stderr();
    assert!(told.contains("is not trusted") && told.contains("is not the one that was trusted last"), "{told}");
    assert!(told.contains("Start opencode anew."), "{told}");
}

#[tokio::test]
async fn a_program_of_the_project_that_has_changed_is_not_run_again() {
    let stage = Stage::new().await;
    let print = format!("cat '{}' '{}'", stage.client.cert_file.display(), stage.client.key_file.display());
    let mut entry = stage.entry();
    entry["tls"] = json!({ "exec": ["sh", "./print.sh"], "ca": stage.tls()["ca"] });
    stage.corp("clone/opencode.json", &entry);
    let ran = stage.home().join("ran");
    stage.file("clone/print.sh", &format!("echo as-trusted >> '{}'; {print}", ran.display()));
    let mut host = begun(&stage).await;
    let runs = || std::fs::read_to_string(&ran).expect("it ran");
    let trusted = runs();
    renew(&host).await;
    assert_eq!(runs(), trusted.repeat(2), "it is run again as long as it is the same");
    stage.file("clone/print.sh", &format!("echo changed >> '{}'; {print}", ran.display()));
    renew(&host).await;
    assert_eq!(whoami(&mut host).await, stage.client.fingerprint);
    assert_eq!(runs(), trusted.repeat(2));
    assert!(host.stderr().contains("print.sh has changed"), "{}", host.stderr());
}

#[tokio::test]
async fn nor_is_one_that_gives_a_header() {
    let stage = Stage::new().await;
    let handler = |request: Request<Bytes>, _| async move {
        let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        match message["method"].as_str() {
            Some("initialize") => {
                let result = json!({ "protocolVersion": LATEST });
                reply::json(200, json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string())
            }
            Some("tools/call") => reply::text(401, "who are you?"),
            other => reply::empty(if other.is_some() { 202 } else { 405 }),
        }
    };
    let server = TlsServer::builder(&stage.pki).alpn(&["h2", "http/1.1"]).handler(handler).start().await;
    let mut entry = stage.entry();
    entry["url"] = json!(server.url("/mcp"));
    entry["headers"] = json!({ "Authorization": "Bearer {command:sh ./token.sh}" });
    stage.corp("clone/opencode.json", &entry);
    stage.file("clone/token.sh", "echo one");
    let mut host = begun(&stage).await;
    let ran = stage.home().join("ran");
    stage.file("clone/token.sh", &format!("touch '{}'; echo two", ran.display()));
    let answer = host.call("x", json!({})).await;
    let why = answer["error"]["data"]["why"].to_string();
    assert!(why.contains("could not be renewed") && why.contains("token.sh has changed"), "{answer:#}");
    assert!(!ran.exists() && !server.requests().iter().any(|one| one.header("authorization") == Some("Bearer two")));
}

//! opencode: an entry in its global file.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};
use crate::programs::free_port;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, opencode: it lists our entry beside its own, connected", |stage| Box::pin(listed(stage))),
        Case::new("hosts, opencode: its server says connected", |stage| Box::pin(served(stage))),
        Case::new("hosts, opencode: a tool call", |stage| Box::pin(called(stage))),
        Case::new("hosts, opencode: a refused certificate", |stage| Box::pin(refused(stage))),
    ]
}

async fn listed(stage: &Stage) {
    let scene = Scene::new(stage).await;
    // The file that it writes itself, which is not the one that `install` would begin.
    scene.run("opencode", &["mcp", "add", "theirs", "--", "false"]).await;
    let file = [".config/opencode/opencode.jsonc", FILE].into_iter().find(|file| !scene.read(file).is_empty());
    scene.install("opencode", file.unwrap_or(FILE)).await;
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✓ corp connected") && said.contains("✗ theirs failed"), "{said}");
    scene.expect_verified("DELETE").await;
}

async fn served(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.write(FILE, settings(&scene));
    scene.install("opencode", FILE).await;
    let answer = status(&scene).await;
    assert_eq!(answer["corp"], json!({"status": "connected"}), "{answer:#}");
    scene.expect_verified("POST").await;
}

async fn called(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.write(FILE, settings(&scene));
    scene.install("opencode", FILE).await;
    let said = scene.run("opencode", &["run", PROMPT]).await;
    assert!(said.contains("corp_echo"), "{said}");
    scene.expect_echo(&said).await;
}

async fn refused(stage: &Stage) {
    let scene = Scene::refused(stage).await;
    scene.write(FILE, settings(&scene));
    scene.install("opencode", FILE).await;
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed"), "{said}");
    scene.expect_refusal(&said).await;
}

/// What its server tells of the servers of the project.
pub(super) async fn status(scene: &Scene<'_>) -> Value {
    let port = free_port().unwrap_or_else(|e| panic!("a free port: {e}"));
    let mut server = scene.start("opencode", &["serve", "--port", &port.to_string()]);
    let directory = scene.path("project").display().to_string();
    // It takes connections before it says so, and never answers what they ask.
    let answer = tokio::time::timeout(Duration::from_secs(20), async {
        while !server.said().contains("listening on") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        get(port, "/mcp", &directory).await
    });
    let answer = answer.await.ok().flatten();
    answer.unwrap_or_else(|| panic!("no answer; it said:\n{}", server.said()))
}

/// Its settings with the scripted model, as a user has them before any server. The provider is in its binary.
pub(super) fn settings(scene: &Scene) -> String {
    let options = json!({"baseURL": scene.model.url() + "/v1", "apiKey": "none"});
    let model = json!({"tool_call": true, "limit": {"context": 100_000, "output": 1000}});
    let provider = json!({"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"model": model}});
    let settings = json!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
        "model": "scripted/model",
        "small_model": "scripted/model",
        "provider": {"scripted": provider},
    });
    format!("{settings:#}\n")
}

/// What its server answers for this folder, if it listens.
async fn get(port: u16, path: &str, directory: &str) -> Option<Value> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = http::Request::get(path).header("host", "127.0.0.1").header("x-opencode-directory", directory);
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let mut driven = JoinSet::new();
    driven.spawn(connection);
    let answer = sender.send_request(request).await.ok()?.into_body().collect().await.ok()?;
    serde_json::from_slice(&answer.to_bytes()).ok()
}

pub(super) const FILE: &str = ".config/opencode/opencode.json";

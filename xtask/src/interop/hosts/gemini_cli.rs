//! Gemini CLI. Of a server that failed it says that it is disconnected, and not why.

use serde_json::json;

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, Gemini CLI: it lists our entry beside its own, connected", |stage| Box::pin(listed(stage))),
        Case::new("hosts, Gemini CLI: a folder that is not trusted", |stage| Box::pin(not_trusted(stage))),
        Case::new("hosts, Gemini CLI: a refused certificate", |stage| Box::pin(refused(stage))),
        Case::new("hosts, Gemini CLI: a tool call", |stage| Box::pin(called(stage))),
    ]
}

async fn listed(stage: &Stage) {
    let scene = trusted(Scene::new(stage).await);
    scene.run("gemini", &["mcp", "add", "--scope", "user", "theirs", "false"]).await;
    scene.install("gemini-cli", FILE).await;
    let said = scene.run("gemini", &["mcp", "list"]).await;
    assert!(line(&said, "✓ corp: ").ends_with("Connected"), "{said}");
    assert!(line(&said, "✗ theirs: ").ends_with("Disconnected"), "{said}");
    scene.expect_verified("DELETE").await;
}

async fn not_trusted(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.install("gemini-cli", FILE).await;
    let said = scene.run("gemini", &["mcp", "list"]).await;
    assert!(line(&said, "○ corp: ").ends_with("Disabled"), "{said}");
    scene.expect_no_request().await;
}

async fn refused(stage: &Stage) {
    let scene = trusted(Scene::refused(stage).await);
    scene.install("gemini-cli", FILE).await;
    let said = scene.run("gemini", &["mcp", "list"]).await;
    assert!(line(&said, "✗ corp: ").ends_with("Disconnected"), "{said}");
    scene.nginx.expect_refused("FAILED").await;
}

async fn called(stage: &Stage) {
    let scene = trusted(Scene::new(stage).await);
    let endpoint = scene.model.url();
    let scene = scene.variable("GOOGLE_GEMINI_BASE_URL", endpoint).variable("GEMINI_API_KEY", "none");
    let settings = json!({
        "general": {"enableAutoUpdate": false},
        "privacy": {"usageStatisticsEnabled": false},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
    });
    scene.write(FILE, format!("{settings:#}\n"));
    scene.install("gemini-cli", FILE).await;
    let said = scene.run("gemini", &["--model", "gemini-2.5-flash", "--approval-mode", "yolo", "-p", PROMPT]).await;
    scene.expect_echo(&said).await;
}

/// A project that is trusted: in others it starts no server, not even the user's own.
fn trusted(scene: Scene<'_>) -> Scene<'_> {
    scene.variable("GEMINI_CLI_TRUST_WORKSPACE", "true")
}

/// The line that begins so.
fn line<'a>(said: &'a str, start: &str) -> &'a str {
    said.lines().find(|line| line.starts_with(start)).unwrap_or_default()
}

const FILE: &str = ".gemini/settings.json";

//! Gemini CLI. Of a server that failed it says that it is disconnected, and not why.

use serde_json::json;

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, Gemini CLI: it lists our entry beside its own, connected", |stage| Box::pin(listed(stage))),
        Case::new("hosts, Gemini CLI: a tool call", |stage| Box::pin(called(stage))),
    ]
}

async fn listed(stage: &Stage) {
    let scene = scene(stage).await;
    scene.run("gemini", &["mcp", "add", "--scope", "user", "theirs", "false"]).await;
    scene.install("gemini-cli", FILE).await;
    let said = scene.run("gemini", &["mcp", "list"]).await;
    let line = |mark: &str| said.lines().find(|line| line.starts_with(mark)).unwrap_or_default();
    assert!(line("✓ corp: ").ends_with("Connected"), "{said}");
    assert!(line("✗ theirs: ").ends_with("Disconnected"), "{said}");
    scene.expect_verified("DELETE").await;
}

async fn called(stage: &Stage) {
    let scene = scene(stage).await;
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
async fn scene(stage: &Stage) -> Scene<'_> {
    Scene::new(stage).await.variable("GEMINI_CLI_TRUST_WORKSPACE", "true")
}

const FILE: &str = ".gemini/settings.json";

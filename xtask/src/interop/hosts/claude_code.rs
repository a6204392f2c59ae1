//! Claude Code: an entry for the user.

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, Claude Code: it lists our entry beside its own, connected", |stage| Box::pin(listed(stage))),
        Case::new("hosts, Claude Code: a tool call", |stage| Box::pin(called(stage))),
        Case::new("hosts, Claude Code: a refused certificate", |stage| Box::pin(refused(stage))),
    ]
}

async fn listed(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.run("claude", &["mcp", "add", "--scope", "user", "theirs", "--", "false"]).await;
    scene.install("claude-code", FILE).await;
    let said = scene.run("claude", &["mcp", "list"]).await;
    let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("corp: ").ends_with("✔ Connected"), "{said}");
    assert!(line("theirs: ").contains("✘ Failed"), "{said}");
    let said = scene.run("claude", &["mcp", "get", "corp"]).await;
    assert!(said.contains("Scope: User config") && said.contains("✔ Connected"), "{said}");
    scene.expect_verified("POST").await;
}

async fn called(stage: &Stage) {
    let scene = Scene::new(stage).await;
    let endpoint = scene.model.url();
    let scene = scene.variable("ANTHROPIC_BASE_URL", endpoint).variable("ANTHROPIC_API_KEY", "none");
    // It would else offer the tools of servers only to a model that searches for them.
    let scene = scene.variable("ENABLE_TOOL_SEARCH", "false");
    scene.install("claude-code", FILE).await;
    let said = scene.run("claude", &["-p", PROMPT, "--allowedTools", "mcp__corp__echo"]).await;
    scene.expect_echo(&said).await;
}

async fn refused(stage: &Stage) {
    let scene = Scene::refused(stage).await;
    scene.install("claude-code", FILE).await;
    for command in [&["mcp", "list"][..], &["mcp", "get", "corp"]] {
        let said = scene.run("claude", command).await;
        assert!(said.contains("✘ Failed to connect"), "{said}");
        scene.expect_refusal(&said).await;
    }
}

const FILE: &str = ".claude.json";

//! Hermes, whose settings are YAML.

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, Hermes: it tests our entry beside another's", |stage| Box::pin(tested(stage))),
        Case::new("hosts, Hermes: a tool call", |stage| Box::pin(called(stage))),
        Case::new("hosts, Hermes: a refused certificate", |stage| Box::pin(refused(stage))),
    ]
}

async fn tested(stage: &Stage) {
    let scene = Scene::new(stage).await;
    // Its own command asks on a terminal.
    scene.write(FILE, "# Theirs.\nmcp_servers:\n  theirs:\n    command: \"false\"\n");
    scene.install("hermes", FILE).await;
    let said = scene.run("hermes", &["mcp", "list"]).await;
    assert!(said.contains(" corp ") && said.contains(" theirs "), "{said}");
    let said = scene.run("hermes", &["mcp", "test", "corp"]).await;
    assert!(said.contains("✓ Connected") && said.contains("echo"), "{said}");
    scene.expect_verified("POST").await;
}

async fn called(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.write(FILE, settings(&scene));
    scene.install("hermes", FILE).await;
    let said = scene.run("hermes", &["-z", PROMPT]).await;
    scene.model.expect_echo(&said);
    scene.expect_verified("POST").await;
}

async fn refused(stage: &Stage) {
    let scene = Scene::refused(stage).await;
    scene.write(FILE, settings(&scene));
    scene.install("hermes", FILE).await;
    let said = scene.run("hermes", &["mcp", "test", "corp"]).await;
    assert!(said.contains("✗ Connection failed"), "{said}");
    scene.expect_refusal(&said).await;
}

/// Its settings with the scripted model.
fn settings(scene: &Scene) -> String {
    let endpoint = scene.model.url();
    format!("model:\n  default: scripted\n  provider: custom\n  base_url: {endpoint}/v1\n  api_key: none\n")
}

const FILE: &str = ".hermes/config.yaml";

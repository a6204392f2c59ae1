//! Copilot CLI, with a model of one's own, which needs no account.

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, Copilot CLI: it reads our entry beside its own", |stage| Box::pin(read(stage))),
        Case::new("hosts, Copilot CLI: a tool call", |stage| Box::pin(called(stage))),
    ]
}

async fn read(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.run("copilot", &["mcp", "add", "theirs", "--", "false"]).await;
    scene.install("copilot-cli", FILE).await;
    let said = scene.run("copilot", &["mcp", "list"]).await;
    assert!(said.contains("  corp (local)") && said.contains("  theirs (local)"), "{said}");
    let said = scene.run("copilot", &["mcp", "get", "corp"]).await;
    let command = format!("Command: {} connect corp", stage.binary.display());
    assert!(said.contains("Status: Enabled") && said.contains(&command) && said.contains("Tools: *"), "{said}");
}

async fn called(stage: &Stage) {
    let scene = Scene::new(stage).await;
    let endpoint = scene.model.url() + "/v1";
    let scene = scene.variable("COPILOT_PROVIDER_BASE_URL", endpoint).variable("COPILOT_MODEL", "scripted");
    let scene = scene.variable("COPILOT_OFFLINE", "true");
    scene.install("copilot-cli", FILE).await;
    let said = scene.run("copilot", &["-p", PROMPT, "--allow-all-tools"]).await;
    scene.model.expect_echo(&said);
    // It kills its servers a millisecond after it asked them to end, so the session need not be ended: the last that
    // nginx tells of for sure is the stream, once that is cut.
    scene.expect_verified("GET").await;
}

const FILE: &str = ".copilot/mcp-config.json";

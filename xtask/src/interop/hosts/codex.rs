//! Codex, which clears the environment of the servers that it starts.

use super::PROMPT;
use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, Codex: it reads our entry beside its own", |stage| Box::pin(read(stage))),
        Case::new("hosts, Codex: a tool call, with a variable passed on", |stage| Box::pin(called(stage))),
        Case::new("hosts, Codex: a refused certificate", |stage| Box::pin(refused(stage))),
    ]
}

async fn read(stage: &Stage) {
    let scene = Scene::new(stage).await;
    scene.run("codex", &["mcp", "add", "theirs", "--", "false"]).await;
    scene.install("codex", FILE).await;
    let said = scene.run("codex", &["mcp", "list"]).await;
    assert!(["corp ", "theirs "].iter().all(|name| said.lines().any(|line| line.starts_with(name))), "{said}");
    let said = scene.run("codex", &["mcp", "get", "corp"]).await;
    let binary = format!("command: {}", stage.binary.display());
    assert!(said.contains("enabled: true") && said.contains(&binary) && said.contains("connect corp"), "{said}");
}

async fn called(stage: &Stage) {
    let scene = Scene::new(stage).await.header_of("CORP_VALUE");
    scene.write(FILE, settings(&scene));
    scene.install("codex", FILE).await;
    assert!(scene.read(FILE).contains(r#"env_vars = ["CORP_VALUE","#), "{}", scene.read(FILE));
    let said = scene.run("codex", &["exec", "--skip-git-repo-check", PROMPT]).await;
    assert!(said.contains("mcp: corp/echo (completed)"), "{said}");
    scene.expect_echo(&said).await;
}

async fn refused(stage: &Stage) {
    let scene = Scene::refused(stage).await;
    scene.write(FILE, settings(&scene));
    scene.install("codex", FILE).await;
    // It would else go on without the server, and say nothing of it.
    scene.write(FILE, scene.read(FILE).replace("[mcp_servers.corp]\n", "[mcp_servers.corp]\nrequired = true\n"));
    let said = scene.run("codex", &["exec", "--skip-git-repo-check", PROMPT]).await;
    scene.expect_refusal(&said).await;
}

/// Its settings with the scripted model.
fn settings(scene: &Scene) -> String {
    format!(
        r#"# The user's.
model = "scripted"
model_provider = "scripted"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.scripted]
name = "scripted"
base_url = "{}/v1"
wire_api = "responses"
requires_openai_auth = false
"#,
        scene.model.url()
    )
}

const FILE: &str = ".codex/config.toml";

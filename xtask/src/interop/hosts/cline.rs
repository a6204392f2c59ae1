//! Cline, as far as it goes without a daemon, which a tool call would leave behind.

use super::scene::Scene;
use crate::interop::{Case, Stage};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("hosts, Cline: its own commands read our entry", |stage| Box::pin(read(stage)))]
}

async fn read(stage: &Stage) {
    let scene = Scene::new(stage).await;
    // Each of its commands would else wait ten seconds for its telemetry to arrive.
    scene.write(".cline/data/settings/global-settings.json", r#"{"telemetryOptOut": true}"#);
    scene.run("cline", &["mcp", "add", "theirs", "--yes", "--", "false"]).await;
    scene.install("cline", FILE).await;
    let with_both = scene.read(FILE);
    assert!(with_both.contains("theirs"), "{with_both}");
    let said = scene.run("cline", &["config", "mcp"]).await;
    assert!(["  corp [stdio]", "  theirs [stdio]"].iter().all(|line| said.lines().any(|said| said == *line)), "{said}");
    // It finds ours, and takes it out alone.
    let said = scene.run("cline", &["mcp", "remove", "corp"]).await;
    let left = scene.read(FILE);
    assert!(left.contains("theirs") && !left.contains("corp"), "{said}\n{left}");
}

const FILE: &str = ".cline/data/settings/cline_mcp_settings.json";

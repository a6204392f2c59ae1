//! opencode with our plugin: `tls` stands beside the `url` of its own remote entry.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::PROMPT;
use super::opencode::{FILE, settings, status};
use super::scene::Scene;
use crate::interop::{Case, Stage, shown};
use crate::programs::root;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hosts, the plugin for opencode: tls beside the url", |stage| Box::pin(beside(stage))),
        Case::new("hosts, the plugin for opencode: tls in its options", |stage| Box::pin(options(stage))),
        Case::new("hosts, the plugin for opencode: its one file, copied", |stage| Box::pin(copied(stage))),
        Case::new("hosts, the plugin for opencode: its folder", |stage| Box::pin(folder(stage))),
        Case::new("hosts, the plugin for opencode: opencode's server says connected", |stage| Box::pin(served(stage))),
        Case::new("hosts, the plugin for opencode: a project changes the url", |stage| Box::pin(changed(stage))),
        Case::new("hosts, the plugin for opencode: a project's own entry", |stage| Box::pin(of_project(stage))),
        Case::new("hosts, the plugin for opencode: a binary of the project", |stage| Box::pin(binary(stage))),
        Case::new("hosts, the plugin for opencode: git refuses the folder", |stage| Box::pin(no_git(stage))),
        Case::new("hosts, the plugin for opencode: a project changed since it was trusted", |stage| {
            Box::pin(stale(stage))
        }),
        Case::new("hosts, the plugin for opencode: a binary that is not there", |stage| Box::pin(missing(stage))),
        Case::new("hosts, the plugin for opencode: a refused certificate", |stage| Box::pin(refused(stage))),
    ]
}

async fn beside(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": {"corp": remote(&scene, true)}}));
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✓ corp connected"), "{said}");
    let said = scene.run("opencode", &["run", PROMPT]).await;
    scene.expect_echo(&said).await;
}

async fn options(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    let options = json!({"mcp": {"corp": {"tls": scene.tls()}}});
    let settings = json!({"plugin": [[plugin(), options]], "mcp": {"corp": remote(&scene, false)}});
    has(&scene, FILE, &settings);
    let said = scene.run("opencode", &["run", PROMPT]).await;
    scene.expect_echo(&said).await;
}

async fn copied(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    let code = fs::read_to_string(package().join("index.js")).unwrap_or_else(|e| panic!("the plugin: {e}"));
    scene.write(".config/opencode/plugin/mcp-mtls.js", code);
    has(&scene, FILE, &json!({"mcp": {"corp": remote(&scene, true)}}));
    connects(&scene).await;
}

async fn folder(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    let named = format!("file://{}", package().display());
    has(&scene, FILE, &json!({"plugin": [named], "mcp": {"corp": remote(&scene, true)}}));
    connects(&scene).await;
}

async fn connects(scene: &Scene<'_>) {
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✓ corp connected"), "{said}");
    scene.expect_verified("DELETE").await;
}

async fn served(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": {"corp": remote(&scene, true)}}));
    let answer = status(&scene).await;
    assert_eq!(answer["corp"], json!({"status": "connected"}), "{answer:#}");
    scene.expect_verified("POST").await;
}

async fn changed(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    let mut elsewhere = remote(&scene, false);
    elsewhere["url"] = scene.nginx.url_of("/elsewhere").into();
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": {"corp": remote(&scene, true)}}));
    has(&scene, IN_PROJECT, &json!({"mcp": {"corp": elsewhere}}));
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed") && said.contains("MCP error -31000: "), "{said}");
    assert!(said.contains("opencode.json"), "it names the file: {said}");
    scene.expect_no_request().await;
}

async fn of_project(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()]}));
    has(&scene, IN_PROJECT, &json!({"mcp": {"corp": remote(&scene, true)}}));
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed") && said.contains("mcp-mtls trust"), "{said}");
    scene.expect_no_request().await;

    let project = scene.path("project").display().to_string();
    scene.ours(&["trust", &project, "--yes"]).await;
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✓ corp connected"), "{said}");
    scene.expect_verified("DELETE").await;
}

/// Neither a relative `MCP_MTLS` nor `PATH` makes the plugin run a program of the project.
async fn binary(stage: &Stage) {
    let mut scene = scene(Scene::new(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": {"corp": remote(&scene, true)}}));
    let program = scene.write("project/node_modules/.bin/mcp-mtls", "#!/bin/sh\ntouch \"$0.ran\"\n");
    let made = fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [&program, &scene.stage.binary].into_iter().filter_map(|file| file.parent().map(Path::to_owned));
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path)));
    scene = scene.variable("PATH", path.unwrap_or_else(|e| panic!("PATH: {e}")));

    scene = scene.variable("MCP_MTLS", "node_modules/.bin/mcp-mtls");
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed") && said.contains("MCP_MTLS is no absolute path"), "{said}");
    scene.expect_no_request().await;

    scene = scene.variable("MCP_MTLS", "");
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✓ corp connected"), "{said}");
    assert!(made.is_ok() && !scene.path("project/node_modules/.bin/mcp-mtls.ran").exists(), "{made:?}");
}

/// opencode and we would read other files, so nothing is connected to.
async fn no_git(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": {"corp": remote(&scene, true)}}));
    scene.write("project/.git", "");
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed") && said.contains("another folder for the working tree"), "{said}");
    scene.expect_no_request().await;
}

async fn stale(stage: &Stage) {
    let scene = scene(Scene::new(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()]}));
    let mut entry = remote(&scene, true);
    has(&scene, IN_PROJECT, &json!({"mcp": {"corp": entry}}));
    let project = scene.path("project").display().to_string();
    scene.ours(&["trust", &project, "--yes"]).await;
    entry["headers"] = json!({"X-Value": "another"});
    has(&scene, IN_PROJECT, &json!({"mcp": {"corp": entry}}));
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed") && said.contains("mcp-mtls trust"), "{said}");
    scene.expect_no_request().await;
}

async fn missing(stage: &Stage) {
    let scene = trusting(Scene::new(stage).await);
    let binary = scene.path("nowhere/mcp-mtls");
    let scene = scene.variable("MCP_MTLS", &binary);
    let entries = json!({"corp": remote(&scene, true), "without-tls": remote(&scene, false)});
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": entries}));
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed") && said.contains("✗ without-tls failed"), "{said}");
    assert!(said.contains(&shown(&binary)), "it names the binary: {said}");
    scene.expect_no_request().await;
}

async fn refused(stage: &Stage) {
    let scene = scene(Scene::refused(stage).await);
    has(&scene, FILE, &json!({"plugin": [plugin()], "mcp": {"corp": remote(&scene, true)}}));
    let said = scene.run("opencode", &["mcp", "list"]).await;
    assert!(said.contains("✗ corp failed"), "{said}");
    scene.expect_refusal(&said).await;
}

/// The plugin finds the binary by a variable.
fn scene(scene: Scene<'_>) -> Scene<'_> {
    let binary = scene.stage.binary.clone();
    trusting(scene).variable("MCP_MTLS", binary)
}

/// opencode itself knows the CA of nginx: where it connects without us, nginx logs the request.
fn trusting(scene: Scene<'_>) -> Scene<'_> {
    let ca = scene.stage.pki.server_ca_file();
    scene.variable("NODE_EXTRA_CA_CERTS", ca)
}

/// Writes a file of opencode, with the model's settings too where it is the user's.
fn has(scene: &Scene, file: &str, more: &Value) {
    let mut all = if file == FILE { serde_json::from_str(&settings(scene)).unwrap_or_default() } else { json!({}) };
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key.as_str()] = value.clone();
    }
    scene.write(file, format!("{all:#}\n"));
}

/// A remote entry as opencode knows it, and with our key.
fn remote(scene: &Scene, with_tls: bool) -> Value {
    let mut entry = json!({"type": "remote", "url": scene.nginx.url()});
    if with_tls {
        entry["tls"] = scene.tls();
    }
    entry
}

fn plugin() -> String {
    format!("file://{}", package().join("index.js").display())
}

fn package() -> PathBuf {
    root().join("integrations/opencode")
}

const IN_PROJECT: &str = "project/opencode.json";

//! The MCP Inspector's command line as the host.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use mcp_mtls_testkit::mcp::{Era, McpOptions, McpServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::everything::Everything;
use super::nginx::{Nginx, Speaks};
use super::{Case, Stage, shown};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("inspector: echo, by the config file in the home folder", |stage| Box::pin(by_home(stage))),
        Case::new("inspector: echo, by an entry of its own config", |stage| Box::pin(by_entry(stage))),
        Case::new("inspector: a host that probes for the modern era first", |stage| Box::pin(probing(stage))),
        Case::new("inspector: the modern era alone, on both sides", |stage| Box::pin(modern(stage))),
        Case::new("inspector: 200 calls, 20 at once", |stage| Box::pin(load(stage))),
    ]
}

async fn by_home(stage: &Stage) {
    let scene = Scene::new(stage).await;
    // The folders of config files on Unix: Linux and macOS.
    for folder in [".config/mcp-mtls", "Library/Application Support/mcp-mtls"] {
        let folder = scene.home().join(folder);
        let copied =
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::copy(&scene.config, folder.join("config.jsonc")));
        assert!(copied.is_ok(), "{}: {copied:?}", folder.display());
    }
    let binary = shown(&stage.binary);
    scene.expect_echo(stage, &[&binary, "connect", "corp"], &[]).await;
}

async fn by_entry(stage: &Stage) {
    let scene = Scene::new(stage).await;
    let entry = scene.entry(stage);
    scene.expect_echo(stage, &["--config", &entry, "--server", "corp"], &["--protocol-era", "legacy"]).await;
}

async fn probing(stage: &Stage) {
    let scene = Scene::new(stage).await;
    let entry = scene.entry(stage);
    scene.expect_echo(stage, &["--config", &entry, "--server", "corp"], &["--protocol-era", "auto"]).await;
}

async fn modern(stage: &Stage) {
    // The reference server speaks the legacy era alone, and so the testkit's is asked.
    let options = McpOptions { era: Era::Modern, extra: "", ..McpOptions::default() };
    let server = McpServer::with(&stage.pki, options).await;
    let scene = Scene::new(stage).await;
    let entry = scene.entry_of(stage, &stage.config(&server.url(), &scene.client));
    let printed = scene.inspect(stage, &["--config", &entry, "--server", "corp"], &["--protocol-era", "modern"]).await;
    assert!(printed.contains("\"isError\": false"), "{printed}");
    assert_eq!(server.initializes(), 0, "{:#?}", server.received());
    assert_eq!(server.received_of("tools/call").len(), 1, "{:#?}", server.received());
    let verified = server.verified();
    assert!(!verified.is_empty() && verified.iter().all(|one| *one == scene.client.fingerprint), "{verified:?}");
}

async fn load(stage: &Stage) {
    let scene = Scene::new(stage).await;
    let entry = scene.entry(stage);
    let load = ["--load", "--load-requests", "200", "--load-concurrency", "20", "--format", "json"];
    let printed = scene.inspect(stage, &["--config", &entry, "--server", "corp"], &load).await;
    let summary: Value = serde_json::from_str(printed.trim()).unwrap_or_default();
    let told = &summary["result"];
    assert_eq!([&told["ok"], &told["errors"], &told["toolErrors"]], [200, 0, 0], "{printed}");
    scene.nginx.expect_verified(&scene.client, scene.speaks, "DELETE").await;
}

/// A server behind nginx, a config file for it, and a home folder for the Inspector.
struct Scene {
    nginx: Nginx,
    client: mcp_mtls_testkit::Client,
    config: PathBuf,
    speaks: Speaks,
    home: TempDir,
    _everything: Everything,
}

impl Scene {
    async fn new(stage: &Stage) -> Self {
        let everything = Everything::start(stage).await;
        let speaks = Speaks { tls: "1.3", http2: true };
        let nginx = Nginx::start(stage, speaks, everything.port).await;
        let client = stage.pki.client("alice");
        let config = stage.config(&nginx.url(), &client);
        let home = TempDir::with_prefix("mcp-mtls-home-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        Self { nginx, client, config, speaks, home, _everything: everything }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// A config file of the Inspector with us as `corp`. (On its command line, `--config` would be its own.)
    fn entry(&self, stage: &Stage) -> String {
        self.entry_of(stage, &self.config)
    }

    /// The same for another config file of ours.
    fn entry_of(&self, stage: &Stage, config: &Path) -> String {
        let args = json!(["connect", "corp", "--config", config]);
        let config = json!({"mcpServers": {"corp": {"command": stage.binary, "args": args}}});
        let path = self.home().join("inspector.json");
        if let Err(e) = std::fs::write(&path, config.to_string()) {
            panic!("{}: {e}", path.display());
        }
        shown(&path)
    }

    /// Calls `echo` and asserts that the answer came back, and what nginx verified meanwhile.
    async fn expect_echo(&self, stage: &Stage, server: &[&str], options: &[&str]) {
        let printed = self.inspect(stage, server, options).await;
        assert!(printed.contains("Echo: hi"), "{printed}");
        self.nginx.expect_verified(&self.client, self.speaks, "DELETE").await;
    }

    /// Runs the Inspector to its end and returns what it printed.
    async fn inspect(&self, stage: &Stage, server: &[&str], options: &[&str]) -> String {
        let mut command = stage.npm("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
        command.arg("--cli").args(server).args(options);
        command.args(["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"]);
        command.env_clear().env("HOME", self.home()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("MCP_INSPECTOR_SECRET_STORE", "memory").current_dir(self.home());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap_or_else(|e| panic!("cannot start the Inspector: {e}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "it ended with {}:\n{printed}\n{errors}", output.status);
        printed
    }
}

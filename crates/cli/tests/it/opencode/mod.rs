//! Entries with `tls` in opencode's own files: whose they are, which are used, and what a project may not do.

#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

mod covered;
mod refused;
mod resolved;
mod running;
mod trusted;
mod used;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::{Client, Pki};
use serde_json::{Value, json};

use crate::run::{BINARY, Outcome};
use crate::stage::{self, LATEST};

/// A home folder with opencode's files of the user, a clone of a repository in it, and a server.
struct Stage {
    pki: Pki,
    client: Client,
    server: McpServer,
    variables: Vec<(&'static str, String)>,
}

impl Stage {
    async fn new() -> Self {
        let pki = Pki::new();
        let server = McpServer::start(&pki).await;
        let client = pki.client("alice");
        std::fs::create_dir_all(pki.dir().join("clone/.git")).expect("a folder");
        let stage = Self { pki, client, server, variables: Vec::new() };
        // There may be one on this machine.
        stage.with("OPENCODE_TEST_MANAGED_CONFIG_DIR", "managed")
    }

    /// With a variable that names this path in the home folder.
    fn with(self, name: &'static str, path: &str) -> Self {
        let value = self.home().join(path).display().to_string();
        self.set(name, value)
    }

    fn set(mut self, name: &'static str, value: String) -> Self {
        self.variables.push((name, value));
        self
    }

    fn home(&self) -> PathBuf {
        self.pki.dir().canonicalize().expect("it is there")
    }

    fn clone(&self) -> PathBuf {
        self.home().join("clone")
    }

    /// An entry that reaches the server.
    fn entry(&self) -> Value {
        json!({ "type": "remote", "url": self.server.url(), "tls": self.tls() })
    }

    fn tls(&self) -> Value {
        json!({ "cert": self.client.cert_file, "key": self.client.key_file, "ca": self.pki.server_ca_file() })
    }

    /// Writes a file with the entry `corp`.
    fn corp(&self, path: &str, entry: &Value) {
        self.file(path, &json!({ "mcp": { "corp": entry } }).to_string());
    }

    /// The user's file with the entry `corp`.
    fn mine(&self, entry: &Value) {
        self.corp(USER, entry);
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// What the server verified on the connections of a host that opencode starts for `corp`; or the error that the
    /// host shows, which must have come without any connection.
    async fn connected(&self, directory: &Path) -> Result<(), Value> {
        let before = self.server.server().connections().len();
        let directory = directory.to_str().expect("UTF-8");
        let host = stage::host(["--opencode", directory, "corp"]).home(&self.home());
        let mut host = self.variables.iter().fold(host, |host, (name, value)| host.env(name, value)).spawn();
        let answer = host.request("initialize", stage::hello(LATEST)).await;
        let Some(error) = answer.get("error") else {
            assert!(self.server.verified().contains(&self.client.fingerprint), "{answer}");
            return Ok(());
        };
        stage::is_told_well(error);
        assert_eq!(self.server.server().connections().len(), before, "{error:#}");
        Err(error["data"].clone())
    }

    /// That the entry is used in the clone, with the certificate.
    async fn is_used(&self) {
        let outcome = self.connected(&self.clone()).await;
        assert_eq!(outcome.map_err(|error| format!("{error:#}")), Ok(()));
    }

    /// The refusal with this code, where opencode is started in the clone.
    async fn refused(&self, code: &str) -> Value {
        let error = self.connected(&self.clone()).await.expect_err("it is refused");
        assert_eq!(error["code"], code, "{error:#}");
        error
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(arguments).current_dir(self.clone()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Outcome {
            status: output.status.code().expect("the binary exits by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    fn resolved(&self) -> Value {
        let told = self.run(&["hosts", "opencode", "resolve", "--directory", "."]).succeeded();
        serde_json::from_str(&told).expect("JSON")
    }
}

/// The user's file.
const USER: &str = ".config/opencode/opencode.jsonc";

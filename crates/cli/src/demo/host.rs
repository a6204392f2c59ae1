//! An MCP host, as far as the demo needs one: starts `mcp-mtls connect` and talks to it over pipes.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mcp_mtls_core::error::{Code, Failure, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A running `mcp-mtls connect`. It is killed when dropped before its [`Host::close`].
pub(super) struct Host {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Option<ChildStderr>,
    next_id: u64,
}

impl Host {
    /// Starts the program with these arguments.
    pub(super) fn start(program: &Path, arguments: &[OsString]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // The server is on this machine: a proxy that is set for the world outside cannot reach it.
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| {
            Failure::new(Code::SystemFailed, "`mcp-mtls connect` cannot be started")
                .at(program.display().to_string())
                .because_of(&error)
        })?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let Some(stdout) = stdout else {
            return Err(Failure::new(Code::SystemFailed, "`mcp-mtls connect` was started without pipes"));
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout).lines(), stderr, next_id: 0 })
    }

    /// The request that opens every conversation; the whole answer, be it a result or an error.
    pub(super) async fn initialize(&mut self) -> Result<Value> {
        let client = json!({ "name": "mcp-mtls-demo-host", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        self.request("initialize", params).await
    }

    /// Sends a request and waits for the whole answer to it, be it a result or an error.
    pub(super) async fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        match timeout(PATIENCE, async {
            self.send(&message).await?;
            self.answer(id).await
        })
        .await
        {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.trouble(method, "it ended without an answer").await),
            Err(_) => Err(self.trouble(method, &format!("it gave no answer within {} s", PATIENCE.as_secs())).await),
        }
    }

    /// Sends a notification.
    pub(super) async fn notify(&mut self, method: &str) -> Result<()> {
        match timeout(PATIENCE, self.send(&json!({ "jsonrpc": "2.0", "method": method }))).await {
            Ok(Some(())) => Ok(()),
            _ => Err(self.trouble(method, "it does not read").await),
        }
    }

    /// Closes stdin, as hosts do, and waits for the end. Nothing is left running.
    pub(super) async fn close(mut self) -> Result<()> {
        drop(self.stdin.take());
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.trouble("the end of stdin", "it did not end").await),
        }
    }

    async fn send(&mut self, message: &Value) -> Option<()> {
        let stdin = self.stdin.as_mut()?;
        stdin.write_all(format!("{message}\n").as_bytes()).await.ok()?;
        stdin.flush().await.ok()
    }

    /// Passes over what is not the answer: a server may send notifications at any time.
    async fn answer(&mut self, id: u64) -> Option<Value> {
        loop {
            let line = self.stdout.next_line().await.ok()??;
            let message: Value = serde_json::from_str(&line).ok()?;
            if message["id"] == id && message.get("method").is_none() {
                return Some(message);
            }
        }
    }

    async fn trouble(&mut self, step: &str, why: &str) -> Failure {
        // A child that could still write would keep the read below from ending.
        let _ = self.child.kill().await;
        let mut said = Vec::new();
        if let Some(stderr) = self.stderr.take() {
            let _ = timeout(PATIENCE, stderr.take(STDERR_BYTES).read_to_end(&mut said)).await;
        }
        let failure = Failure::new(Code::DemoFailed, format!("`mcp-mtls connect` failed at {step}: {why}"));
        match String::from_utf8_lossy(&said).trim() {
            "" => failure,
            said => failure.because(format!("It said: {said}")),
        }
    }
}

/// Far more than any step takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(5);

const STDERR_BYTES: u64 = 4_096;

//! Drives a real binary over pipes, as an MCP host does.

mod pipes;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::log::LIMIT;
use pipes::{StderrPipe, StdoutPipe};

/// A child that speaks MCP over its pipes. It is killed when dropped.
pub struct Host {
    child: Child,
    pid: u32,
    stdin: Option<ChildStdin>,
    stdout: StdoutPipe,
    stderr: StderrPipe,
    home: PathBuf,
    _fresh: Option<TempDir>,
    inbox: Vec<Value>,
    next_id: u64,
}

/// Describes a [`Host`].
#[must_use = "a described host does not run; call spawn"]
pub struct HostBuilder {
    command: Command,
    home: Option<PathBuf>,
}

impl HostBuilder {
    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds one variable to the environment, which holds PATH and HOME alone.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Uses this folder as HOME, for instance one with a config file in it. A fresh one by default.
    pub fn home(mut self, home: &Path) -> Self {
        self.home = Some(home.to_owned());
        self
    }

    /// Starts the binary.
    pub fn spawn(mut self) -> Host {
        let fresh = self
            .home
            .is_none()
            .then(|| tempfile::Builder::new().prefix("mcp-mtls-home-").tempdir().expect("a temporary folder for HOME"));
        let home = fresh.as_ref().map(|dir| dir.path().to_owned()).or(self.home).expect("given, or else fresh");
        // The folder is also the working directory, so that nothing depends on where the tests run.
        self.command.env("HOME", &home).current_dir(&home).kill_on_drop(true);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("cannot start {:?}: {e}", self.command));
        Host {
            pid: child.id().expect("a child that was just started has an id"),
            stdin: child.stdin.take(),
            stdout: StdoutPipe::open(child.stdout.take().expect("stdout is a pipe")),
            stderr: StderrPipe::open(child.stderr.take().expect("stderr is a pipe")),
            child,
            home,
            _fresh: fresh,
            inbox: Vec::new(),
            next_id: 0,
        }
    }
}

impl Host {
    /// Starts `binary` with these arguments and, beyond PATH and a fresh HOME, these variables alone.
    pub fn spawn<A, E, K, V>(binary: &Path, args: A, envs: E) -> Self
    where
        A: IntoIterator<Item: AsRef<OsStr>>,
        E: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        envs.into_iter()
            .fold(Self::builder(binary).args(args), |builder, (name, value)| builder.env(name, value))
            .spawn()
    }

    /// Starts the description of a host.
    pub fn builder(binary: &Path) -> HostBuilder {
        let mut command = Command::new(binary);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        HostBuilder { command, home: None }
    }

    /// Sends one line: the text and a line feed.
    pub async fn send_raw(&mut self, text: &str) {
        self.send_bytes(format!("{text}\n").as_bytes()).await;
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &Value) {
        self.send_raw(&message.to_string()).await;
    }

    /// Sends bytes as they are, for lines that are broken or half. Panics when the child no longer reads.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin was closed by the test");
        let write = async {
            stdin.write_all(bytes).await?;
            stdin.flush().await
        };
        match tokio::time::timeout(LIMIT, write).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => panic!("the child does not read: {e}; stderr:\n{}", self.stderr()),
            Err(_) => panic!("the child reads nothing for {LIMIT:?}; stderr:\n{}", self.stderr()),
        }
    }

    /// The next line of stdout, without its line feed. Panics after 30 seconds, and at the end, with stderr.
    pub async fn recv_raw(&mut self) -> String {
        match tokio::time::timeout(LIMIT, self.stdout.next()).await {
            Ok(Some(line)) => line,
            Ok(None) => {
                // Both pipes usually end together; the reason is worth waiting a moment for.
                self.stderr.settle(Duration::from_secs(1)).await;
                panic!("stdout has ended; stderr:\n{}", self.stderr())
            }
            Err(_) => panic!("no line on stdout for {LIMIT:?}; stderr:\n{}", self.stderr()),
        }
    }

    /// The next message. Panics as [`Host::recv_raw`] does, and when it is not JSON.
    pub async fn recv(&mut self) -> Value {
        let line = self.recv_raw().await;
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("stdout is not JSON ({e}): {line}"))
    }

    /// Sends a request with an id of its own and returns the answer (or error). Others go to [`Host::inbox`].
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.start_request(method, params).await;
        self.answer_to(id).await
    }

    /// Sends a request and returns its id, for several in flight.
    pub async fn start_request(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    /// The answer to a request that was started, in whatever order answers come.
    pub async fn answer_to(&mut self, id: u64) -> Value {
        let answers = |message: &Value| message["id"] == id && message.get("method").is_none();
        if let Some(at) = self.inbox.iter().position(answers) {
            return self.inbox.remove(at);
        }
        loop {
            let message = self.recv().await;
            if answers(&message) {
                return message;
            }
            self.inbox.push(message);
        }
    }

    /// Sends `initialize`, returns its answer, and after a good one sends `notifications/initialized`.
    pub async fn initialize(&mut self, version: &str) -> Value {
        let params = json!({
            "protocolVersion": version,
            "capabilities": {"elicitation": {}, "roots": {"listChanged": true}, "sampling": {}},
            "clientInfo": {"name": "testkit", "version": "1"},
        });
        let answer = self.request("initialize", params).await;
        if answer.get("result").is_some() {
            self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        answer
    }

    /// `tools/call`.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Messages that came while [`Host::request`] waited for another.
    pub fn inbox(&self) -> &[Value] {
        &self.inbox
    }

    /// Waits for a message with this method, in the inbox first.
    pub async fn recv_method(&mut self, method: &str) -> Value {
        if let Some(at) = self.inbox.iter().position(|message| message["method"] == method) {
            return self.inbox.remove(at);
        }
        loop {
            let message = self.recv().await;
            if message["method"] == method {
                return message;
            }
            self.inbox.push(message);
        }
    }
}

/// The life of the child.
impl Host {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its HOME and working directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Closes its stdin, as a host does that is done.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes the reading end of its stdout, so that its writes meet EPIPE.
    ///
    /// A process that another test starts at this very moment holds a copy until its exec: expect EPIPE soon, not at
    /// the first write.
    pub async fn close_stdout(&mut self) {
        self.stdout.close().await;
    }

    /// Closes the reading end of its stderr.
    pub async fn close_stderr(&mut self) {
        self.stderr.close().await;
    }

    /// Reads no more of its stderr and keeps it open, so that the pipe fills up.
    pub fn stall_stderr(&mut self) {
        self.stderr.stall();
    }

    /// Waits for its end. Panics when it takes longer than `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(status) => status.expect("a child can be waited for"),
            Err(_) => panic!("still running after {limit:?}; stderr:\n{}", self.stderr()),
        }
    }

    /// Whether it has ended.
    pub fn has_exited(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Kills it (SIGKILL) and waits.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Sends it a signal: `HUP`, `INT`, `TERM`, `STOP`, `CONT` or `KILL`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        use rustix::process::{Pid, Signal};
        let signal = match name.trim_start_matches("SIG") {
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "TERM" => Signal::TERM,
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            "KILL" => Signal::KILL,
            other => panic!("the testkit knows no signal {other}"),
        };
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, signal).unwrap_or_else(|e| panic!("cannot send {name}: {e}"));
    }

    /// Its stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// All of its stderr, waiting for the end of it. Call after it has ended.
    pub async fn drained_stderr(&mut self) -> String {
        self.stderr.drained().await
    }

    /// The lines of stdout that no `recv` took, waiting for the end of it. Call after it has ended.
    pub async fn drained_stdout(&mut self) -> Vec<String> {
        match tokio::time::timeout(LIMIT, self.stdout.rest()).await {
            Ok(lines) => lines,
            Err(_) => panic!("stdout is still open after {LIMIT:?}: does a child of it live on?"),
        }
    }

    /// Asserts that every line so far is a JSON-RPC message or a batch of them, and whole.
    pub fn stdout_is_pure(&self) {
        for line in self.stdout.seen() {
            let text = line.strip_suffix('\n').unwrap_or_else(|| panic!("stdout ends within a line: {line:?}"));
            let message: Value =
                serde_json::from_str(text).unwrap_or_else(|e| panic!("stdout is not JSON ({e}): {text:?}"));
            let members = match &message {
                Value::Array(members) if !members.is_empty() => members.as_slice(),
                single => std::slice::from_ref(single),
            };
            assert!(members.iter().all(|member| member["jsonrpc"] == "2.0"), "stdout is not JSON-RPC: {text:?}");
        }
    }
}

#[cfg(all(test, unix))]
mod tests;

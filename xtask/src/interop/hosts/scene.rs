//! What every host's case starts with: a server behind nginx, our config file, and a home folder of its own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mcp_mtls_testkit::pki::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::REFUSAL;
use super::model::Model;
use super::program::Program;
use crate::interop::everything::Everything;
use crate::interop::nginx::{Nginx, Speaks};
use crate::interop::{Stage, shown};

pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) nginx: Nginx,
    pub(super) model: Model,
    client: Client,
    home: TempDir,
    variables: Vec<(&'static str, OsString)>,
    headers: Value,
    ended: Mutex<Vec<Program>>,
    _everything: Everything,
}

impl<'a> Scene<'a> {
    /// With a certificate that nginx accepts.
    pub(super) async fn new(stage: &'a Stage) -> Self {
        Self::with(stage, stage.pki.client("alice")).await
    }

    /// With one that it refuses.
    pub(super) async fn refused(stage: &'a Stage) -> Self {
        Self::with(stage, stage.pki.stranger_client()).await
    }

    async fn with(stage: &'a Stage, client: Client) -> Self {
        let everything = Everything::start(stage).await;
        let nginx = Nginx::start(stage, SPEAKS, everything.port).await;
        let home = TempDir::with_prefix("mcp-mtls-home-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        for folder in ["project", "tmp"] {
            fs::create_dir(home.path().join(folder)).unwrap_or_else(|e| panic!("a folder: {e}"));
        }
        let model = Model::start().await;
        Self {
            stage,
            nginx,
            model,
            client,
            home,
            variables: Vec::new(),
            headers: json!({}),
            ended: Mutex::default(),
            _everything: everything,
        }
    }

    /// The same with this variable in the host's environment.
    pub(super) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// The same with this variable in the host's environment, which a header of the server's entry refers to.
    pub(super) fn header_of(mut self, name: &'static str) -> Self {
        self.headers = json!({"X-Value": format!("{{env:{name}}}")});
        self.variable(name, "value")
    }

    /// A path below the home folder.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Writes a file below the home folder.
    pub(super) fn write(&self, path: &str, text: impl AsRef<str>) -> PathBuf {
        let path = self.path(path);
        let folder = path.parent().unwrap_or(&path);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text.as_ref()));
        assert!(written.is_ok(), "{}: {written:?}", path.display());
        path
    }

    /// Reads one, or nothing where there is none.
    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A command in the project, with nothing of the user in its environment and no way out of this machine.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("project")).env_clear();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(self.folders().into_iter().chain(std::env::split_paths(&path)));
        command.env("PATH", path.unwrap_or_else(|e| panic!("PATH: {e}")));
        for (name, folder) in FOLDERS {
            command.env(name, self.path(folder));
        }
        command.envs(FIXED).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Where hosts are installed.
    fn folders(&self) -> [PathBuf; 2] {
        [self.stage.tools.join(".bin"), self.stage.tools.join("../hermes/bin")]
    }

    /// Starts a host.
    pub(super) fn start(&self, program: &str, args: &[&str]) -> Program {
        // By its path, since PATH is that of the child.
        let found = self.folders().iter().map(|folder| folder.join(program)).find(|program| program.exists());
        let found = found.unwrap_or_else(|| panic!("{program} is not installed"));
        let mut command = self.command(&found);
        command.args(args);
        Program::start(command)
    }

    /// Runs a host to its end and returns what it said.
    pub(super) async fn run(&self, program: &str, args: &[&str]) -> String {
        let mut program = self.start(program, args);
        let said = program.ended().await;
        // Kept, since what it left behind is killed with it: our bridge may be ending its session yet.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(program);
        said
    }

    /// Runs our binary, as a user does beside the host, and returns what it said.
    pub(super) async fn ours(&self, args: &[&str]) -> String {
        let mut command = self.command(&self.stage.binary);
        let output = command.args(args).output().await.unwrap_or_else(|e| panic!("cannot start ours: {e}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{args:?} ended with {}:\n{said}", output.status);
        said
    }

    /// The settings of the certificate.
    pub(super) fn tls(&self) -> Value {
        let Client { cert_file, key_file, .. } = &self.client;
        json!({"cert": cert_file, "key": key_file, "ca": self.stage.pki.server_ca_file()})
    }

    /// Our config file, with the server as `corp`; `headers` are as its user wrote them.
    fn config(&self) -> PathBuf {
        let entry = json!({"type": "remote", "url": self.nginx.url(), "headers": self.headers, "tls": self.tls()});
        self.write("mcp-mtls.jsonc", format!("{:#}\n", json!({"mcp": {"corp": entry}})))
    }

    /// `install HOST corp`: an entry of ours in this file of the host. A second time changes nothing, and `uninstall`
    /// leaves the file as it was.
    pub(super) async fn install(&self, host: &str, file: &str) {
        let config = shown(&self.config());
        let install = ["install", host, "corp", "--config", &config];
        let before = self.read(file);
        self.ours(&install).await;
        let after = self.read(file);
        assert!(after.contains(&shown(&self.stage.binary)) && after.contains(&config), "{file}:\n{after}");

        let again = self.ours(&install).await;
        assert_eq!(self.read(file), after, "{again}");
        let gone = self.ours(&["uninstall", host, "corp"]).await;
        let left = self.read(file);
        if before.is_empty() {
            // A file that was made for it stays, with nothing in it.
            assert!(matches!(left.trim(), "" | "{}"), "{left}{gone}");
        } else {
            assert_eq!(left, before, "{gone}");
        }
        self.ours(&install).await;
        assert_eq!(self.read(file), after);
    }

    /// Asserts that the host called `echo` for the model, and that nginx verified our certificate on each request up
    /// to the one that ends the session: the bridge was not killed.
    pub(super) async fn expect_echo(&self, said: &str) {
        self.model.expect_echo(said);
        self.expect_verified("DELETE").await;
    }

    /// Asserts from nginx's log that it verified our certificate on each request, once there is one of this method.
    pub(super) async fn expect_verified(&self, until: &str) -> Vec<Value> {
        self.nginx.expect_verified(&self.client, SPEAKS, until).await
    }

    /// Asserts that nginx has seen no request so far.
    pub(super) async fn expect_no_request(&self) {
        let seen = self.nginx.requests_until(|_| true).await;
        assert!(seen.is_empty(), "{seen:#?}");
    }

    /// Asserts that nginx refused the certificate and that the host said so in our words.
    pub(super) async fn expect_refusal(&self, said: &str) {
        // Some break lines at the width of a terminal that there is not.
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(REFUSAL), "{said}");
        self.nginx.expect_refused("FAILED").await;
    }
}

/// What nginx speaks in these cases.
const SPEAKS: Speaks = Speaks { tls: "1.3", http2: true };

/// Where programs look for a user's files.
const FOLDERS: [(&str, &str); 6] = [
    ("HOME", ""),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
    ("XDG_CACHE_HOME", ".cache"),
    ("TMPDIR", "tmp"),
];

/// Plain output, no telemetry and no updates. Whatever goes elsewhere in spite of that ends at a proxy that is not there.
const FIXED: [(&str, &str); 18] = [
    ("LANG", "C.UTF-8"),
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DO_NOT_TRACK", "1"),
    ("HTTP_PROXY", NOWHERE),
    ("HTTPS_PROXY", NOWHERE),
    ("http_proxy", NOWHERE),
    ("https_proxy", NOWHERE),
    ("NO_PROXY", "localhost,127.0.0.1"),
    ("no_proxy", "localhost,127.0.0.1"),
    ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    // Where there is a plugin, opencode waits for npm, which is to fetch the package that plugins are written with.
    ("npm_config_offline", "true"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("COPILOT_AUTO_UPDATE", "false"),
    ("CLINE_NO_AUTO_UPDATE", "1"),
];
const NOWHERE: &str = "http://127.0.0.1:9";

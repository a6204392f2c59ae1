//! A run of the binary, as a host does it and as a person looks for what is wrong.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mcp_mtls_testkit::host::Host;
use serde_json::Value;
use tokio::process::Command;

use crate::stage::{self, binary};

/// A run of `connect`, or of `doctor`, with these arguments.
#[derive(Clone)]
pub(super) struct Run {
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    home: Option<PathBuf>,
}

/// A host that runs `connect` with these arguments.
pub(super) fn host<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    Run { arguments: Vec::new(), variables: Vec::new(), home: None }.args(arguments)
}

impl Run {
    pub(super) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(super) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(super) fn home(mut self, home: &Path) -> Self {
        self.home = Some(home.to_owned());
        self
    }

    /// The same towards this URL, which was not known before.
    pub(super) fn towards(mut self, url: &str) -> Self {
        if let Some(target) = self.arguments.first_mut() {
            *target = url.into();
        }
        self
    }

    pub(super) fn spawn(&self) -> Host {
        let host = stage::host(&self.arguments);
        let host = self.variables.iter().fold(host, |host, (name, value)| host.env(name, value));
        self.home.iter().fold(host, |host, home| host.home(home)).spawn()
    }

    /// What `doctor` answers with the same arguments in this folder, when they are such that it takes.
    pub(super) async fn examined(&self, home: &Path) -> Option<Value> {
        if self.arguments.is_empty() {
            // All entries of this machine, which is another question.
            return None;
        }
        let output = self.doctor(home).arg("--json").output().await.expect("the binary runs");
        serde_json::from_slice(&output.stdout).ok().filter(|answer: &Value| answer["entries"].is_array())
    }

    pub(super) fn doctor(&self, home: &Path) -> Command {
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .current_dir(home);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.arg("doctor").args(&self.arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

//! `mcp-mtls doctor` towards real servers: what it finds, and what it tells.
#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

mod broken;
mod greeting;
mod healthy;
mod many;
mod secrets;
mod sources;
mod told;
mod warnings;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mcp_mtls_testkit::pki::{Client, Pki};
use serde_json::Value;
use tokio::process::Command;

use crate::run::BINARY;

/// A run of `doctor`.
struct Doctor {
    command: Command,
}

/// What a run with `--json` gave.
struct Examined {
    status: i32,
    answer: Value,
}

/// A run with these arguments, in an environment without proxies and configuration files.
fn doctor<S: AsRef<OsStr>>(pki: &Pki, arguments: impl IntoIterator<Item = S>) -> Doctor {
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", pki.dir());
    command.arg("doctor").args(arguments).current_dir(pki.dir()).stdin(Stdio::null()).kill_on_drop(true);
    Doctor { command }
}

/// A run towards this URL with this certificate, trusting the staged server CA.
fn towards(pki: &Pki, url: &str, client: &Client) -> Doctor {
    doctor(pki, flags(pki, url, client))
}

fn flags(pki: &Pki, url: &str, client: &Client) -> Vec<OsString> {
    let mut flags = without_certificate(pki, url);
    flags.extend(["--cert".into(), client.cert_file.clone().into(), "--key".into(), client.key_file.clone().into()]);
    flags
}

fn without_certificate(pki: &Pki, url: &str) -> Vec<OsString> {
    vec![url.into(), "--ca".into(), pki.server_ca_file().into()]
}

impl Doctor {
    fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Exit status, stdout and stderr.
    async fn told(mut self) -> (i32, String, String) {
        let output = self.command.output().await.expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("the binary exits by itself"), text(output.stdout), text(output.stderr))
    }

    /// The answer for programs; nothing may be told beside it.
    async fn examined(self) -> Examined {
        let (status, stdout, stderr) = self.args(["--json"]).told().await;
        assert_eq!(stderr, "");
        let answer: Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {stdout}"));
        assert_eq!(answer["healthy"], status == 0, "{answer:#}");
        Examined { status, answer }
    }
}

impl Examined {
    fn entry(&self) -> &Value {
        &self.answer["entries"][0]
    }

    fn step(&self, name: &str) -> &Value {
        step(self.entry(), name)
    }

    /// The facts of a step.
    fn fact(&self, name: &str, fact: &str) -> &Value {
        &self.step(name)["facts"][fact]
    }

    /// The codes of the warnings of a step.
    fn warnings(&self, name: &str) -> Vec<&str> {
        let warnings = self.step(name)["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
        warnings.iter().map(|warning| warning["code"].as_str().unwrap_or_default()).collect()
    }

    /// Asserts that this step is the broken one, that all behind it were not reached or not used, and that all
    /// before it were gone through; returns its failure.
    fn broken_at(&self, name: &str) -> &Value {
        assert_eq!(self.status, 1, "{:#}", self.answer);
        let steps = self.entry()["steps"].as_array().expect("steps");
        let at = steps.iter().position(|step| step["step"] == name).expect("the step");
        for (index, step) in steps.iter().enumerate() {
            let state = step["state"].as_str().unwrap_or_default();
            let fits = match index.cmp(&at) {
                std::cmp::Ordering::Less => ["ok", "warning", "not-used"].contains(&state),
                std::cmp::Ordering::Equal => state == "failed",
                std::cmp::Ordering::Greater => ["not-reached", "not-used"].contains(&state),
            };
            assert!(fits, "{}: {state}, and {name} is broken: {:#}", step["step"], self.answer);
        }
        &steps[at]["failure"]
    }

    /// Asserts that every step is as it should be, but for those that are not used.
    fn is_well(&self) -> &Self {
        assert_eq!(self.status, 0, "{:#}", self.answer);
        let steps = self.entry()["steps"].as_array().expect("steps");
        assert!(steps.iter().all(|step| step["state"] == "ok" || step["state"] == "not-used"), "{:#}", self.answer);
        self
    }
}

fn step<'a>(entry: &'a Value, name: &str) -> &'a Value {
    let steps = entry["steps"].as_array().unwrap_or_else(|| panic!("no steps: {entry:#}"));
    steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no step {name}: {entry:#}"))
}

/// A configuration file with these entries.
fn config(pki: &Pki, entries: &str) -> PathBuf {
    pki.write("config.jsonc", format!("{{ \"mcp\": {{\n{entries}\n}} }}"))
}

/// An entry as a line of a file.
fn entry(pki: &Pki, name: &str, url: &str, client: &Client) -> String {
    let file = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tls = format!(
        r#"{{ "cert": "{}", "key": "{}", "ca": "{}" }}"#,
        file(&client.cert_file),
        file(&client.key_file),
        file(&pki.server_ca_file())
    );
    format!(r#""{name}": {{ "url": "{url}", "tls": {tls} }},"#)
}

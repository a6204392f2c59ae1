//! What is told of a case: taken from the binary, held to the rules, and kept.

use std::path::Path;
use std::time::{Duration, Instant};

use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::Client;
use mcp_mtls_testkit::server::ServerBuilder;
use serde_json::Value;

use super::super::rules::{self, Forms};
use super::super::run::Run;
use super::super::shown::{json, shown};
use super::super::stable::stable;
use super::{Case, Pace, path, variants};
use crate::run::{Outcome, mcp_mtls};
use crate::stage::{LATEST, binary, hello};

impl Case {
    /// `initialize` is refused, at once.
    pub(in crate::gallery) async fn refused(&mut self, way: &str, run: Run) -> Value {
        self.refused_at(Pace::AtOnce, way, run).await
    }

    /// `initialize` is refused.
    pub(in crate::gallery) async fn refused_at(&mut self, pace: Pace, way: &str, run: Run) -> Value {
        let mut first = None;
        for _ in 0..TRIES {
            let began = Instant::now();
            let mut host = run.spawn();
            let answer = host.request("initialize", hello(LATEST)).await;
            let took = began.elapsed();
            let stderr = self.ended(&mut host).await;
            // On a busy machine the bridge may have ended before stderr took what it has to say: it waits for nobody.
            if text_of(&stderr).is_some() {
                self.in_time(pace, way, took);
                let told = self.told_to_host(way, &answer, &stderr);
                self.examined(way, &run, host.home(), &told).await;
                return told;
            }
            self.silent += 1;
            first.get_or_insert(answer);
        }
        self.broken.push(format!("{way}: stderr tells nothing, and the host is told {first:?}"));
        Value::Null
    }

    /// `initialize` is refused by a server of these settings, which has verified this certificate, or none.
    pub(in crate::gallery) async fn refused_by(
        &mut self,
        way: &str,
        server: ServerBuilder,
        client: Option<&Client>,
        verified: bool,
    ) {
        let server = server.start().await;
        let host = self.towards(&server.url("/mcp"), client);
        self.refused(way, host).await;
        self.verified(way, &server.verified(), client.filter(|_| verified));
        server.stop().await;
    }

    /// The same over each version of TLS and of HTTP.
    pub(in crate::gallery) async fn refused_by_each(
        &mut self,
        client: Option<&Client>,
        verified: bool,
        settings: impl Fn(ServerBuilder) -> ServerBuilder,
    ) {
        for (way, server) in variants(&self.pki) {
            self.refused_by(way, settings(server), client, verified).await;
        }
    }

    /// A request was answered by an error of ours; what is on stderr at the end belongs to it.
    pub(in crate::gallery) async fn answered(&mut self, way: &str, host: &mut Host, answer: &Value) -> Value {
        let stderr = self.ended(host).await;
        self.told_to_host(way, answer, &stderr)
    }

    /// Ends a host, and returns what it found on stderr.
    async fn ended(&mut self, host: &mut Host) -> String {
        host.close_stdin();
        host.wait_exit(LIMIT).await;
        host.stdout_is_pure();
        self.hide(&path(host.home()), "[home]");
        host.drained_stderr().await
    }

    fn told_to_host(&mut self, way: &str, answer: &Value, stderr: &str) -> Value {
        let error = &answer["error"];
        if error["code"] != -31000 || error["data"]["source"] != "mcp-mtls" {
            self.broken.push(format!("{way}: this is no error of ours: {answer:#}\n{stderr}"));
            return Value::Null;
        }
        self.tell(way, &error["data"], Some(error), text_of(stderr).as_deref());
        error["data"].clone()
    }

    /// `doctor` finds the same, and says at which step.
    async fn examined(&mut self, way: &str, run: &Run, home: &Path, told: &Value) {
        let Some(answer) = run.examined(home).await else { return };
        let steps = answer["entries"][0]["steps"].as_array().into_iter().flatten();
        let Some(step) = steps.clone().find(|step| step["failure"].is_object()) else {
            return self.broken.push(format!("{way}: doctor finds nothing broken: {answer:#}"));
        };
        let name = step["step"].as_str().unwrap_or_default();
        let read = |facts: &Value| {
            let parts = ["code", "side", "what", "where", "why", "fix"].map(|part| facts[part].clone());
            stable(&Value::from(parts.to_vec()).to_string(), &self.words)
        };
        let failure = &step["failure"];
        if failure["code"] != told["code"] || failure["side"] != told["side"] {
            self.broken.push(format!("{way}: doctor finds something else, at the step {name}: {failure:#}"));
        }
        let found = if read(failure) == read(told) {
            format!("doctor --json: the same, at the step `{name}`\n")
        } else {
            format!("doctor --json, at the step `{name}`:\n{}\n", json(failure, &self.words))
        };
        self.note(way, &found);
    }

    /// `doctor` finds all well but for one warning.
    pub(in crate::gallery) async fn warned(&mut self, way: &str, run: &Run) {
        let home = self.pki.dir().to_owned();
        let answer = run.examined(&home).await.expect("doctor answers");
        assert_eq!(answer["healthy"], true, "{answer:#}");
        let steps = answer["entries"][0]["steps"].as_array().into_iter().flatten();
        let warnings = steps.flat_map(|step| step["warnings"].as_array().into_iter().flatten());
        let warnings: Vec<_> = warnings.filter(|warning| warning["code"] == self.code.as_str()).collect();
        assert_eq!(warnings.len(), 1, "{answer:#}");
        let output = run.doctor(&home).output().await.expect("the binary runs");
        let text = String::from_utf8(output.stdout).expect("stdout is UTF-8");
        let block = text.split("    warning:").find_map(|block| {
            let end = format!("(mcp-mtls explain {})", self.code);
            let (block, _) = block.split_once(&end)?;
            Some(format!("error:{block}{end}").replace("\n    ", "\n"))
        });
        let block = block.unwrap_or_else(|| panic!("the warning is not told: {text}"));
        self.tell(way, warnings[0], None, Some(&block));
    }

    /// A command fails, as text and with `--json`.
    pub(in crate::gallery) fn fails(&mut self, folder: &Path, arguments: &[&str]) {
        let text = mcp_mtls(folder, arguments);
        let with_json = mcp_mtls(folder, &[arguments, &["--json"]].concat());
        assert_eq!(text.status, with_json.status, "{}", with_json.stdout);
        let json: Value =
            serde_json::from_str(&with_json.stdout).unwrap_or_else(|e| panic!("{e}: {}", with_json.stdout));
        self.tell(&arguments.join(" "), &json["error"], None, text_of(&text.stderr).as_deref());
    }

    /// A command that speaks no JSON failed.
    pub(in crate::gallery) fn failed(&mut self, way: &str, outcome: &Outcome) {
        assert_ne!(outcome.status, 0, "{}{}", outcome.stdout, outcome.stderr);
        let text = text_of(&outcome.stderr).unwrap_or_else(|| panic!("no failure is told: {}", outcome.stderr));
        let values = |label: &str| {
            let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with(label)).peekable();
            let first = lines.next().map(|line| line.trim_start().trim_start_matches(label).trim().to_owned());
            let rest = lines.take_while(|line| line.starts_with("       ")).map(|line| line.trim().to_owned());
            first.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
        };
        let list = |label: &str| Some(values(label)).filter(|value| !value.is_empty()).into_iter().collect::<Vec<_>>();
        let facts = serde_json::json!({
            "code": values("code:").split(' ').next(), "side": self.side, "what": values("error:"),
            "where": list("where:"), "why": list("why:"), "fix": list("fix:"),
        });
        self.tell(way, &facts, None, Some(&text));
    }

    /// A failure was told: its facts, the JSON-RPC error, and the text.
    pub(in crate::gallery) fn tell(&mut self, way: &str, facts: &Value, error: Option<&Value>, text: Option<&str>) {
        self.read_keys();
        let message = error.map(|error| error["message"].as_str().unwrap_or_default());
        let forms =
            Forms { facts, message, text, secrets: &self.secrets, of_others: &self.of_others, words: &self.words };
        let broken = rules::broken(&forms, self.code.as_str(), self.side);
        self.broken.extend(broken.into_iter().map(|rule| format!("{way}: {rule}")));
        let shown = shown(facts, error, text.is_some(), &self.words);
        self.note(way, &shown);
    }

    /// Keeps what was shown; what is the same in several ways is kept once.
    fn note(&mut self, way: &str, shown: &str) {
        match self.told.iter_mut().find(|(_, before)| *before == shown) {
            Some((ways, _)) => ways.push(way.to_owned()),
            None => self.told.push((vec![way.to_owned()], shown.to_owned())),
        }
    }

    /// The server says that it verified the certificate of this client and no other, or none at all.
    pub(in crate::gallery) fn verified(&mut self, way: &str, seen: &[String], expected: Option<&Client>) {
        let right = match expected {
            Some(client) => !seen.is_empty() && seen.iter().all(|fingerprint| *fingerprint == client.fingerprint),
            None => seen.is_empty(),
        };
        if !right {
            let expected = expected.map_or("none", |client| &client.name);
            self.broken.push(format!("{way}: the server verified {seen:?}, and not {expected}"));
        }
    }

    /// Whether the answer came when it should, on a machine that may be busy.
    pub(in crate::gallery) fn in_time(&mut self, pace: Pace, way: &str, took: Duration) {
        let (least, most) = match pace {
            Pace::AtOnce => (Duration::ZERO, ONE_SECOND),
            Pace::After(timeout) => (timeout, timeout + ONE_SECOND),
        };
        if took < least || (took > most && took > most + starting() * 10) {
            self.broken.push(format!("{way}: answered after {took:?}, and not within {least:?} and {most:?}"));
        }
    }

    /// Keys are secrets, wherever they stand in the folder.
    fn read_keys(&mut self) {
        let files = std::fs::read_dir(self.pki.dir()).into_iter().flatten().flatten();
        let files = files.filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()));
        let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        for text in texts.filter(|text| text.contains("PRIVATE KEY-----")) {
            let lines = text.split("PRIVATE KEY-----").skip(1).step_by(2).flat_map(str::lines);
            let bodies = lines.filter(|line| line.len() >= 20 && !line.contains("-----"));
            self.secrets.extend(bodies.map(str::to_owned));
        }
        self.secrets.sort_unstable();
        self.secrets.dedup();
    }
}

/// The last failure among the lines of stderr.
fn text_of(stderr: &str) -> Option<String> {
    let lines: Vec<_> = stderr.split_inclusive('\n').collect();
    let begin = lines.iter().rposition(|line| line.starts_with("error: "))?;
    let length = lines[begin..].iter().position(|line| line.contains("(mcp-mtls explain "))?;
    Some(lines[begin..=begin + length].concat())
}

/// How long this machine takes to start the program now.
fn starting() -> Duration {
    let began = Instant::now();
    let output = std::process::Command::new(binary()).arg("--version").output();
    assert!(output.is_ok_and(|output| output.status.success()));
    began.elapsed()
}

/// How often a failure is caused until stderr tells it.
const TRIES: usize = 5;
const ONE_SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

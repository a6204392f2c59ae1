//! A case of the gallery: a cause, staged in a folder of its own, and all that is told of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::{Client, Pki};
use mcp_mtls_testkit::server::{ServerBuilder, TlsServer};
use serde_json::Value;

use super::rules::{self, Forms};
use super::run::{Run, host};
use super::shown::{json, shown};
use super::stable::stable;
use crate::run::{Outcome, mcp_mtls};
use crate::stage::{LATEST, binary, hello};

/// One cause, and what was told of it in each of its ways.
pub(super) struct Case {
    pub(super) pki: Pki,
    name: &'static str,
    code: Code,
    side: Side,
    secrets: Vec<String>,
    of_others: Vec<&'static str>,
    words: Vec<(String, &'static str)>,
    /// What was told, and in which ways it was the same.
    told: Vec<(Vec<String>, String)>,
    broken: Vec<String>,
}

/// When an answer has to come.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// The cause is known at once.
    AtOnce,
    /// Nothing answers, and this is the `timeout`.
    After(Duration),
}

/// Starts a case that must be told with this code and side, and names its snapshot.
pub(super) fn case(name: &'static str, code: Code, side: Side) -> Case {
    let pki = Pki::new();
    let words = vec![(pki.dir().display().to_string(), "[dir]"), (binary().display().to_string(), "[mcp-mtls]")];
    Case {
        pki,
        name,
        code,
        side,
        secrets: Vec::new(),
        of_others: Vec::new(),
        words,
        told: Vec::new(),
        broken: Vec::new(),
    }
}

/// The ways of connecting in which a refusal looks different.
pub(super) fn variants(pki: &Pki) -> [(&'static str, ServerBuilder); 4] {
    [
        ("TLS 1.2, HTTP/1.1", TlsServer::builder(pki).tls12_only().alpn(&["http/1.1"])),
        ("TLS 1.2, HTTP/2", TlsServer::builder(pki).tls12_only().alpn(&["h2"])),
        ("TLS 1.3, HTTP/1.1", TlsServer::builder(pki).tls13_only().alpn(&["http/1.1"])),
        ("TLS 1.3, HTTP/2", TlsServer::builder(pki).tls13_only().alpn(&["h2"])),
    ]
}

/// What is staged.
impl Case {
    /// Something that must not be told.
    pub(super) fn secret(&mut self, secret: &str) -> String {
        self.secrets.push(secret.to_owned());
        secret.to_owned()
    }

    /// Something that the other side says, and that must stand in quotation marks wherever it is told.
    pub(super) fn of_others(&mut self, words: &'static str) {
        self.of_others.push(words);
    }

    /// Something that differs from run to run, and what is shown for it.
    pub(super) fn hide(&mut self, word: &str, name: &'static str) {
        self.words.push((word.to_owned(), name));
    }

    /// Whether a connection is closed or reset depends on what was under way: either is shown as the same.
    pub(super) fn ends_either_way(&mut self) {
        self.hide("The connection was reset.", "[closed or reset]");
        self.hide("The connection was closed without notice.", "[closed or reset]");
    }

    /// A file in the folder of the case.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        path(&self.pki.write(name, content))
    }

    /// A host with this certificate towards a URL, trusting the staged CA.
    pub(super) fn towards(&self, url: &str, client: Option<&Client>) -> Run {
        let ca = path(&self.pki.server_ca_file());
        let host = host([url, "--ca", &ca]);
        match client {
            Some(client) => host
                .args([OsStr::new("--cert"), client.cert_file.as_ref()])
                .args([OsStr::new("--key"), client.key_file.as_ref()]),
            None => host,
        }
    }

    /// A host whose configuration file has this entry, `corp`.
    pub(super) fn entry(&self, entry: &str) -> Run {
        self.configuration(&format!("{{ \"mcp\": {{ \"corp\": {entry} }} }}"))
    }

    /// A host with this configuration file, for the entry `corp`.
    pub(super) fn configuration(&self, text: &str) -> Run {
        let config = self.file("config.jsonc", text);
        host(["corp", "--config", &config])
    }
}

/// What is told.
impl Case {
    /// `initialize` is refused, at once.
    pub(super) async fn refused(&mut self, way: &str, run: Run) -> Value {
        self.refused_at(Pace::AtOnce, way, run).await
    }

    /// `initialize` is refused.
    pub(super) async fn refused_at(&mut self, pace: Pace, way: &str, run: Run) -> Value {
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
            first.get_or_insert(answer);
        }
        self.broken.push(format!("{way}: stderr tells nothing, and the host is told {first:?}"));
        Value::Null
    }

    /// `initialize` is refused by a server of these settings, which has verified this certificate, or none.
    pub(super) async fn refused_by(
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
    pub(super) async fn refused_by_each(
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
    pub(super) async fn answered(&mut self, way: &str, host: &mut Host, answer: &Value) -> Value {
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
    pub(super) async fn warned(&mut self, way: &str, run: &Run) {
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
    pub(super) fn fails(&mut self, folder: &Path, arguments: &[&str]) {
        let text = mcp_mtls(folder, arguments);
        let with_json = mcp_mtls(folder, &[arguments, &["--json"]].concat());
        assert_eq!(text.status, with_json.status, "{}", with_json.stdout);
        let json: Value =
            serde_json::from_str(&with_json.stdout).unwrap_or_else(|e| panic!("{e}: {}", with_json.stdout));
        self.tell(&arguments.join(" "), &json["error"], None, text_of(&text.stderr).as_deref());
    }

    /// A command that speaks no JSON failed.
    pub(super) fn failed(&mut self, way: &str, outcome: &Outcome) {
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
    pub(super) fn tell(&mut self, way: &str, facts: &Value, error: Option<&Value>, text: Option<&str>) {
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
    pub(super) fn verified(&mut self, way: &str, seen: &[String], expected: Option<&Client>) {
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
    pub(super) fn in_time(&mut self, pace: Pace, way: &str, took: Duration) {
        let (least, most) = match pace {
            Pace::AtOnce => (Duration::ZERO, ONE_SECOND),
            Pace::After(timeout) => (timeout, timeout + ONE_SECOND),
        };
        if took < least || (took > most && took > most + starting() * 10) {
            self.broken.push(format!("{way}: answered after {took:?}, and not within {least:?} and {most:?}"));
        }
    }

    /// Compares with the snapshot, and says which rules were broken.
    pub(super) fn end(self) {
        let mut kept = format!("code: {}\n", self.code);
        for (ways, shown) in &self.told {
            kept.push_str(&["\n──── ", &stable(&ways.join("; "), &self.words), "\n\n", shown].concat());
        }
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(self.name, kept);
        });
        let gaps: Vec<_> = rules::GAPS.iter().filter(|(name, _)| *name == self.name).map(|(_, rule)| *rule).collect();
        let (known, broken): (Vec<_>, Vec<_>) =
            self.broken.iter().partition(|broken| gaps.iter().any(|rule| broken.contains(rule)));
        assert!(broken.is_empty(), "{} breaks rules: {broken:#?}\n\n{kept}", self.name);
        assert!(gaps.is_empty() || !known.is_empty(), "{} keeps all rules, take it out of GAPS", self.name);
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

/// Runs each of these cases, and fails when one of them did.
pub(super) async fn all<T, F>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut failed = 0;
    for case in cases {
        // What a case has to say is printed where it fails.
        failed += usize::from(tokio::spawn(run(case)).await.is_err());
    }
    assert_eq!(failed, 0, "so many cases failed, see above");
}

/// A path as an argument.
pub(super) fn path(path: &Path) -> String {
    path.display().to_string()
}

/// A copy of a fixture that other software has made: who may write to a checkout is not ours to say.
pub(super) fn fixture(case: &Case, folder: &str, name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests").join(folder);
    case.pki.write(name, std::fs::read(fixtures.join(name)).expect("a fixture"))
}

/// How often a failure is caused until stderr tells it.
const TRIES: usize = 5;
const ONE_SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

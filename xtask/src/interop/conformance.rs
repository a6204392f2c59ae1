//! The client scenarios of the official conformance suite, whose server sees what came through `connect` and TLS.
//!
//! The suite starts a driver of ours for each scenario (`interop/conformance`), which is the host of the bridge and the
//! terminator in front of the suite's server.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Case, Stage};
use crate::programs::{Outcome, root};
use mcp_mtls_testkit::pki::Client;

pub(super) fn cases() -> Vec<Case> {
    let complete =
        Case::new("conformance: each client scenario is run or listed", |stage| Box::pin(nothing_left_out(stage)));
    let played = VERSIONS.iter().map(|version| {
        Case::new(format!("conformance: the client scenarios of {version}"), |stage| Box::pin(play(stage, version)))
    });
    [complete].into_iter().chain(played).collect()
}

async fn nothing_left_out(stage: &Stage) {
    let scenarios = Scenario::all(stage).await;
    let listed = Listed::read();
    let run = |scenario: &&Scenario| VERSIONS.iter().any(|version| scenario.is_of(version));
    let missing = scenarios.iter().filter(|one| !listed.leaves_out(&one.name) && !run(one)).map(|one| &one.name);
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "of none of {VERSIONS:?} and not listed: {missing:?}");

    let known = |name: &String| scenarios.iter().any(|scenario| scenario.name == *name);
    let gone: Vec<_> = listed.not_run.iter().flat_map(|group| &group.scenarios).filter(|name| !known(name)).collect();
    assert!(gone.is_empty(), "listed, and the suite does not have them: {gone:?}");
    let idle: Vec<_> = listed.expected.iter().filter(|one| !VERSIONS.contains(&one.version.as_str())).collect();
    assert!(idle.is_empty(), "expected in versions that are not played: {idle:?}");
}

/// Runs all scenarios of the version, some at once, and claims that each went as the list has it.
async fn play(stage: &Stage, version: &'static str) {
    let listed = Listed::read();
    let results = TempDir::with_prefix("mcp-mtls-conformance-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
    let alice = stage.pki.client("alice");
    let wanted = Scenario::all(stage).await.into_iter();
    let wanted = wanted.filter(|one| one.is_of(version) && !listed.leaves_out(&one.name));

    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for scenario in wanted {
        let folder = results.path().join(&scenario.name);
        let mut command = scenario.command(stage, version, &alice, &folder);
        let turns = Arc::clone(&turns);
        runs.spawn(async move {
            let _turn = turns.acquire().await;
            let said = command.output().await.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            (scenario.name, Played::read(&folder).map_err(|why| format!("{why}; the suite says: {said:?}")))
        });
    }
    let mut played: Vec<(String, Result<Played, String>)> = runs.join_all().await;
    played.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!played.is_empty(), "the suite has no scenario of {version}");

    let mut complaints = Vec::new();
    for (scenario, result) in &played {
        let expected = listed.expected_of(scenario, version);
        let found = match result {
            Ok(played) => played.complaints(&expected, &alice.fingerprint),
            Err(why) => vec![why.clone()],
        };
        complaints.extend(found.into_iter().map(|complaint| format!("{scenario}: {complaint}")));
    }
    let strange = listed.expected.iter().filter(|one| one.version == version);
    let strange = strange.filter(|one| played.iter().all(|(scenario, _)| *scenario != one.scenario));
    complaints.extend(strange.map(|one| format!("{}: expected to fail, and it did not run", one.scenario)));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A client scenario of the suite.
struct Scenario {
    name: String,
    /// The versions that have it, or `extension` alone.
    tags: Vec<String>,
}

impl Scenario {
    async fn all(stage: &Stage) -> Vec<Self> {
        let output = stage.npm(SUITE).args(["list", "--client"]).stdin(Stdio::null()).kill_on_drop(true).output().await;
        let output = output.unwrap_or_else(|e| panic!("cannot start the suite: {e}"));
        let text = String::from_utf8_lossy(&output.stdout);
        let scenarios: Vec<Self> = text.lines().filter_map(Self::of_line).collect();
        assert!(output.status.success() && !scenarios.is_empty(), "the suite lists no scenarios:\n{text}");
        scenarios
    }

    /// `  - tools_call [2025-06-18,2025-11-25]`
    fn of_line(line: &str) -> Option<Self> {
        let (name, tags) = line.trim().strip_prefix("- ")?.split_once(" [")?;
        let tags = tags.strip_suffix(']')?.split(',').map(str::to_owned).collect();
        Some(Self { name: name.to_owned(), tags })
    }

    fn is_of(&self, version: &str) -> bool {
        self.tags.iter().any(|tag| tag == version) || (self.is_extension() && EXTENDED.contains(&version))
    }

    fn is_extension(&self) -> bool {
        self.tags.iter().any(|tag| tag == "extension")
    }

    /// The suite with this scenario alone, which leaves in the folder what it saw.
    fn command(&self, stage: &Stage, version: &str, client: &Client, folder: &Path) -> Command {
        let conformance = root().join("interop/conformance");
        let server = stage.pki.server_identity();
        let mut command = Command::new(stage.tools.join(".bin/node"));
        command.arg("--require").arg(root().join("interop/loopback.cjs")).arg(stage.tools.join(SUITE));
        // A shell runs it, so that the names of our folders, whatever is in them, stand between quotes.
        command.args(["client", "--command", "exec \"$CONFORMANCE_NODE\" \"$CONFORMANCE_DRIVER\""]);
        command.args(["--scenario", &self.name, "--spec-version", version]).arg("--output-dir").arg(folder);
        if self.is_extension() {
            command.arg("--force");
        }
        command.env("CONFORMANCE_NODE", stage.tools.join(".bin/node"));
        command.env("CONFORMANCE_DRIVER", conformance.join("driver.mjs"));
        command.env("CONFORMANCE_BINARY", &stage.binary);
        command.env("CONFORMANCE_CERT", &client.cert_file).env("CONFORMANCE_KEY", &client.key_file);
        command.env("CONFORMANCE_SERVER_CA", stage.pki.server_ca_file());
        command.env("CONFORMANCE_SERVER_CERT", &server.cert_file).env("CONFORMANCE_SERVER_KEY", &server.key_file);
        command.env("CONFORMANCE_CLIENT_CA", stage.pki.client_ca_file());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// What came of one scenario, as the suite leaves it.
struct Played {
    checks: Vec<Check>,
    /// The last line of the driver's output: what its terminator verified.
    verified: Option<Verified>,
    /// The driver's standard error, with the bridge's.
    errors: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: String,
    status: String,
    description: String,
    error_message: Option<String>,
}

impl Check {
    /// A warning fails the suite as well, and one that was skipped shows a driver that asks too little.
    fn holds(&self) -> bool {
        matches!(self.status.as_str(), "SUCCESS" | "INFO")
    }
}

#[derive(Deserialize)]
struct Verified {
    connections: u32,
    fingerprints: Vec<String>,
}

impl Played {
    fn read(folder: &Path) -> Outcome<Self> {
        // The suite adds the time to the name of the folder that it makes in there, and a name may have a slash.
        let mut result = folder.to_owned();
        while !result.join("checks.json").exists() {
            result = fs::read_dir(&result)?.next().ok_or("the suite left no result")??.path();
        }
        let read = |name: &str| fs::read_to_string(result.join(name));
        let checks = serde_json::from_str(&read("checks.json")?)?;
        let verified = read("stdout.txt")?.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Ok(Self { checks, verified, errors: read("stderr.txt")? })
    }

    /// What is not as it should be, where these checks are expected to fail and no others.
    fn complaints(&self, expected: &[&str], fingerprint: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        for check in &self.checks {
            if !check.holds() && !expected.contains(&check.name.as_str()) {
                let why = check.error_message.as_ref().unwrap_or(&check.description);
                complaints.push(format!("{} is {}: {why}", check.name, check.status));
            }
        }
        for name in expected {
            if !self.checks.iter().any(|check| check.name == *name && !check.holds()) {
                complaints.push(format!("{name} is expected to fail and did not"));
            }
        }
        if complaints.is_empty() && !self.checks.iter().any(|check| check.status == "SUCCESS") {
            complaints.push("not one check succeeded".to_owned());
        }
        match &self.verified {
            Some(told) if told.connections > 0 && told.fingerprints == [fingerprint] => {}
            Some(told) => complaints.push(format!("the terminator verified {:?}", told.fingerprints)),
            None => complaints.push(format!("the driver did not get to its end:\n{}", self.errors.trim())),
        }
        complaints
    }
}

/// `expected-failures.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Listed {
    expected: Vec<Expected>,
    not_run: Vec<NotRun>,
}

/// A check that does not hold, and why that is as it should be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    scenario: String,
    version: String,
    check: String,
    reason: String,
}

/// Scenarios that no version is asked to play, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NotRun {
    scenarios: Vec<String>,
    reason: String,
}

impl Listed {
    fn read() -> Self {
        let path = root().join("interop/conformance/expected-failures.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let listed: Self = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut reasons =
            listed.expected.iter().map(|one| &one.reason).chain(listed.not_run.iter().map(|one| &one.reason));
        assert!(reasons.all(|reason| !reason.is_empty()), "{}: an entry without its reason", path.display());
        listed
    }

    fn leaves_out(&self, scenario: &str) -> bool {
        self.not_run.iter().any(|group| group.scenarios.iter().any(|name| name == scenario))
    }

    /// The checks that shall not hold.
    fn expected_of(&self, scenario: &str, version: &str) -> Vec<&str> {
        let of_it = self.expected.iter().filter(|one| one.scenario == scenario && one.version == version);
        of_it.map(|one| one.check.as_str()).collect()
    }
}

/// The suite under `node_modules`.
const SUITE: &str = "@modelcontextprotocol/conformance/dist/index.js";

/// The versions to play.
const VERSIONS: &[&str] = &["2025-06-18", "2025-11-25", "2026-07-28"];

/// Those of them in which the scenarios of extensions are played, which belong to no version: one of each era.
const EXTENDED: &[&str] = &["2025-11-25", "2026-07-28"];

/// How many scenarios run at once: a bridge that never answers must not use up the time of the case.
const AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_taken_from_the_list_with_its_versions() {
        let scenario = Scenario::of_line("  - tools_call [2025-06-18,2025-11-25]").unwrap();
        assert_eq!(scenario.name, "tools_call");
        assert!(scenario.is_of("2025-11-25") && !scenario.is_of("2026-07-28"));
        assert!(Scenario::of_line("  - sep-1 [extension]").unwrap().is_of("2026-07-28"));
        assert!(Scenario::of_line("Client scenarios (test against a client):").is_none());
    }

    #[test]
    fn a_check_fails_unless_it_is_expected_to_and_the_other_way_round() {
        let check = |name: &str, status: &str| Check {
            name: name.to_owned(),
            status: status.to_owned(),
            description: "it should".to_owned(),
            error_message: None,
        };
        let verified = |fingerprint: &str| Verified { connections: 1, fingerprints: vec![fingerprint.to_owned()] };
        let mut played = Played {
            checks: vec![check("good", "SUCCESS"), check("note", "INFO"), check("bad", "WARNING")],
            verified: Some(verified("alice")),
            errors: "Error: no answer".to_owned(),
        };
        assert_eq!(played.complaints(&["bad"], "alice"), [""; 0]);
        assert_eq!(played.complaints(&[], "alice"), ["bad is WARNING: it should"]);
        assert_eq!(played.complaints(&["bad", "good"], "alice"), ["good is expected to fail and did not"]);
        assert_eq!(played.complaints(&["bad"], "bob"), ["the terminator verified [\"alice\"]"]);
        played.verified = None;
        assert_eq!(played.complaints(&["bad"], "alice"), ["the driver did not get to its end:\nError: no answer"]);
        played.checks.remove(0);
        assert_eq!(played.complaints(&["bad"], "alice")[0], "not one check succeeded");
    }
}

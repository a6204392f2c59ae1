//! `cargo xtask test-ran LOG`: whether the tests of every member ran.
//!
//! A member that `cargo test` leaves out by accident looks exactly like one whose tests pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::sources::members;
use crate::programs::{Outcome, cargo, printed};

/// Reads the output of `cargo test` (both streams in one file) and fails when a member passed no test.
pub(crate) fn run(log: &str) -> Outcome {
    let text = fs::read_to_string(log).map_err(|e| format!("{log}: {e}"))?;
    let passed = passed_by_binary(&text);
    let members: BTreeSet<String> = members()?.into_iter().map(|(name, _)| name).collect();
    let silent = silent_members(&members, &test_binaries()?, &passed);
    if silent.is_empty() {
        println!("{} tests passed, in all {} members", passed.values().sum::<u64>(), members.len());
        return Ok(());
    }
    Err(format!("no test of {} ran, by {log}", silent.join(", ")).into())
}

/// The members none of whose test binaries passed a test.
fn silent_members(
    members: &BTreeSet<String>,
    binaries: &BTreeMap<String, String>,
    passed: &BTreeMap<String, u64>,
) -> Vec<String> {
    let ran = |member: &String| {
        binaries.iter().any(|(binary, owner)| owner == member && passed.get(binary).is_some_and(|count| *count > 0))
    };
    members.iter().filter(|member| !ran(member)).cloned().collect()
}

/// How many tests each test binary passed. Documentation tests belong to no binary and are not counted.
fn passed_by_binary(log: &str) -> BTreeMap<String, u64> {
    let mut passed = BTreeMap::new();
    let mut current = None;
    for line in log.lines() {
        let line = without_colour(line);
        let line = line.trim();
        if line.starts_with("Doc-tests ") {
            current = None;
        } else if let Some(path) = line
            .strip_prefix("Running ")
            .and_then(|rest| rest.strip_suffix(')')?.rsplit_once('('))
            .map(|(_, path)| path)
        {
            current = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        } else if let (Some(binary), Some(rest)) = (&current, line.strip_prefix("test result: ok. ")) {
            let count = rest.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
            *passed.entry(binary.clone()).or_insert(0) += count;
        }
    }
    passed
}

/// Which member owns each test binary. Several members may have a target of the same name, so cargo has to tell.
fn test_binaries() -> Outcome<BTreeMap<String, String>> {
    let messages = printed(&mut cargo(&["test", "--no-run", "--message-format", "json-render-diagnostics"]))?;
    let binaries = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let file = Path::new(message["executable"].as_str()?).file_name()?.to_string_lossy().into_owned();
        let member = Path::new(message["manifest_path"].as_str()?).to_owned();
        (message["profile"]["test"] == true).then_some((file, member))
    });
    let names: BTreeMap<_, _> = members()?.into_iter().map(|(name, manifest)| (manifest, name)).collect();
    Ok(binaries.filter_map(|(file, manifest)| Some((file, names.get(&manifest)?.clone()))).collect())
}

fn without_colour(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
   Compiling core v0.1.0
     Running unittests src/lib.rs (target/debug/deps/core-00aa)
running 2 tests
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/it/main.rs (/elsewhere/debug/deps/it-11bb)
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m unittests src/main.rs (target/debug/deps/cli-22cc)
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests cli
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn tests_are_counted_by_binary_and_documentation_tests_are_not() {
        let counts: Vec<_> = passed_by_binary(LOG).into_iter().collect();
        assert_eq!(counts, [("cli-22cc".into(), 0), ("core-00aa".into(), 2), ("it-11bb".into(), 7)]);
    }

    #[test]
    fn a_member_whose_tests_did_not_run_is_named() {
        let members = ["cli", "core", "kit", "new"].map(str::to_owned).into();
        let owners = [("core-00aa", "core"), ("it-11bb", "kit"), ("cli-22cc", "cli"), ("it-33dd", "new")];
        let owners = owners.map(|(binary, owner)| (binary.to_owned(), owner.to_owned())).into();
        assert_eq!(silent_members(&members, &owners, &passed_by_binary(LOG)), ["cli", "new"]);
    }
}

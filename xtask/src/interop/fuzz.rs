//! The targets of `fuzz/`, each for a minute: libFuzzer looks for an input that breaks what holds for any.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;

use super::Case;
use crate::programs::{Outcome, root};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("fuzz: each target for a minute", |_stage| Box::pin(play())).within(LIMIT)]
}

async fn play() {
    let fuzzers = Fuzzers::build().await.unwrap_or_else(|e| panic!("{e}"));
    let mut found = Vec::new();
    // There are as many at once as a small machine has processors.
    for pair in TARGETS.chunks(2) {
        let mut running = JoinSet::new();
        for target in pair {
            let command = fuzzers.command(target).unwrap_or_else(|e| panic!("{target}: {e}"));
            let input = fuzzers.folder(target, "found");
            running.spawn(run(target, command, input));
        }
        for played in running.join_all().await {
            match played {
                Ok(line) => println!("        {line}"),
                Err(told) => found.push(told.to_string()),
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The built targets, and where they keep what they find.
struct Fuzzers {
    built: PathBuf,
    target: PathBuf,
}

impl Fuzzers {
    async fn build() -> Outcome<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let target = root().join(target).join("fuzz");
        fs::create_dir_all(&target)?;
        same_versions(&target)?;
        let host = nightly(&["rustc", "--version", "--verbose"]).await?;
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?.to_owned();
        let tool = root().join("interop/.tools/cargo/bin/cargo-fuzz");
        let (tool, folder) = (tool.to_string_lossy().into_owned(), target.to_string_lossy().into_owned());
        // All is safe Rust, in which a sanitizer finds nothing, and without one the build is quick.
        let build = [&tool, "fuzz", "build", "--fuzz-dir", "fuzz", "--sanitizer", "none"];
        nightly(&[&build[..], &["--target", &host, "--target-dir", &folder]].concat()).await?;
        Ok(Self { built: target.join(host).join("release"), target })
    }

    fn command(&self, target: &str) -> Outcome<Command> {
        let found = self.folder(target, "found");
        // What an earlier run found has been told.
        let _absent = fs::remove_dir_all(&found);
        fs::create_dir_all(&found)?;
        let corpus = self.folder(target, "corpus");
        fs::create_dir_all(&corpus)?;
        let mut command = Command::new(self.built.join(target));
        command.arg(corpus).arg(root().join("fuzz/seeds").join(target));
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.arg(format!("-max_total_time={}", TIME.as_secs()));
        command.args(["-timeout=10", "-max_len=4096", "-print_final_stats=1"]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    fn folder(&self, target: &str, kind: &str) -> PathBuf {
        self.target.join(kind).join(target)
    }
}

/// Plays one target; returns a line on how often it ran, or the input that broke it.
async fn run(target: &str, mut command: Command, found: PathBuf) -> Outcome<String> {
    let output = command.output().await.map_err(|e| format!("{target} does not start: {e}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let stat = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let runs = stat("stat::number_of_executed_units:").unwrap_or(0);
    if output.status.success() && runs >= LEAST {
        return Ok(format!("{target}: {runs} runs"));
    }
    let inputs = fs::read_dir(found)?.flatten().map(|file| Ok(fs::read(file.path())?.escape_ascii().to_string()));
    let inputs: Vec<String> = inputs.collect::<Outcome<_>>()?;
    let end: Vec<&str> = told.lines().rev().take(40).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    Err(format!("{target} ended with {} after {runs} runs; inputs: {inputs:?}\n{}", output.status, end.join("\n"))
        .into())
}

/// Has the fuzzers built with the versions that the program is built with.
fn same_versions(target: &Path) -> Outcome {
    let versions = fs::read(root().join("Cargo.lock"))?;
    let (mark, used) = (target.join("Cargo.lock"), root().join("fuzz/Cargo.lock"));
    // Cargo adds to the copy what the fuzzers alone need, and needs the network for that.
    if !used.exists() || fs::read(&mark).ok().as_ref() != Some(&versions) {
        fs::write(used, &versions)?;
        fs::write(mark, versions)?;
    }
    Ok(())
}

/// Runs a program of the nightly toolchain, or one that runs such programs, and returns what it printed.
async fn nightly(program: &[&str]) -> Outcome<String> {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(program).current_dir(root()).stdin(Stdio::null()).kill_on_drop(true);
    // They name the toolchain that runs us.
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    let output = command.output().await.map_err(|e| format!("cannot run rustup: {e}"))?;
    if !output.status.success() {
        return Err(
            format!("{program:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The targets, as `fuzz/Cargo.toml` has them.
const TARGETS: &[&str] = &["lines", "events", "envelope", "headers"];

/// How long each runs.
const TIME: Duration = Duration::from_secs(60);

/// A fuzzer that runs less often looks for nothing.
const LEAST: u64 = 10_000;

/// How long all may take, with the build on a small machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);

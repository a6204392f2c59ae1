//! `cargo xtask check`: every check that needs no run of the program.

mod dependencies;
pub(crate) mod generated;
mod protocol;
mod sources;
pub(crate) mod tests_ran;

use std::time::Instant;

use crate::programs::{Outcome, cargo, succeed};

/// Runs the named steps, or all of them; goes on after a failure, so that one run tells everything.
pub(crate) fn run(names: &[&str]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|step| step.0 == **name)) {
        let known: Vec<_> = STEPS.iter().map(|step| step.0).collect();
        return Err(format!("there is no step `{unknown}`; the steps are {}", known.join(", ")).into());
    }
    let mut failed = Vec::new();
    for (name, meaning, step) in STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.0)) {
        println!("check {name}: {meaning}");
        let start = Instant::now();
        match step() {
            Ok(()) => println!("check {name}: ok, {:.1} s", start.elapsed().as_secs_f32()),
            Err(error) => {
                println!("check {name}: FAILED\n{error}");
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let alone: Vec<_> = failed.iter().map(|name| format!("    cargo xtask check {name}")).collect();
    Err(format!("\n{} failed. To run what failed alone:\n{}", failed.join(", "), alone.join("\n")).into())
}

type Step = (&'static str, &'static str, fn() -> Outcome);

/// The quick ones first.
const STEPS: &[Step] = &[
    ("format", "sources are formatted", || {
        succeed(&mut cargo(&["fmt", "--all", "--check"]))?;
        succeed(&mut cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
    }),
    ("members", "every member takes the lints of the workspace", sources::members_take_the_lints),
    ("sizes", "no source passes 400 lines", sources::sizes),
    ("protocol", "every line of docs/protocol.md has its test", protocol::lines_have_tests),
    ("clap", "the library alone compiles no clap", dependencies::library_without_clap),
    ("clippy", "no warning, in all targets", || {
        succeed(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("ring", "the library builds on ring alone", || {
        let features = ["--no-default-features", "--features", "ring"];
        let ring = [&["clippy", "--package", "mcp-mtls-core"], &features[..], &["--", "-D", "warnings"]].concat();
        succeed(&mut cargo(&ring))
    }),
    ("doc", "the documentation builds without a warning", || {
        succeed(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("rooms", "a room names only the rooms under it", || {
        succeed(&mut cargo(&["test", "--quiet", "--package", "mcp-mtls-core", "--test", "it", "rooms"]))
    }),
    ("generated", "generated files are up to date", generated::check),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_step_is_an_error_that_names_the_known() {
        let told = run(&["format", "typo"]).map_err(|error| error.to_string());
        assert!(
            matches!(&told, Err(e) if e.starts_with("there is no step `typo`") && e.contains("clippy, ring")),
            "{told:?}"
        );
    }
}

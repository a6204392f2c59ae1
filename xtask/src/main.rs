//! What this repository does for itself: `cargo xtask check`, `test-ran`, `generate`, `interop`, `soak` and `bench`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask talks to a developer's terminal, and no other program reads its standard output"
)]

mod bench;
mod check;
mod interop;
mod programs;
mod soak;

use std::env;
use std::process::ExitCode;

use programs::Outcome;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["check", steps @ ..] => check::run(steps),
        ["test-ran", log] => check::tests_ran::run(log),
        ["generate"] => check::generated::write(),
        ["interop", names @ ..] => interop::run(names),
        [interop::dead_network::INSIDE, args @ ..] => interop::dead_network::inside(args),
        ["soak", options @ ..] => soak::run(options),
        ["bench", options @ ..] => bench::run(options),
        [bench::SERVER, options @ ..] => bench::server::run(options),
        [bench::ONCE, options @ ..] => bench::once::run(options),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Outcome::Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "\
cargo xtask check [STEP ...]     everything that can be checked without running the program
cargo xtask test-ran LOG         whether the tests of every member ran, from the output of `cargo test`
cargo xtask generate             writes the generated files
cargo xtask interop [WORD ...]   the release binary with real peers; only the cases with these words in their names
cargo xtask soak [--minutes N] [--seed S]   hosts and servers of every kind for 10 minutes, with trouble all the time
cargo xtask bench [--quick] [LETTER ...]   the figures of the README, side by side with a direct client";

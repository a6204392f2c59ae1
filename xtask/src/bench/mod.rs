//! `cargo xtask bench`: what the bridge costs, beside a direct client and curl, measured in one run.

mod bridge;
mod calls;
mod direct;
mod large;
mod memory;
pub(crate) mod once;
mod progress;
pub(crate) mod server;
mod start;
mod table;

use std::path::PathBuf;
use std::process::Command;

use crate::programs::{Outcome, release_binary, succeed};
use server::Peer;
use table::Table;

/// Measures what the letters name (all, without any) and prints the table.
pub(crate) fn run(options: &[&str]) -> Outcome {
    if cfg!(debug_assertions) {
        // The direct client and the server are in this program, and must be as fast as they can be.
        return succeed(Command::new(release_binary("xtask")?).arg("bench").args(options));
    }
    let quick = options.contains(&"--quick");
    let letters: Vec<&str> = options.iter().copied().filter(|option| *option != "--quick").collect();
    if let Some(unknown) = letters.iter().find(|letter| !PARTS.iter().any(|part| part.0 == **letter)) {
        return Err(format!("there is no part `{unknown}`; the parts are the letters a to i, and --quick").into());
    }
    let bench = Bench { binary: release_binary("mcp-mtls")?, quick };

    let mut table = Table::default();
    for (letter, part) in PARTS.iter().filter(|part| letters.is_empty() || letters.contains(&part.0)) {
        eprintln!("measuring {letter} ...");
        part(&bench, &mut table)?;
    }
    print!("{table}");
    Ok(())
}

/// What every part works with.
struct Bench {
    binary: PathBuf,
    quick: bool,
}

impl Bench {
    /// How many of something: fewer when it shall be quick.
    fn count(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(5) } else { full }
    }

    /// A fresh server that speaks this HTTP and answers in this way.
    fn peer(http: Http, answers: Answers) -> Outcome<Peer> {
        Peer::start(http, answers)
    }
}

/// The versions of HTTP that are measured, each alone by ALPN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http {
    One,
    Two,
}

impl Http {
    const BOTH: [Self; 2] = [Self::One, Self::Two];

    fn alpn(self) -> &'static str {
        match self {
            Self::One => "http/1.1",
            Self::Two => "h2",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::One => "HTTP/1.1",
            Self::Two => "HTTP/2",
        }
    }

    fn named(alpn: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|http| http.alpn() == alpn)
    }
}

/// The two ways in which a server answers a POST.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    Json,
    Sse,
}

impl Answers {
    const BOTH: [Self; 2] = [Self::Json, Self::Sse];

    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Sse => "SSE",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|answers| answers.name() == name)
    }
}

type Part = fn(&Bench, &mut Table) -> Outcome;

const PARTS: &[(&str, Part)] = &[
    ("a", start::measure),
    ("b", calls::latency),
    ("c", calls::cpu),
    ("d", memory::measure),
    ("e", calls::throughput),
    ("f", large::measure),
    ("g", calls::handshakes),
    ("h", memory::size),
    ("i", progress::measure),
];

/// The first argument by which we start ourselves as the server.
pub(crate) const SERVER: &str = "bench-server";

/// The first argument by which we start ourselves as a bare client of one request.
pub(crate) const ONCE: &str = "bench-once";

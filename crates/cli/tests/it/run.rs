//! Runs the binary, and makes what it says comparable.

#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

use std::path::Path;
use std::process::{Command, Stdio};

/// What one run of the binary gave.
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `mcp-mtls` with these arguments in this folder, without a terminal.
pub(crate) fn mcp_mtls(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    Outcome {
        status: output.status.code().expect("the binary exits by itself"),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl Outcome {
    /// Stdout of a run that must succeed.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Stderr of a run that must fail with this status, and say nothing on stdout.
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{}", self.stderr);
        self.stderr
    }
}

/// The text without what differs from run to run: fingerprints, pins, serial numbers, random names and
/// dates. The distances of dates ("in 90 days") stay.
pub(crate) fn stable(text: &str) -> String {
    text.split_inclusive([' ', '\n', '"', ',']).map(stable_word).collect()
}

fn stable_word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '\n', '"', ',']);
    let rest = &word[bare.len()..];
    let is_hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hex = if is_hex { bare.len() } else { 0 };
    if bare.starts_with("sha256/") {
        return format!("[pin]{rest}");
    }
    if hex == 64 {
        return format!("[sha256]{rest}");
    }
    // The end of the name of a CA.
    if hex == 6 {
        return format!("[random]{rest}");
    }
    if (30..=40).contains(&hex) {
        return format!("[serial]{rest}");
    }
    let day = bare.get(..10).unwrap_or_default();
    let is_date = day.len() == 10
        && day.char_indices().all(|(at, c)| if matches!(at, 4 | 7) { c == '-' } else { c.is_ascii_digit() });
    if is_date { format!("[date]{rest}") } else { word.to_owned() }
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mcp-mtls");

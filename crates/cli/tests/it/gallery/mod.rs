//! The gallery: every failure by a real cause, as hosts, people and programs are told of it.
//!
//! A case stages a cause (files, handshakes, servers), runs the binary as a host does, and keeps what it says as a
//! snapshot, without what differs from run to run. What holds for all that is told stands in `rules.rs`.
//! `INSTA_UPDATE=always cargo test -p mcp-mtls --test it gallery` writes the snapshots anew.

#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

mod alerts;
mod case;
mod commands;
mod config;
mod files;
mod hostile;
mod hosts;
mod http;
mod keys;
mod network;
mod proxies;
mod refused;
mod rules;
mod run;
mod servers;
mod shown;
#[cfg(unix)]
mod spiffe;
mod stable;
#[cfg(feature = "pkcs11")]
mod tokens;
mod trust;
mod warned;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_mtls_core::error::Code;

#[test]
fn every_code_has_a_case() {
    let shown: BTreeSet<_> = snapshots().into_iter().map(|snapshot| snapshot.code).collect();
    for code in Code::ALL {
        assert!(shown.contains(code.as_str()), "no case of the gallery makes {code}");
    }
}

#[test]
fn every_snapshot_has_its_case() {
    let sources: String = files("rs", &folder()).iter().map(|path| read(path)).collect();
    for snapshot in snapshots() {
        assert!(sources.contains(&format!("\"{}\"", snapshot.name)), "no case is named {}", snapshot.name);
    }
}

/// A case as it was kept.
struct Snapshot {
    name: String,
    code: String,
}

fn snapshots() -> Vec<Snapshot> {
    let kept = files("snap", &folder().join("snapshots"));
    let code = |text: &str| text.lines().find_map(|line| line.strip_prefix("code: ")).map(str::to_owned);
    let snapshot = |path: &PathBuf| Snapshot {
        name: path.file_stem().expect("a file has a name").to_string_lossy().into_owned(),
        code: code(&read(path)).unwrap_or_else(|| panic!("{} names no code", path.display())),
    };
    kept.iter().map(snapshot).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gallery")
}

/// The files with this ending.
fn files(ending: &str, folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

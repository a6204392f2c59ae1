//! The demo, told and kept: every step is real, and nothing stays behind.
#![expect(clippy::unwrap_used, reason = "a helper of tests panics as a test does")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use insta::assert_snapshot;

use crate::run::{BINARY, mcp_mtls, stable};

/// Containers often run without a umask.
#[cfg(unix)]
#[test]
fn without_a_umask_nobody_else_can_write_where_keys_are() {
    use std::os::unix::fs::MetadataExt as _;

    let dir = tempfile::tempdir().unwrap();
    let script = r#"umask 000; "$0" demo --keep kept && "$0" demo && "$0" certs ca --out made/deep"#;
    let run = Command::new("sh").args(["-c", script, BINARY]).current_dir(dir.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    for folder in ["kept", "kept/stranger", "made", "made/deep"] {
        let mode = std::fs::metadata(dir.path().join(folder)).unwrap().mode();
        assert_eq!(mode & 0o022, 0, "{folder}: {mode:o}");
    }
}

#[test]
fn the_demo_tells_its_story() {
    let dir = tempfile::tempdir().unwrap();
    let told = mcp_mtls(dir.path(), &["demo", "--keep", "kept"]).succeeded();
    assert!(told.lines().all(|line| line.chars().count() <= 80 || line.contains("stranger")), "{told}");
    let kept = dir.path().join("kept");
    // Where a message is wrapped depends on the length of the folder's name.
    assert_snapshot!(unwrapped(&without_times(&stable(&told), &kept)), @r"
    An MCP server demands client certificates, and MCP hosts have none to show.
    mcp-mtls stands between them.

     1 made a CA, a server certificate and a client certificate
         client: CN=alice
         SHA-256 [sha256]

     2 started an MCP server that demands a certificate of this CA
         https://localhost:[port]/mcp

     3 started `mcp-mtls connect` with it, as a host does: initialize
         answered by mcp-mtls-demo 0.1.0

     4 tools/list
         add, echo, whoami

     5 tools/call whoami: the server verified this very certificate
         CN=alice
         SHA-256 [sha256]

     6 closed stdin: `mcp-mtls connect` has ended

     7 the same without a certificate: refused
         the server says: peer sent no certificates
         the host shows:
           localhost:[port] requires a client certificate. Set `cert` and `key` (--cert and --key) to your client certificate and its private key.

     8 the same with a certificate of another CA: refused
         the server says: invalid peer certificate: UnknownIssuer
         the host shows:
           localhost:[port] refused the client certificate (unknown_ca). Use a certificate of a CA that the server accepts.

    Every step came out as it should.

    The files are in [kept].
    ");
    for file in ["ca.pem", "localhost.pem", "alice.pem", "alice.key", "stranger/alice.pem"] {
        assert!(kept.join(file).is_file(), "{file}");
    }
}

#[test]
fn the_certificate_that_the_server_verified_is_the_one_that_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let told = mcp_mtls(dir.path(), &["demo", "--keep", "kept"]).succeeded();
    let shown = mcp_mtls(dir.path(), &["certs", "show", "--json", "kept/alice.pem"]).succeeded();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let fingerprint = shown["files"][0]["certificates"][0]["sha256"].as_str().unwrap();
    assert_eq!(told.matches(fingerprint).count(), 2, "{told}");
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let output = demo(dir.path(), &[]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_does_not_overwrite_what_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    mcp_mtls(dir.path(), &["demo", "--keep", "kept"]).succeeded();
    let refused = mcp_mtls(dir.path(), &["demo", "--keep", "kept"]);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("code: file-exists"), "{}", refused.stderr);
}

#[cfg(unix)]
#[test]
fn a_server_that_stays_can_be_reached_until_it_is_told_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Killed(demo(dir.path(), &["--serve"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("Then ask your agent")).collect();
    let entry = told.join("\n");
    let add: Vec<_> = entry.split_whitespace().skip_while(|word| *word != "add").collect();
    assert!(add.starts_with(&["add", "demo"]) && add.contains(&"--install"), "{entry}");
    let entry = &entry[entry.find("{\n  \"mcpServers\"").expect("the entry for other hosts")..];
    let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
    let entry = &entry["mcpServers"]["demo"];

    let arguments: Vec<&str> = entry["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(entry["command"], BINARY);
    assert!(arguments[2..].iter().step_by(2).eq(&["--cert", "--key", "--ca"]), "{arguments:?}");
    let whoami = ask_whoami(entry["command"].as_str().unwrap(), &arguments);
    assert_eq!(whoami["subject"], "CN=alice");

    rustix::process::kill_process(rustix::process::Pid::from_child(&child.0), rustix::process::Signal::INT).unwrap();
    assert!(child.0.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// What a host would do with the entry.
#[cfg(unix)]
fn ask_whoami(command: &str, arguments: &[&str]) -> serde_json::Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut host = mcp_mtls_testkit::Host::builder(Path::new(command)).args(arguments).spawn();
        host.initialize("2025-06-18").await;
        let answer = host.call("whoami", serde_json::json!({})).await;
        answer["result"]["structuredContent"].clone()
    })
}

/// The demo with a temporary folder of its own, in which leftovers are seen.
fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("demo").args(arguments).env("TMPDIR", temporary).env("TMP", temporary).stdin(Stdio::null());
    command
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The story without its times, ports and folders.
fn without_times(text: &str, folder: &Path) -> String {
    let text = text.replace(&*folder.to_string_lossy(), "[kept]");
    let lines = text.lines().map(|line| {
        let line = line.trim_end();
        let words: Vec<&str> = line.split(' ').collect();
        let bare = match words.as_slice() {
            [most @ .., number, "ms" | "s"] if number.parse::<f64>().is_ok() => most.join(" ").trim_end().to_owned(),
            _ => line.to_owned(),
        };
        without_port(&bare)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Each message that a host shows as one line.
fn unwrapped(text: &str) -> String {
    text.replace("\n       ", " ").replace("the host shows: ", "the host shows:\n       ")
}

fn without_port(line: &str) -> String {
    let Some((before, after)) = line.split_once("localhost:") else { return line.to_owned() };
    format!("{before}localhost:[port]{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

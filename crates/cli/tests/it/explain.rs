//! `mcp-mtls explain`, as people and programs meet it.

use insta::assert_snapshot;
use serde_json::Value;

use crate::run::{Outcome, mcp_mtls};

#[test]
fn a_code_is_explained() {
    assert_snapshot!(explain(&["not-plain"]).succeeded(), @r#"
    not-plain

      The port speaks TLS, the URL says `http`.

      Side: ours; whoever runs mcp-mtls can mend it.

    What happened

      A plain request was sent to a TLS port on this machine's loopback, and the
      server said so: nginx with HTTP 400 "The plain HTTP request was sent to HTTPS
      port". URLs with `http://` are used for loopback alone.

    Why

      - The URL has the wrong scheme. By far the likeliest.
      - The server was changed to TLS, and the entry has the old URL.

    What to do

      1. Write `https://` in `url`.
      2. Then set `ca`, if its certificate is of a private CA, and `cert` and `key`,
         if it asks for one.

    See also

      not-tls, server-issuer-unknown, docs/guide/certificates.md
    "#);
}

#[test]
fn without_a_code_all_are_listed() {
    let list = explain(&[]).succeeded();
    assert!(list.contains("\n  key-mismatch "), "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert_snapshot!(list.lines().take(6).collect::<Vec<_>>().join("\n"), @r"
    The command line and the configuration
      usage-invalid                     The command line asks for something that
                                        does not exist or does not fit together.
      config-unreadable                 The configuration file is not there, or
                                        cannot be read.
      config-syntax                     The configuration file is not JSON with
    ");
}

#[test]
fn an_unknown_code_was_asked_wrongly_and_the_nearest_is_told() {
    assert_snapshot!(explain(&["key-missmatch"]).failed(2), @r"
    error: There is no code “key-missmatch”
      fix: Did you mean `key-mismatch`?
           `mcp-mtls explain` lists all codes.
     code: usage-invalid (mcp-mtls explain usage-invalid)
    ");
    assert_snapshot!(explain(&["mismatch"]).failed(2), @r"
    error: There is no code “mismatch”
      fix: Did you mean one of these: key-mismatch, server-name-mismatch,
           server-id-mismatch, pin-mismatch?
           `mcp-mtls explain` lists all codes.
     code: usage-invalid (mcp-mtls explain usage-invalid)
    ");
    let told = explain(&["\u{1b}[2Jno"]).failed(2);
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn programs_get_json() {
    let page = json(&explain(&["crl-stale", "--json"]).succeeded());
    assert_eq!((page["code"].as_str(), page["side"].as_str()), (Some("crl-stale"), Some("ours")));
    assert!(page["page"].as_str().unwrap().starts_with("# crl-stale\n"), "{page}");

    let list = json(&explain(&["--json"]).succeeded());
    let codes = list["codes"].as_array().unwrap();
    assert!(codes.len() > 90 && codes.iter().all(|code| code["summary"].as_str().unwrap().ends_with('.')), "{list}");

    let wrong = explain(&["key-missmatch", "--json"]);
    assert_eq!(wrong.status, 2);
    assert_eq!(json(&wrong.stdout)["error"]["code"], "usage-invalid");
}

#[test]
fn what_a_failure_says_of_its_code_can_be_run() {
    let told = mcp_mtls(std::env::temp_dir().as_path(), &["certs", "show", "not-there.pem"]).failed(1);
    let (_, command) = told.split_once("(mcp-mtls ").unwrap();
    let words: Vec<_> = command.split(')').next().unwrap().split(' ').collect();
    let page = mcp_mtls(std::env::temp_dir().as_path(), &words).succeeded();
    assert!(page.starts_with("file-unreadable\n"), "{page}");
}

fn explain(arguments: &[&str]) -> Outcome {
    mcp_mtls(std::env::temp_dir().as_path(), &[&["explain"], arguments].concat())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[cfg(target_os = "linux")]
#[test]
fn what_has_no_room_is_no_success() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-mtls"));
    let output = command.args(["explain", "not-plain"]).stdout(full).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: Not all of the answer could be written to stdout\n"), "{told}");
}

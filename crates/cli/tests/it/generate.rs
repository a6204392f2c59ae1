//! `mcp-mtls generate`, as packagers and editors meet it.

use insta::assert_snapshot;
use serde_json::Value;

use crate::run::{Outcome, mcp_mtls};

#[test]
fn each_shell_gets_its_script_on_stdout() {
    for (shell, begins) in [
        ("bash", "_mcp__mtls() {"),
        ("zsh", "#compdef mcp-mtls"),
        ("fish", "# Print an optspec"),
        ("powershell", "\nusing namespace"),
        ("elvish", "\nuse builtin;"),
    ] {
        let run = generate(&["completions", shell]);
        assert_eq!(run.stderr, "");
        let script = run.succeeded();
        assert!(script.starts_with(begins) && script.ends_with('\n'), "{shell}: {}", &script[..80]);
        assert!(script.contains("pkcs11-module"), "{shell}");
    }
    assert!(generate(&["completions", "csh"]).failed(2).contains("possible values: bash,"));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = generate(&["man"]).succeeded();
    assert!(page.contains("\n.TH mcp-mtls 1 ") && page.contains("mcp\\-mtls\\-connect(1)"), "{page}");
    let page = generate(&["man", "certs", "show"]).succeeded();
    assert!(page.contains("\n.TH mcp-mtls-certs-show 1 ") && page.contains("\\fBmcp\\-mtls certs show\\fR"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("man1");
    generate(&["man", "--all", into.to_str().unwrap()]).succeeded();
    let written = std::fs::read_to_string(into.join("mcp-mtls-certs-show.1")).unwrap();
    assert_eq!(written.trim_end(), page.trim_end());
    let names = std::fs::read_dir(&into).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.collect();
    assert!(names.contains(&"mcp-mtls.1".to_owned()) && names.len() > 20, "{names:?}");
    assert!(!names.iter().any(|name| name.contains("hosts") || name.contains("help")), "{names:?}");
    assert_snapshot!(generate(&["man", "conect"]).failed(2), @r"
    error: There is no command “conect”
      fix: `mcp-mtls --help` lists the commands.
     code: usage-invalid (mcp-mtls explain usage-invalid)
    ");
}

#[test]
fn a_schema_is_of_our_file_unless_it_is_asked_of_opencodes() {
    let schema = |words: &[&str]| -> Value {
        serde_json::from_str(&generate(&[&["schema"], words].concat()).succeeded()).unwrap()
    };
    assert_eq!(schema(&[])["title"], "mcp-mtls configuration");
    assert_eq!(schema(&["config"]), schema(&[]));
    let theirs = schema(&["opencode"]);
    assert_eq!(theirs["properties"]["model"]["$ref"], "https://opencode.ai/config.json#/$defs/Config/properties/model");
    assert_eq!(theirs["$defs"]["TlsSettings"], schema(&[])["$defs"]["TlsSettings"]);
}

fn generate(words: &[&str]) -> Outcome {
    mcp_mtls(&std::env::temp_dir(), &[&["generate"], words].concat())
}

//! Configuration and command lines that cannot be used.

use mcp_mtls_core::error::{Code, Side};

use super::case::{all, case, path};
use super::run::host;

const TOKEN: &str = "tok-4711-of-alice";
const URL: &str = "https://mcp.example/mcp";

/// A configuration file.
async fn of_file(name: &'static str, code: Code, text: &str) {
    let mut case = case(name, code, Side::Ours);
    let host = case.configuration(text);
    case.refused("in a file", host).await;
    case.end();
}

/// An entry of a configuration file.
async fn of_entry(name: &'static str, code: Code, entry: &str) {
    of_file(name, code, &format!("{{\n  \"mcp\": {{\n    \"corp\": {entry}\n  }}\n}}")).await;
}

/// A command line.
async fn of_flags(name: &'static str, code: Code, arguments: &[&str], secrets: &[&str]) {
    let mut case = case(name, code, Side::Ours);
    for secret in secrets {
        case.secret(secret);
    }
    case.refused("as flags", host(arguments)).await;
    case.end();
}

#[tokio::test]
async fn no_file_at_all() {
    of_flags("config-missing", Code::ConfigUnreadable, &["corp"], &[]).await;
}

#[tokio::test]
async fn a_file_that_is_not_there() {
    let arguments = ["corp", "--config", "/no/such/config.jsonc"];
    of_flags("config-file-missing", Code::ConfigUnreadable, &arguments, &[]).await;
}

#[tokio::test]
async fn a_url_without_its_scheme() {
    of_flags("config-url-for-a-name", Code::ConfigNoSuchEntry, &["mcp.example:8443/mcp"], &[]).await;
}

#[tokio::test]
async fn text_that_is_no_json() {
    let text = "{\n  \"mcp\": {\n    \"corp\": { \"url\": \"https://mcp.example\"\n  }\n";
    let texts = [
        ("config-syntax", text),
        ("config-no-object", "[]"),
        ("config-empty", ""),
        ("config-single-quotes", "{ 'mcp': {} }"),
    ];
    all(texts, |(name, text)| of_file(name, Code::ConfigSyntax, text)).await;
}

#[tokio::test]
async fn bytes_that_are_no_text() {
    let mut case = case("config-not-utf8", Code::ConfigSyntax, Side::Ours);
    let config = case.file("config.jsonc", b"{ \"mcp\": \"\xff\" }");
    case.refused("in a file", host(["corp", "--config", &config])).await;
    case.end();
}

#[tokio::test]
async fn keys_that_are_unknown() {
    let texts = [
        ("config-unknown-key", r#""tls": { "certificate": "a.pem" }"#),
        ("config-foreign-key", r#""tls": { "fingerprint": "abc" }"#),
        ("config-unknown-switch", r#""tls": { "rejectUnauthorized": false }"#),
        ("config-misspelt-key", r#""tls": { "passfrase": "{env:PASS}" }"#),
    ];
    all(texts, |(name, text)| async move {
        of_entry(name, Code::ConfigUnknownKey, &format!("{{ \"url\": \"{URL}\", {text} }}")).await;
    })
    .await;
}

#[tokio::test]
async fn a_file_without_servers() {
    of_file("config-no-map", Code::ConfigUnknownKey, r#"{ "serverz": {} }"#).await;
}

#[tokio::test]
async fn values_of_the_wrong_kind_or_form() {
    let entries = [
        ("config-wrong-kind", r#"{ "url": 1 }"#.to_owned()),
        ("config-wrong-type", format!(r#"{{ "url": "{URL}", "type": 1 }}"#)),
        ("config-wrong-transport", format!(r#"{{ "url": "{URL}", "type": "websocket" }}"#)),
        ("config-no-url", "{}".to_owned()),
        ("config-wrong-url", r#"{ "url": "mcp.example/mcp" }"#.to_owned()),
        ("config-wrong-scheme", r#"{ "url": "ftp://mcp.example/mcp" }"#.to_owned()),
        ("config-wrong-timeout", format!(r#"{{ "url": "{URL}", "timeout": 0 }}"#)),
        ("config-wrong-header", format!(r#"{{ "url": "{URL}", "headers": {{ "Content-Length": "1" }} }}"#)),
        ("config-wrong-pin", format!(r#"{{ "url": "{URL}", "tls": {{ "pins": ["abc"] }} }}"#)),
        ("config-wrong-server-name", format!(r#"{{ "url": "{URL}", "tls": {{ "serverName": "a b" }} }}"#)),
        ("config-wrong-min-version", format!(r#"{{ "url": "{URL}", "tls": {{ "minVersion": "1.1" }} }}"#)),
        ("config-exec-of-another-kind", format!(r#"{{ "url": "{URL}", "tls": {{ "exec": 1 }} }}"#)),
        ("config-wrong-exec", format!(r#"{{ "url": "{URL}", "tls": {{ "exec": [] }} }}"#)),
    ];
    all(entries, |(name, entry)| async move { of_entry(name, Code::ConfigInvalidValue, &entry).await }).await;
}

#[tokio::test]
async fn a_url_without_tls_to_another_machine() {
    of_flags("config-http-abroad", Code::ConfigInvalidValue, &["http://mcp.example/mcp"], &[]).await;
}

#[tokio::test]
async fn settings_that_exclude_each_other() {
    let entries = [
        ("config-conflict", r#"{ "url": "http://localhost:1/", "tls": { "cert": "a.pem" } }"#.to_owned()),
        ("config-key-alone", format!(r#"{{ "url": "{URL}", "tls": {{ "key": "a.key" }} }}"#)),
        ("config-passphrase-alone", format!(r#"{{ "url": "{URL}", "tls": {{ "passphrase": "{{env:PASS}}" }} }}"#)),
        ("config-exec-and-cert", format!(r#"{{ "url": "{URL}", "tls": {{ "exec": ["a"], "cert": "a.pem" }} }}"#)),
        ("config-local-server", r#"{ "command": ["node", "server.js"] }"#.to_owned()),
        ("config-set-twice", format!(r#"{{ "url": "{URL}", "url": "{URL}" }}"#)),
    ];
    all(entries, |(name, entry)| async move { of_entry(name, Code::ConfigConflict, &entry).await }).await;
}

#[tokio::test]
async fn an_entry_that_is_not_there() {
    let text = format!(r#"{{ "mcp": {{ "corp2": {{ "url": "{URL}" }}, "intranet": {{ "url": "{URL}" }} }} }}"#);
    of_file("config-no-such-entry", Code::ConfigNoSuchEntry, &text).await;
}

#[tokio::test]
async fn an_entry_that_is_disabled() {
    of_entry("config-disabled", Code::ConfigDisabled, &format!(r#"{{ "url": "{URL}", "enabled": false }}"#)).await;
}

#[tokio::test]
async fn references_that_give_nothing() {
    let references = [
        ("reference-to-no-variable", "{env:MCP_TOKEN}"),
        ("reference-to-no-file", "{file:/no/such/token}"),
        ("reference-to-no-program", "{command:/no/such/program}"),
        ("reference-to-a-program-that-fails", "{command:false}"),
    ];
    all(references, |(name, reference)| async move {
        let entry = format!(r#"{{ "url": "{URL}", "headers": {{ "Authorization": "Bearer {reference}" }} }}"#);
        of_entry(name, Code::ReferenceUnresolved, &entry).await;
    })
    .await;
}

#[tokio::test]
async fn secrets_in_arguments() {
    let header = format!("Authorization: Bearer {TOKEN}");
    of_flags("secret-in-header", Code::SecretInArguments, &[URL, "-H", &header], &[TOKEN]).await;
}

#[tokio::test]
async fn a_passphrase_in_arguments() {
    let passphrase = ["--cert", "a.pem", "--passphrase", "correct horse"];
    let arguments = [&[URL], &passphrase[..]].concat();
    of_flags("secret-in-passphrase", Code::SecretInArguments, &arguments, &["correct horse"]).await;
}

#[tokio::test]
async fn command_lines_that_cannot_be_understood() {
    let lines: [(_, &[&str]); 5] = [
        ("usage-unknown-flag", &["corp", "--crt", TOKEN]),
        ("usage-without-name", &[]),
        ("usage-two-names", &["corp", TOKEN]),
        ("usage-wrong-value", &["corp", "--timeout", TOKEN]),
        ("usage-url-and-file", &[URL, "--config", "/x.jsonc"]),
    ];
    all(lines, |(name, line)| async move { of_flags(name, Code::UsageInvalid, line, &[TOKEN]).await }).await;
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written() {
    let mut case = case("log-file-unwritable", Code::FileUnwritable, Side::Ours);
    let file = path(&case.pki.dir().join("no/such/folder/mcp.log"));
    case.refused("as a flag", host([URL, "--log-file", &file])).await;
    case.end();
}

/// A file of the user and one of a cloned repository, each with an entry `corp`.
async fn of_project(name: &'static str, code: Code, own: Option<&str>, theirs: &str) {
    let mut case = case(name, code, Side::Ours);
    let entry = |entry: &str| format!("{{\n  \"mcp\": {{\n    \"corp\": {entry}\n  }}\n}}");
    std::fs::create_dir_all(case.pki.dir().join("clone/.git")).expect("a folder");
    case.file("clone/opencode.json", entry(theirs));
    if let Some(own) = own {
        std::fs::create_dir_all(case.pki.dir().join(".config/opencode")).expect("a folder");
        case.file(".config/opencode/opencode.json", entry(own));
    }
    // Some systems have their temporary folder behind a link.
    case.hide("/private[dir]", "[dir]");
    let home = case.pki.dir().to_owned();
    let clone = path(&home.join("clone"));
    let run = host(["corp", "--opencode", &clone]).home(&home).env("OPENCODE_TEST_MANAGED_CONFIG_DIR", "/nonexistent");
    case.refused("of a project", run).await;
    case.end();
}

#[tokio::test]
async fn an_entry_of_a_project() {
    let entry = format!(r#"{{ "type": "remote", "url": "{URL}", "tls": {{ "exec": ["./print.sh"] }} }}"#);
    of_project("project-not-trusted", Code::ProjectNotTrusted, None, &entry).await;
}

#[tokio::test]
async fn a_project_that_changes_an_entry() {
    let own = format!(r#"{{ "type": "remote", "url": "{URL}", "tls": {{ "cert": "alice.pem" }} }}"#);
    let theirs = r#"{ "type": "remote", "url": "https://other.example/mcp" }"#;
    of_project("project-changes-entry", Code::ProjectChangesEntry, Some(&own), theirs).await;
}

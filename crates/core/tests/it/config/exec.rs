//! The program of `exec`: how it is written, and every way in which that is refused.

use std::path::Path;

use insta::assert_snapshot;
use mcp_mtls_core::config::{Endpoint, Entry, EntrySettings, find};
use mcp_mtls_core::secret::Secret;

use super::{Folder, entry, refused, told, with};

/// The program and its arguments.
fn words(endpoint: &Endpoint) -> (&Path, Vec<&str>) {
    let program = endpoint.tls.exec.as_ref().expect("a program");
    (&program.path, program.arguments.iter().map(Secret::expose).collect())
}

/// The flag as the command line gives it.
fn flag(line: &str) -> EntrySettings {
    let mut settings = EntrySettings::default();
    settings.tls.get_or_insert_default().exec = Some(line.parse().expect("it never fails"));
    settings
}

#[test]
fn a_list_in_a_file_and_a_line_on_the_command_line() {
    let endpoint = entry(r#""tls": { "exec": ["vault-cert", "--role", "an agent", "$HOME;"] }"#).unwrap();
    assert_eq!(words(&endpoint), (Path::new("vault-cert"), vec!["--role", "an agent", "$HOME;"]));
    let entry = Entry::from_flags("https://corp.example/", flag("vault-cert --role 'an agent' $HOME;"));
    let endpoint = entry.resolve().unwrap();
    assert_eq!(words(&endpoint), (Path::new("vault-cert"), vec!["--role", "an agent", "$HOME;"]));
    assert_eq!(endpoint.tls.exec.unwrap().origin.to_string(), "--exec on the command line");
}

#[test]
fn a_path_is_relative_to_the_file_and_a_name_is_left_to_path() {
    let folder = Folder::new();
    let endpoint = folder.resolve(with(r#""tls": { "exec": ["bin/vault-cert", "./x"] }"#)).unwrap();
    assert_eq!(words(&endpoint), (&*folder.path().join("bin/vault-cert"), vec!["./x"]));
    let here = std::env::current_dir().unwrap();
    let config = folder.write("config.jsonc", with(r#""tls": { "exec": ["bin/vault-cert"] }"#));
    let entry = find("corp", Some(&config)).unwrap().overridden(flag("bin/other"));
    assert_eq!(words(&entry.resolve().unwrap()), (&*here.join("bin/other"), vec![]));
}

#[test]
fn references_are_replaced_within_a_word_and_split_none() {
    let folder = Folder::new();
    folder.write("role", "an agent {env:HOME}\n");
    let endpoint = folder.resolve(with(r#""tls": { "exec": ["vault-cert", "--role={file:role}"] }"#)).unwrap();
    assert_eq!(words(&endpoint).1, ["--role=an agent {env:HOME}"]);
    assert!(!format!("{endpoint:?}").contains("an agent"), "an argument may be a secret");
}

#[test]
fn of_the_wrong_kind_or_without_a_program() {
    for (value, why) in [
        (r#""vault-cert --role agent""#, "why: It is text; a list of texts in quotation marks is expected."),
        (r#"["vault-cert", 1]"#, "why: It is a list; a list of texts in quotation marks is expected."),
        (r#"{ "command": "x" }"#, "why: It is an object; a list of texts in quotation marks is expected."),
    ] {
        let told = refused(with(&format!(r#""tls": {{ "exec": {value} }}"#)));
        assert!(told.starts_with("config-invalid-value:") && told.contains(why), "{told}");
    }
    for value in ["[]", r#"[""]"#] {
        let told = refused(with(&format!(r#""tls": {{ "exec": {value} }}"#)));
        assert!(told.starts_with("config-invalid-value: `exec` names no program"), "{told}");
    }
    let flags = |line: &str| {
        let entry = Entry::from_flags("https://corp.example/", flag(line));
        told(&entry.resolve().expect_err("it must be refused"))
    };
    assert_snapshot!(flags("vault-cert 'hunter2"), @"
    config-invalid-value: `exec` names no program
    at: --exec on the command line
    fix: Write --exec 'PROGRAM ARGUMENTS' and close its quotation marks. Words are split as a POSIX shell does, without expansion.
    ");
    assert_eq!(flags(""), flags("vault-cert 'hunter2"));
}

#[test]
fn beside_what_it_replaces_and_where_there_is_no_tls() {
    assert_snapshot!(refused(with(r#""tls": { "exec": ["a"], "cert": "b" }"#)), @"
    config-conflict: `exec` and `cert` cannot be used together
    at: [dir]/config.jsonc:3, mcp.corp.tls.exec
    at: [dir]/config.jsonc:3, mcp.corp.tls.cert
    why: The program prints the certificate and its key, unencrypted.
    fix: Keep one of them.
    ");
    for (keys, name) in
        [(r#""exec": ["a"], "key": "b""#, "key"), (r#""exec": ["a"], "passphrase": "{env:PATH}""#, "passphrase")]
    {
        let told = refused(with(&format!(r#""tls": {{ {keys} }}"#)));
        let what = format!("config-conflict: `exec` and `{name}` cannot be used together");
        assert!(told.starts_with(&what), "{told}");
    }
    let told = refused(r#"{ "mcp": { "corp": { "url": "http://localhost/mcp", "tls": { "exec": ["a"] } } } }"#);
    assert!(told.starts_with("config-conflict: TLS settings cannot be used with an http:// URL"), "{told}");
    let told = refused(r#"{ "mcp": { "corp": { "url": "http://localhost/mcp", "tls": { "spiffe": {} } } } }"#);
    assert!(told.starts_with("config-conflict: TLS settings cannot be used with an http:// URL"), "{told}");
    assert!(entry(r#""tls": { "exec": ["a"], "ca": "ca.pem", "systemRoots": false }"#).is_ok());
}

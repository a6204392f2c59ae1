//! Every way in which the file and its keys are refused: what, where, why, and what to do.

use insta::assert_snapshot;
use mcp_mtls_core::config::find;

use super::{Folder, entry, refused, with};

#[test]
fn unknown_key_of_tls() {
    assert_snapshot!(refused(with(r#""tls": { "crt": "me.pem" }"#)), @"
    config-unknown-key: `mcp.corp.tls.crt` is not a setting
    at: [dir]/config.jsonc:3, mcp.corp.tls.crt
    fix: Did you mean `cert`?
    ");
    assert_snapshot!(refused(with(r#""tls": { "fingerprint": "x" }"#)), @"
    config-unknown-key: `mcp.corp.tls.fingerprint` is not a setting
    at: [dir]/config.jsonc:3, mcp.corp.tls.fingerprint
    why: The settings here are `ca`, `cert`, `crl`, `exec`, `key`, `keyExchange`, `minVersion`, `passphrase`, `pins`, `pkcs11Module`, `serverName`, `spiffe` and `systemRoots`.
    fix: Rename it to the one of these that is meant; if none is, remove it.
    ");
}

#[test]
fn settings_that_are_not_built_yet() {
    assert_snapshot!(refused(with(r#""oauth": { "clientId": "x" }"#)), @"
    config-invalid-value: `mcp.corp.oauth` has a value of the wrong kind
    at: [dir]/config.jsonc:3, mcp.corp.oauth
    why: It is an object; false is expected.
    why: OAuth is not supported by this version.
    fix: Remove the key, or write false. A token you have can stand in `headers`.
    ");
    assert_snapshot!(refused(with(r#""oauth": true"#)), @"
    config-invalid-value: `mcp.corp.oauth` has a value of the wrong kind
    at: [dir]/config.jsonc:3, mcp.corp.oauth
    why: It is true; false is expected.
    why: OAuth is not supported by this version.
    fix: Remove the key, or write false. A token you have can stand in `headers`.
    ");
}

#[test]
fn a_certificate_that_a_misplaced_key_would_leave_out() {
    assert_snapshot!(refused(with(r#""cert": "me.pem", "key": "me.key""#)), @r#"
    config-unknown-key: `mcp.corp.cert` is not a setting
    at: [dir]/config.jsonc:3, mcp.corp.cert
    fix: Write it within `tls`: "tls": { "cert": … }.
    "#);
    assert_snapshot!(refused(with(r#""tsl": { "cert": "me.pem" }"#)), @"
    config-unknown-key: `mcp.corp.tsl` is not a setting
    at: [dir]/config.jsonc:3, mcp.corp.tsl
    fix: Did you mean `tls`?
    ");
    assert!(entry(r#""TLS": {}"#).is_err());
}

#[test]
fn values_of_the_wrong_kind() {
    for (keys, why) in [
        (r#""timeout": "5s""#, "It is text; a whole number, not negative, is expected."),
        (r#""timeout": -1"#, "It is a number; a whole number, not negative, is expected."),
        (r#""timeout": 1.5"#, "It is a number; a whole number, not negative, is expected."),
        (r#""enabled": "yes""#, "It is text; true or false is expected."),
        (r#""headers": ["A: b"]"#, "It is a list; an object of texts by name is expected."),
        (r#""headers": { "A": 7 }"#, "It is a number; text in quotation marks is expected."),
        (r#""proxy": {}"#, "It is an object; text in quotation marks is expected."),
        (r#""tls": true"#, "It is true; an object is expected."),
        (r#""tls": { "cert": ["me.pem"] }"#, "It is a list; text in quotation marks is expected."),
        (r#""tls": { "systemRoots": "false" }"#, "It is text; true or false is expected."),
    ] {
        let failure = entry(keys).unwrap_err();
        assert_eq!(
            (failure.code().as_str(), &failure.facts().why[..]),
            ("config-invalid-value", &[why.to_owned()][..]),
            "{keys}"
        );
    }
    assert_snapshot!(refused(with(r#""headers": { "A": "a", "X-Team": 7 }"#)), @"
    config-invalid-value: `mcp.corp.headers.X-Team` has a value of the wrong kind
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    why: It is a number; text in quotation marks is expected.
    fix: Write text in quotation marks.
    ");
    assert_snapshot!(refused(r#"{ "mcp": { "corp": "https://corp.example" } }"#), @"
    config-invalid-value: `mcp.corp` has a value of the wrong kind
    at: [dir]/config.jsonc:1, mcp.corp
    why: It is text; an object is expected.
    fix: Write an object.
    ");
    assert_snapshot!(refused(r#"{ "mcp": [] }"#), @"
    config-invalid-value: `mcp` has a value of the wrong kind
    at: [dir]/config.jsonc:1, mcp
    why: It is a list; an object of entries by name is expected.
    fix: Write an object of entries by name.
    ");
    assert_snapshot!(refused(with(r#""type": "local""#)), @r#"
    config-invalid-value: `mcp.corp.type` is not a transport known here
    at: [dir]/config.jsonc:3, mcp.corp.type
    why: That is a server which the host starts by itself; mcp-mtls connects to those with a URL.
    fix: Write "remote" if it has a URL.
    "#);
    assert_snapshot!(refused(with(r#""type": "streamable""#)), @r#"
    config-invalid-value: `mcp.corp.type` is not a transport known here
    at: [dir]/config.jsonc:3, mcp.corp.type
    fix: Write "remote", "http", "streamable-http" or "sse".
    "#);
}

#[test]
fn settings_that_do_not_go_together() {
    assert_snapshot!(refused(with(r#""tls": { "key": "me.key" }"#)), @"
    config-conflict: There is a key without a certificate
    at: [dir]/config.jsonc:3, mcp.corp.tls.key
    fix: Add the certificate as `cert`.
    ");
    assert_snapshot!(refused(with(r#""tls": { "systemRoots": false }"#)), @"
    config-conflict: Without the system's roots and without `ca` nothing is trusted
    at: [dir]/config.jsonc:3, mcp.corp.tls.systemRoots
    fix: Add `ca`, or remove `systemRoots`.
    ");
    assert_snapshot!(refused(with(r#""timeout": 0"#)), @"
    config-invalid-value: A timeout of 0 leaves no time to connect
    at: [dir]/config.jsonc:3, mcp.corp.timeout
    fix: Write milliseconds, as in 10000.
    ");
    let plain = r#"{ "mcp": { "corp": {
      "url": "http://127.0.0.1:8080/mcp?token=hunter2",
      "tls": { "ca": "ca.pem" }
    } } }"#;
    assert_snapshot!(refused(plain), @"
    config-conflict: TLS settings cannot be used with an http:// URL
    at: [dir]/config.jsonc:3, mcp.corp.tls.ca
    why: The URL is http://127.0.0.1:8080/mcp: no certificate would be shown, and nothing encrypted.
    fix: Write https:// in the URL, or remove the TLS settings.
    ");
    for tls in [r#""cert": "me.pem""#, r#""key": "me.key""#, r#""passphrase": "{env:A}""#, r#""systemRoots": true"#] {
        assert!(refused(plain.replace(r#""ca": "ca.pem""#, tls)).starts_with("config-conflict: TLS settings"), "{tls}");
    }
}

#[test]
fn passphrases() {
    assert_snapshot!(refused(with(r#""tls": { "cert": "me.pem", "passphrase": "hunter2" }"#)), @"
    config-invalid-value: The passphrase stands in the configuration file
    at: [dir]/config.jsonc:3, mcp.corp.tls.passphrase
    why: It is taken as a reference alone, since such files are copied and shared.
    fix: Write {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}, and nothing beside it.
    ");
    let beside = refused(with(r#""tls": { "cert": "me.pem", "passphrase": "{env:PATH}hunter2" }"#));
    assert!(beside.starts_with("config-invalid-value") && !beside.contains("hunter2"), "{beside}");
    assert_snapshot!(refused(with(r#""tls": { "passphrase": "{env:PATH}" }"#)), @"
    config-conflict: There is a passphrase without a certificate
    at: [dir]/config.jsonc:3, mcp.corp.tls.passphrase
    fix: Add the certificate as `cert`.
    ");
    let unset = refused(with(r#""tls": { "cert": "me.pem", "passphrase": "{env:MCP_MTLS_SURELY_UNSET}" }"#));
    assert!(unset.starts_with("reference-unresolved"), "{unset}");
}

#[test]
fn what_stands_twice() {
    assert_snapshot!(refused(with(r#""timeout": 1,
  "timeout": 2"#)), @"
    config-conflict: `mcp.corp.timeout` is set twice
    at: [dir]/config.jsonc:4, mcp.corp.timeout
    why: It is also set on line 3.
    fix: Keep one of them.
    ");
    assert_snapshot!(refused(with(r#""serverUrl": "https://other.example/""#)), @"
    config-conflict: `mcp.corp.serverUrl` is set twice
    at: [dir]/config.jsonc:3, mcp.corp.serverUrl
    why: It is also set on line 2.
    fix: Keep one of them.
    ");
    assert_snapshot!(refused(with(r#""tls": { "cert": "a", "cert": "b" }"#)), @"
    config-conflict: `mcp.corp.tls.cert` is set twice
    at: [dir]/config.jsonc:3, mcp.corp.tls.cert
    why: It is also set on line 3.
    fix: Keep one of them.
    ");
    assert_snapshot!(refused(with(r#""tls": {}, "tls": { "cert": "b" }"#)), @"
    config-conflict: `mcp.corp.tls` is set twice
    at: [dir]/config.jsonc:3, mcp.corp.tls
    why: It is also set on line 3.
    fix: Keep one of them.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "a", "x-team": "b" }"#)), @"
    config-conflict: `mcp.corp.headers.x-team` is set twice
    at: [dir]/config.jsonc:3, mcp.corp.headers.x-team
    why: It is also set on line 3.
    fix: Keep one of them.
    ");
    assert_snapshot!(refused("{ \"mcp\": { \"corp\": {} },\n \"servers\": { \"corp\": {} } }"), @"
    config-conflict: The entry `corp` stands twice in the file
    at: [dir]/config.jsonc:2, servers.corp
    why: The other is [dir]/config.jsonc:1, mcp.corp.
    fix: Remove or rename one of them.
    ");
    assert_snapshot!(refused("{ \"mcp\": { \"corp\": {} },\n \"mcp\": { \"corp\": {} } }"), @"
    config-conflict: The entry `corp` stands twice in the file
    at: [dir]/config.jsonc:2, mcp.corp
    why: The other is [dir]/config.jsonc:1, mcp.corp.
    fix: Remove or rename one of them.
    ");
}

#[test]
fn files_that_are_not_a_configuration() {
    assert_snapshot!(refused(r#"{ "mpc": { "corp": {} } }"#), @"
    config-unknown-key: The configuration file has no map of servers
    at: [dir]/config.jsonc:1, mpc
    fix: Rename `mpc` to `mcp`.
    ");
    assert_snapshot!(refused("{}"), @r#"
    config-unknown-key: The configuration file has no map of servers
    at: [dir]/config.jsonc
    fix: Write { "mcp": { "NAME": { "url": "https://…", "tls": { … } } } }.
    "#);
    assert_snapshot!(refused("[]"), @r#"
    config-syntax: The configuration file holds no JSON object
    at: [dir]/config.jsonc:1
    fix: Write { "mcp": { "NAME": { "url": "https://…", "tls": { … } } } }.
    "#);
    assert_snapshot!(refused(""), @r#"
    config-syntax: The configuration file holds no JSON object
    at: [dir]/config.jsonc:1
    fix: Write { "mcp": { "NAME": { "url": "https://…", "tls": { … } } } }.
    "#);
    assert_snapshot!(refused("{ \"mcp\": {\n  \"é\": 1,\n  corp: {} } }"), @"
    config-syntax: The configuration file [dir]/config.jsonc is not valid JSON
    at: [dir]/config.jsonc:3
    why: The name of a key is missing, or not in double quotes, at column 3.
    fix: Mend the syntax in line 3, column 3. Comments and trailing commas are allowed.
    ");
    assert_snapshot!(refused("{ \"mcp\": { \"corp\": { \"url\": \"https"), @"
    config-syntax: The configuration file [dir]/config.jsonc is not valid JSON
    at: [dir]/config.jsonc:1
    why: Text has no closing double quote, at column 29.
    fix: Mend the syntax in line 1, column 29. Comments and trailing commas are allowed.
    ");
    assert_snapshot!(refused(b"{ \"mcp\": \"\xff\" }"), @"
    config-syntax: The configuration file is not UTF-8 text
    at: [dir]/config.jsonc
    fix: Save it as UTF-8.
    ");
    assert!(refused("{ 'mcp': {} }").starts_with("config-syntax"));
    assert!(refused(r#"{ "mcp": {} "servers": {} }"#).starts_with("config-syntax"));
    assert!(refused("[".repeat(1 << 16)).contains("within each other"));
}

#[test]
fn the_line_is_that_of_the_key_beyond_ascii_too() {
    let text = "// é ü 漢字\r\n{ \"mcp\": { \"corp\": { // 😀\r\n \"url\": \"https://corp.example/\",\r\n \"tls\": {\r\n\r\n \"crl\": 1 } } } }";
    assert!(refused(text).contains("config.jsonc:6, mcp.corp.tls.crl"), "{}", refused(text));
}

#[test]
fn entries_that_cannot_be_used() {
    assert_snapshot!(refused(r#"{ "mcp": { "crop": {}, "other": {} } }"#), @"
    config-no-such-entry: There is no entry `corp`
    at: [dir]/config.jsonc
    fix: Did you mean `crop`?
    ");
    assert_snapshot!(refused(r#"{ "mcp": { "staging": {}, "other": {} } }"#), @"
    config-no-such-entry: There is no entry `corp`
    at: [dir]/config.jsonc
    why: The entries are `staging` and `other`.
    fix: Name one of the entries, or write this one.
    ");
    assert_snapshot!(refused(r#"{ "mcp": {} }"#), @"
    config-no-such-entry: There is no entry `corp`
    at: [dir]/config.jsonc
    why: There are no entries at all.
    fix: Add an entry with `mcp-mtls add NAME URL`.
    ");
    assert_snapshot!(refused(with(r#""enabled": false"#)), @r#"
    config-disabled: The entry `corp` is disabled
    at: [dir]/config.jsonc:3, mcp.corp.enabled
    fix: Set "enabled": true.
    "#);
    assert_snapshot!(refused("{ \"mcp\": { \"corp\": {\n \"type\": \"local\",\n \"command\": [\"npx\"] } } }"), @"
    config-conflict: The entry `corp` is a local server
    at: [dir]/config.jsonc:3, mcp.corp.command
    why: It starts a command; mcp-mtls connects to servers by their `url`.
    fix: Name an entry that has a `url`.
    ");
}

#[test]
fn a_file_that_cannot_be_read() {
    let folder = Folder::new();
    let missing = find("corp", Some(&folder.path().join("none.jsonc"))).unwrap_err();
    assert_snapshot!(folder.told(&missing), @"
    config-unreadable: There is no configuration file [dir]/none.jsonc
    at: [dir]/none.jsonc
    fix: Correct the path of --config, or write the file.
    ");
    let a_folder = find("corp", Some(folder.path())).unwrap_err();
    assert_snapshot!(folder.told(&a_folder), @"
    config-unreadable: The configuration file [dir] cannot be read
    at: [dir]
    why: It is a folder.
    fix: Let the user that runs the host read it, or name another file with --config.
    ");
}

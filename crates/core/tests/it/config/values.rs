//! What the values of an entry become: references, paths, headers.

use insta::assert_snapshot;
use mcp_mtls_core::config::{Content, Entry, EntrySettings};

use super::{Folder, entry, file, headers, with};

#[test]
fn references_are_replaced() {
    let folder = Folder::new();
    folder.write("team", "  blue\n");
    let path = std::env::var("PATH").expect("a PATH");
    for (written, sent) in [
        ("{env:PATH}", path.clone()),
        ("a ${PATH} b ${env:PATH}", format!("a {path} b {path}")),
        ("{file:team}/{file:./team}", "blue/blue".to_owned()),
        (r#"{\"json\": {\"a\": \"{file: team }\"}}"#, r#"{"json": {"a": "blue"}}"#.to_owned()),
        ("$PATH {PATH} %PATH% {}", "$PATH {PATH} %PATH% {}".to_owned()),
    ] {
        let endpoint = folder.resolve(with(&format!(r#""headers": {{ "X-Team": "{written}" }}"#))).expect(written);
        assert_eq!(headers(&endpoint), [("x-team", sent.as_str())], "{written}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_beside_the_file_is_found() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let program = folder.write("token tool", "#!/bin/sh\nprintf ' %s|' \"$@\"\ncat\n");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Its standard input is closed, so that `cat` ends.
    let endpoint = folder.resolve(with(r#""headers": { "X-Team": "{command:'./token tool' 'a  b' $HOME}" }"#)).unwrap();
    assert_eq!(headers(&endpoint), [("x-team", "a  b| $HOME|")]);
}

#[test]
fn the_url_and_the_proxy_may_be_references_beside_the_file() {
    let folder = Folder::new();
    folder.write("url", "https://corp.example/from-a-file\n");
    let endpoint = folder.resolve(r#"{ "mcp": { "corp": { "url": "{file:url}", "proxy": "{file:url}" } } }"#).unwrap();
    assert_eq!(endpoint.url.as_str(), "https://corp.example/from-a-file");
    let (proxy, origin) = endpoint.proxy.proxy.expect("a proxy");
    assert_eq!(proxy.expose(), "https://corp.example/from-a-file");
    assert!(origin.to_string().ends_with("config.jsonc:1, mcp.corp.proxy"), "{origin}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = Folder::new();
    let elsewhere = folder.path().join("elsewhere.pem");
    let keys = format!(r#""tls": {{ "cert": "certs/me.pem", "key": "./me.key", "ca": "{}" }}"#, elsewhere.display());
    let endpoint = folder.resolve(with(&keys)).unwrap();
    assert_eq!(file(endpoint.tls.cert.as_ref()), folder.path().join("certs/me.pem"));
    assert_eq!(file(endpoint.tls.key.as_ref()), folder.path().join("me.key"));
    assert_eq!(file(endpoint.tls.ca.as_ref()), elsewhere);
    // Of a program, they are relative to where it runs, and told in full.
    let endpoint = Entry::new(EntrySettings::new("https://corp.example/").ca("ca.pem")).resolve().unwrap();
    assert_eq!(file(endpoint.tls.ca.as_ref()), std::env::current_dir().unwrap().join("ca.pem"));
}

#[test]
fn a_path_that_comes_with_a_line_break_is_still_a_path() {
    let folder = Folder::new();
    let endpoint = folder.resolve(with(r#""tls": { "ca": "ca.pem\r\n" }"#)).unwrap();
    assert_eq!(file(endpoint.tls.ca.as_ref()), folder.path().join("ca.pem"));
}

#[test]
fn a_key_typed_into_the_file_is_a_warning() {
    let folder = Folder::new();
    let pem = r"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    let endpoint = folder.resolve(with(&format!(r#""tls": {{ "cert": "me.pem", "key": "{pem}" }}"#))).unwrap();
    assert!(matches!(endpoint.tls.key.unwrap().content, Content::Text(_)));
    let warnings = endpoint.warnings.join("\n").replace(&folder.path().display().to_string(), "[dir]");
    assert_snapshot!(warnings, @"[dir]/config.jsonc:3, mcp.corp.tls.key: a private key stands in the file; {file:} or {env:} is safer");
    // From a reference it is where it belongs.
    folder.write("key", pem);
    let endpoint = folder.resolve(with(r#""tls": { "cert": "me.pem", "key": "{file:key}" }"#)).unwrap();
    assert!(endpoint.warnings.is_empty());
}

#[test]
fn a_token_is_named_by_its_uri_alone() {
    let folder = Folder::new();
    folder.write("uri", "pkcs11:token=a?pin-value=1234\n");
    let text = r#""tls": { "cert": "me.pem", "key": "{file:uri}", "pkcs11Module": "module.so" }"#;
    let tls = folder.resolve(with(text)).unwrap().tls;
    assert!(matches!(tls.key.unwrap().content, Content::Token(uri) if uri.expose() == "pkcs11:token=a?pin-value=1234"));
    assert_eq!(tls.pkcs11_module.unwrap().path, folder.path().join("module.so"));
    // The certificate is beside such a key, so it need not be named.
    assert!(folder.resolve(with(r#""tls": { "key": "pkcs11:token=a", "passphrase": "{file:uri}" }"#)).is_ok());
    // A file may have any other name.
    let tls = folder.resolve(with(r#""tls": { "cert": "./pkcs11:x" }"#)).unwrap().tls;
    assert_eq!(file(tls.cert.as_ref()), folder.path().join("./pkcs11:x"));
}

#[test]
fn plain_http_is_for_loopback() {
    for url in ["http://localhost:1/", "http://127.0.0.1/", "http://127.8.8.8/", "http://[::1]:8080/mcp"] {
        let endpoint = Entry::new(EntrySettings::new(url)).resolve().expect(url);
        assert!(endpoint.proxy.proxy.is_none(), "a proxy cannot reach our loopback");
    }
}

#[test]
fn the_timeout_is_in_milliseconds() {
    assert_eq!(entry(r#""timeout": 2500"#).unwrap().timeout.as_millis(), 2500);
    assert_eq!(entry(r#""timeout": null"#).unwrap().timeout.as_secs(), 10);
}

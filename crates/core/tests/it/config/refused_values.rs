//! Every way in which a value of the right kind is refused: URLs, references, headers, certificates and keys.

use insta::assert_snapshot;
use mcp_mtls_core::config::{Entry, EntrySettings};

use super::{Folder, entry, refused, told, with};

#[test]
fn urls_that_a_parser_would_mend() {
    for (url, why) in [
        ("https:///mcp", "It has no host."),
        ("https://", "It has no host."),
        ("https://?a=//b", "It has no host."),
        ("https:/localhost/mcp", "It has no `//` after its scheme."),
        ("https:localhost", "It has no `//` after its scheme."),
        ("HTTPS:\\\\localhost", "It has a backslash where a URL has a slash."),
        ("http://localhost\\mcp", "It has a backslash where a URL has a slash."),
        ("https://local\nhost/", "It holds a line break or a control character."),
        ("https://localhost/?a\t=b", "It holds a line break or a control character."),
    ] {
        let failure = Entry::from_flags(url, EntrySettings::new("")).resolve().unwrap_err();
        assert_eq!(failure.facts().why.first().map(String::as_str), Some(why), "{url:?}");
    }
    for url in [" https://corp.example/mcp\n", "https://corp.example/?a=\\b//c", "Https://corp.example/a:b//c"] {
        Entry::from_flags(url, EntrySettings::new("")).resolve().expect(url);
    }
}

#[test]
fn urls() {
    let url = |url: &str| refused(format!(r#"{{ "mcp": {{ "corp": {{ "url": "{url}" }} }} }}"#));
    assert_snapshot!(url("http://corp.example/mcp"), @"
    config-invalid-value: The URL of the server cannot be used
    at: [dir]/config.jsonc:1, mcp.corp.url
    why: Without TLS only servers on this machine's loopback are reached.
    fix: Write https:// instead of http://.
    ");
    assert_snapshot!(url("corp.example/mcp"), @"
    config-invalid-value: The URL of the server cannot be used
    at: [dir]/config.jsonc:1, mcp.corp.url
    why: It does not begin with https://.
    fix: Write https://HOST/PATH.
    ");
    assert_snapshot!(url("https://alice:hunter2@corp.example/mcp"), @r#"
    config-invalid-value: The URL of the server cannot be used
    at: [dir]/config.jsonc:1, mcp.corp.url
    why: It holds a user name or a password.
    fix: Send them in `headers`: "Authorization": "Basic {file:…}".
    "#);
    assert_snapshot!(url("https://corp.example/mcp#tools"), @"
    config-invalid-value: The URL of the server cannot be used
    at: [dir]/config.jsonc:1, mcp.corp.url
    why: It has a fragment (`#…`), which no server ever sees.
    fix: Remove the fragment.
    ");
    assert_snapshot!(url("wss://corp.example/mcp"), @"
    config-invalid-value: The URL of the server cannot be used
    at: [dir]/config.jsonc:1, mcp.corp.url
    why: It does not begin with https://.
    fix: Write https://HOST/PATH.
    ");
    assert_snapshot!(url("https://corp.example:99999/"), @"
    config-invalid-value: The URL of the server cannot be used
    at: [dir]/config.jsonc:1, mcp.corp.url
    why: Its port is no number from 0 to 65535.
    fix: Write https://HOST/PATH.
    ");
    assert_snapshot!(refused(r#"{ "mcp": { "corp": { "headers": {} } } }"#), @r#"
    config-invalid-value: The entry `corp` has no `url`
    at: [dir]/config.jsonc:1, mcp.corp
    fix: Add "url": "https://…".
    "#);
    for not_loopback in ["http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.1.example/", "http://[::2]/"]
    {
        assert!(url(not_loopback).contains("loopback"), "{not_loopback}");
    }
}

#[test]
fn references_without_a_value() {
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "{env:MCP_MTLS_SURELY_UNSET}" }"#)), @"
    reference-unresolved: The environment variable `MCP_MTLS_SURELY_UNSET` is not set
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    why: Some hosts start servers with a cleared environment.
    fix: Set MCP_MTLS_SURELY_UNSET where the host passes it on (its `env` setting), or use {file:…}.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "{file:none}" }"#)), @"
    reference-unresolved: The file `none` of a reference cannot be read
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    at: [dir]/none
    why: There is no such file.
    fix: Correct the path, or put the file there.
    ");
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("me.p12");
    std::fs::write(&binary, [0x30, 0x82]).unwrap();
    let told = refused(with(&format!(r#""tls": {{ "cert": "{{file:{}}}" }}"#, binary.display())));
    assert_snapshot!(told.replace(folder.path().to_str().unwrap(), "[folder]"), @"
    reference-unresolved: The file `me.p12` of a reference cannot be read
    at: [dir]/config.jsonc:3, mcp.corp.tls.cert
    at: [folder]/me.p12
    why: It is not UTF-8 text.
    fix: Name a certificate or key in DER or PKCS#12 by its path alone, without `{file:…}`, which gives text.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "{command:./none --role x}" }"#)), @"
    reference-unresolved: The command `[dir]/none` of a reference failed
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    why: There is no such file.
    fix: Write its absolute path, and check that it can be run.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "{command:sh -c 'x}" }"#)), @"
    reference-unresolved: The command of a reference cannot be read
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    fix: Close its quotation marks. Words are split as a POSIX shell does, without expansion.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "{evn:TEAM}" }"#)), @"
    reference-unresolved: `{evn:…}` is not a reference
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    fix: Did you mean `{env:…}`?
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "{env:}" }"#)), @"
    reference-unresolved: `{env:}` names nothing
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    fix: Write a name behind the colon.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "Bearer {env:TEAM" }"#)), @"
    reference-unresolved: The reference `{env…` is not closed
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    fix: Add its `}`.
    ");
    assert_snapshot!(refused(with(r#""headers": { "X-Team": "${input:team}" }"#)), @"
    reference-unresolved: `${input…}` cannot be translated
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    why: It is another host's notation.
    fix: Write {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}.
    ");
    // Only the entry in use counts.
    let text = r#"{ "mcp": { "other": { "url": "{env:MCP_MTLS_SURELY_UNSET}" }, "corp": { "url": "https://corp.example/" } } }"#;
    Folder::new().resolve(text).expect("the other entry's variable does not matter");
}

#[test]
fn headers() {
    let headers = |headers: &str| refused(with(&format!(r#""headers": {{ {headers} }}"#)));
    assert_snapshot!(headers(r#""X Team": "a""#), @"
    config-invalid-value: “X Team” is not a header name
    at: [dir]/config.jsonc:3, mcp.corp.headers.X Team
    why: Names are letters, digits and hyphens (RFC 9110, section 5.1).
    fix: Correct the name.
    ");
    assert_snapshot!(headers(r#""Mcp-Session-Id": "a""#), @"
    config-invalid-value: The header `Mcp-Session-Id` cannot be set
    at: [dir]/config.jsonc:3, mcp.corp.headers.Mcp-Session-Id
    why: The connection sets it by itself.
    fix: Remove it.
    ");
    assert_snapshot!(headers(r#""X-Team": "a\nX-Other: b""#), @"
    config-invalid-value: The value of the header `X-Team` cannot be sent
    at: [dir]/config.jsonc:3, mcp.corp.headers.X-Team
    why: It holds a line break, a control character or text beyond ASCII.
    fix: Correct what the reference gives, or the text.
    ");
    for ours in
        ["Host", "content-length", "Transfer-Encoding", "MCP-Protocol-Version", "Last-Event-ID", "Connection", "TE"]
    {
        assert!(headers(&format!(r#""{ours}": "a""#)).contains("cannot be set"), "{ours}");
    }
}

#[test]
fn material_that_names_nothing() {
    assert_snapshot!(refused(with(r#""tls": { "ca": "  " }"#)), @"
    config-invalid-value: `ca` is empty
    at: [dir]/config.jsonc:3, mcp.corp.tls.ca
    fix: Name a file, or remove the setting.
    ");
    assert_snapshot!(refused(with(r#""tls": { "ca": "MIIB\nAAAA" }"#)), @"
    config-invalid-value: `ca` is neither a path nor PEM text
    at: [dir]/config.jsonc:3, mcp.corp.tls.ca
    why: It has several lines and no `-----BEGIN` line.
    fix: Name a file, or write the whole PEM text.
    ");
    let base64 = format!("MIGH{}", "Aa0+".repeat(30));
    let failure = entry(&format!(r#""tls": {{ "cert": "me.pem", "key": "{base64}" }}"#)).unwrap_err();
    assert!(!told(&failure).contains("Aa0+"), "{failure}");
    let why = told(&failure);
    assert_snapshot!(why.split_once("why").map_or("", |(_, why)| why), @"
    : It is Base64 alone.
    fix: Add the `-----BEGIN …-----` and `-----END …-----` lines.
    ");
}

#[test]
fn pins() {
    let pins = |pins: &str| refused(with(&format!(r#""tls": {{ "pins": {pins} }}"#)));
    assert_snapshot!(pins(r#"["sha1/AAAA"]"#), @"
    config-invalid-value: A pin cannot be read
    at: [dir]/config.jsonc:3, mcp.corp.tls.pins
    why: It does not begin with `sha256/`.
    fix: Print the pin of a certificate with `mcp-mtls certs show FILE`; it is written sha256/BASE64=.
    ");
    assert!(pins(r#"["sha256/AAAA"]"#).contains("why: It is of 3 bytes; a SHA-256 is of 32."));
    assert!(pins(r#"["sha256/!"]"#).contains("why: What follows `sha256/` is not Base64."));
    assert!(pins("[]").starts_with("config-invalid-value: `pins` is an empty list"));
    assert!(pins(r#""sha256/AAAA""#).contains("It is text; a list of texts in quotation marks is expected."));
    // One that is wrong spoils all.
    let good = "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    assert!(pins(&format!(r#"["{good}", "sha256/AAAA"]"#)).starts_with("config-invalid-value: A pin cannot be read"));
}

#[test]
fn names_versions_and_key_exchange() {
    let tls = |tls: &str| refused(with(&format!(r#""tls": {{ {tls} }}"#)));
    assert_snapshot!(tls(r#""serverName": "*.corp.example""#), @"
    config-invalid-value: `serverName` is not a name that a server can have
    at: [dir]/config.jsonc:3, mcp.corp.tls.serverName
    why: It is “*.corp.example”.
    fix: Write a DNS name without `*`, port or scheme, or an IP address.
    ");
    for wrong in ["", "https://corp.example", "corp.example:8443", "a b"] {
        assert!(tls(&format!(r#""serverName": "{wrong}""#)).starts_with("config-invalid-value"), "{wrong}");
    }
    assert_snapshot!(tls(r#""minVersion": "1.1""#), @r#"
    config-invalid-value: The value of `minVersion` is not known here
    at: [dir]/config.jsonc:3, mcp.corp.tls.minVersion
    why: It is “1.1”.
    fix: Write "1.2" or "1.3", or remove the setting.
    "#);
    assert!(tls(r#""minVersion": 1.3"#).contains("It is a number; text in quotation marks is expected."));
    assert!(tls(r#""keyExchange": "quantum""#).contains(r#"fix: Write "classical", or remove the setting."#));
}

#[test]
fn trust_without_tls() {
    for setting in [
        r#""pins": ["sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]"#,
        r#""crl": "corp.crl""#,
        r#""serverName": "corp.example""#,
        r#""minVersion": "1.2""#,
        r#""keyExchange": "classical""#,
    ] {
        let entry = format!(r#"{{ "url": "http://127.0.0.1:1/", "tls": {{ {setting} }} }}"#);
        let told = refused(format!(r#"{{ "mcp": {{ "corp": {entry} }} }}"#));
        assert!(told.starts_with("config-conflict: TLS settings cannot be used with an http:// URL"), "{told}");
    }
}

#[test]
fn tokens() {
    let tls = |tls: &str| refused(with(&format!(r#""tls": {{ {tls} }}"#)));
    assert_snapshot!(tls(r#""ca": "pkcs11:token=a""#), @"
    config-invalid-value: `ca` is neither a path nor PEM text
    at: [dir]/config.jsonc:3, mcp.corp.tls.ca
    why: It is a `pkcs11:` URI, and those are for `cert` and `key` alone.
    fix: Name a file.
    ");
    assert_snapshot!(tls(r#""cert": "pkcs11:token=a?pin-value=1234""#), @"
    config-invalid-value: The URI in `cert` gives the PIN of the token
    at: [dir]/config.jsonc:3, mcp.corp.tls.cert
    why: It is taken as a reference alone, since such files are copied and shared.
    fix: Remove `pin-value`, and give the PIN as `passphrase`: {env:NAME}, {file:PATH} or {command:…}.
    ");
    assert_snapshot!(tls(r#""cert": "me.pem", "pkcs11Module": "x.so""#), @"
    config-conflict: There is a PKCS#11 module without a token
    at: [dir]/config.jsonc:3, mcp.corp.tls.pkcs11Module
    why: Neither `cert` nor `key` is a `pkcs11:` URI.
    fix: Write the URI of the key as `key`, or remove the module.
    ");
    assert_snapshot!(tls(r#""cert": "pkcs11:token=a", "pkcs11Module": " ""#), @"
    config-invalid-value: `pkcs11Module` is empty
    at: [dir]/config.jsonc:3, mcp.corp.tls.pkcs11Module
    fix: Name the file of the module, or remove the setting.
    ");
}

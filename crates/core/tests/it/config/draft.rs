//! An entry as it is written into a file elsewhere.

use std::path::PathBuf;

use mcp_mtls_core::config::{Entry, EntrySettings, File, Value};
use mcp_mtls_core::error::Code;
use serde_json::json;

fn entry(value: &serde_json::Value) -> Entry {
    let text = json!({ "mcp": { "a": value } }).to_string();
    let file = File::parse(PathBuf::from("elsewhere"), Some(PathBuf::from("/base")), &text).expect("JSON");
    file.entry("a").expect("settings").expect("an entry")
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::Number(value) => json!(value),
        Value::Text(text) => json!(text.expose()),
        Value::List(values) => values.iter().map(plain).collect(),
        Value::Map(keys) => {
            serde_json::Value::Object(keys.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_setting_is_written_as_it_was() {
    let all = json!({
        "type": "sse", "url": "https://{env:HOST}/mcp?a=b", "headers": { "X-A": "b {env:C} {\"json\": 1}" }, "oauth": false,
        "timeout": 1, "enabled": false, "proxy": "{file:/proxy}",
        "tls": {
            "cert": "/c.pem", "key": "~/k.pem", "passphrase": "{command:pass 'a b'}", "pkcs11Module": "/m.so",
            "exec": ["vault", "-x", "{env:ROLE}"], "ca": "pkcs11:object=ca", "systemRoots": false, "pins": ["sha256/AA="],
            "crl": "-----BEGIN X509 CRL-----", "serverName": "s", "minVersion": "1.3", "keyExchange": "classical",
            "spiffe": { "socket": "unix:///s", "id": "spiffe://a/b", "serverId": "spiffe://a/c", "anyInTrustDomain": false }
        }
    });
    // The samples are all that there are.
    let schema = mcp_mtls_core::config::schema();
    for (definition, sample) in
        [("EntrySettings", &all), ("TlsSettings", &all["tls"]), ("SpiffeSettings", &all["tls"]["spiffe"])]
    {
        let known = schema["$defs"][definition]["properties"].as_object().unwrap();
        assert!(known.keys().all(|key| sample.get(key).is_some()), "{definition}");
    }
    let draft = entry(&all).draft().unwrap();
    assert_eq!(plain(&draft.entry), all);
    assert!(draft.moved.is_empty());
    let programs: Vec<_> = draft.programs.iter().map(|one| (one.setting.as_str(), one.line.expose())).collect();
    let expected = [
        ("tls.passphrase", "pass 'a b'"),
        ("tls.pkcs11Module", "/m.so"),
        ("tls.exec", "vault -x '{env:ROLE}'"),
        // Whatever names an object of a token has a library loaded.
        ("tls.ca", "the PKCS#11 modules of the system, unless pkcs11Module names one"),
    ];
    assert_eq!(programs, expected);
    let card = entry(&json!({ "tls": { "cert": "pkcs11:object=a?module-path=/evil.so&pin-source=file:/b" } })).draft();
    assert_eq!(card.unwrap().programs[0].line.expose(), "module-path=/evil.so");
    let keys = |value: &Value| match value {
        Value::Map(keys) => keys.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    assert_eq!(keys(&draft.entry), ["type", "url", "headers", "oauth", "timeout", "enabled", "proxy", "tls"]);
}

#[test]
fn the_variables_that_an_entry_needs_are_known() {
    let needs = |value: &serde_json::Value| -> Vec<(String, String)> {
        let draft = entry(value).draft().unwrap();
        let named = draft.variables.iter().filter(|variable| variable.name.starts_with("MCP_MTLS_SURELY"));
        assert!(named.clone().all(|variable| !variable.is_set));
        assert!(draft.unset().count() >= named.clone().count());
        named.map(|variable| (variable.setting.clone(), variable.name.clone())).collect()
    };
    let twice = json!({
        "url": "https://{env:MCP_MTLS_SURELY_A}/", "headers": { "X-A": "b ${MCP_MTLS_SURELY_B} {env:MCP_MTLS_SURELY_A}" },
        "tls": { "cert": "/{env:MCP_MTLS_SURELY_C}.pem", "exec": ["a", "{env:MCP_MTLS_SURELY_D}"] },
    });
    let expected = [("url", "A"), ("headers.X-A", "B"), ("headers.X-A", "A"), ("tls.cert", "C"), ("tls.exec", "D")];
    let expected = expected.map(|(setting, name)| (setting.to_owned(), format!("MCP_MTLS_SURELY_{name}")));
    assert_eq!(needs(&twice), expected);
    assert_eq!(needs(&json!({ "url": "https://a.example/" })), []);
    // Those that no setting names.
    let home =
        entry(&json!({ "url": "https://a.example/", "tls": { "ca": "/a", "cert": "{env:HOME}" } })).draft().unwrap();
    assert!(home.variables.iter().any(|variable| variable.name == "HOME"));
    let unasked = |value: &serde_json::Value| {
        let draft = entry(value).draft().unwrap();
        draft.variables.iter().any(|variable| variable.name == "SPIFFE_ENDPOINT_SOCKET")
    };
    assert!(unasked(&json!({ "tls": { "spiffe": {} } })));
    assert!(!unasked(&json!({ "tls": { "spiffe": { "socket": "unix:///s" } } })) && !unasked(&json!({ "tls": {} })));
}

#[test]
fn relative_paths_are_those_of_where_they_were_written() {
    let draft = entry(&json!({
        "url": "https://a.example/", "headers": { "X-A": "./b ${C} {file:d}{command:./e f}{command:g ./h}" },
        "tls": { "cert": "./c.pem", "key": "k/{env:USER}.pem", "ca": "{env:CA}", "crl": "../r.crl", "exec": ["bin/x", "./y"],
                 "pkcs11Module": "m.so", "serverName": "s" },
    }))
    .draft()
    .unwrap();
    assert_eq!(
        plain(&draft.entry),
        json!({
            "url": "https://a.example/", "headers": { "X-A": "./b {env:C} {file:/base/d}{command:/base/e f}{command:g ./h}" },
            "tls": { "cert": "/base/c.pem", "key": "/base/k/{env:USER}.pem", "ca": "{env:CA}", "crl": "/base/../r.crl",
                     "exec": ["/base/bin/x", "./y"], "pkcs11Module": "/base/m.so", "serverName": "s" },
        })
    );
    let moved: Vec<_> = draft.moved.iter().map(|moved| moved.setting.as_str()).collect();
    assert_eq!(moved, ["headers.X-A", "headers.X-A", "tls.cert", "tls.key", "tls.pkcs11Module", "tls.exec", "tls.crl"]);
    // Those of flags are relative to where the program was started.
    let flags = EntrySettings::new("").identity("c.pem", "~/k.pem");
    let draft = Entry::from_flags("https://a.example/", flags).draft().unwrap();
    let here = std::env::current_dir().unwrap().join("c.pem");
    assert_eq!(plain(&draft.entry)["tls"], json!({ "cert": here, "key": "~/k.pem" }));
}

#[test]
fn notation_that_cannot_be_translated_and_private_keys_are_refused() {
    let code = |value: serde_json::Value| entry(&value).draft().unwrap_err().code();
    assert_eq!(code(json!({ "headers": { "A": "${input:a}" } })), Code::ReferenceUnresolved);
    let key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    assert_eq!(code(json!({ "tls": { "key": key } })), Code::ConfigInvalidValue);
    let flags = EntrySettings::new("").identity(key, key);
    let failure = Entry::from_flags("https://a.example/", flags).draft().unwrap_err();
    assert_eq!(failure.code(), Code::SecretInArguments);
    assert!(!format!("{failure:?}").contains("hunter2"));
}

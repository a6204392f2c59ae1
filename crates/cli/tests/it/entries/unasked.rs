//! Nothing of an entry runs or is loaded unless somebody has agreed to it, wherever it stands.

use serde_json::{Value, json};

use super::Stage;

fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every place for a text in an entry, by the schema.
fn leaves(schema: &Value, definition: &str, way: &[String], found: &mut Vec<Vec<String>>) {
    for (name, property) in schema["$defs"][definition]["properties"].as_object().expect("properties") {
        let path = [way, std::slice::from_ref(name)].concat();
        let text = property.to_string();
        match ["TlsSettings", "SpiffeSettings"].into_iter().find(|inner| text.contains(inner)) {
            Some(inner) => leaves(schema, inner, &path, found),
            None if text.contains("\"string\"") => found.push(path),
            None => {}
        }
    }
}

#[tokio::test]
async fn no_text_of_a_setting_runs_a_program() {
    let schema = mcp_mtls_core::config::schema();
    let mut paths = Vec::new();
    leaves(&schema, "EntrySettings", &[], &mut paths);
    assert!(paths.len() >= 16, "{paths:?}");
    let stage = Stage::new().await;
    let marker = stage.pki.dir().join("ran");
    let command = format!("{{command:touch {}}}", marker.display());
    for path in paths {
        let last = path.last().expect("a key").as_str();
        let value = match last {
            "headers" => json!({ "X-A": command }),
            "pins" => json!([command]),
            "exec" => json!(["touch", marker]),
            _ => json!(command),
        };
        let (first, rest) = path.split_first().expect("a key");
        let value = rest.iter().rev().fold(value, |value, key| json!({ key: value }));
        let mut entry = json!({ "url": "https://a.example/mcp" });
        entry[first] = value;
        let file = json!({ "mcp": { "a": entry } }).to_string();
        let name = path.join(".");
        stage.has(&file);
        let listed = stage.run(["list"], "").await;
        assert!(!marker.exists(), "{name}: {}{}", listed.stdout, listed.stderr);
        let added = stage.run(["add", "--from", "-", "--offline", "--config", "other.jsonc"], &file).await;
        assert!(!marker.exists() && added.status > 0, "{name}: {}", added.stderr);
        let is_reference = !["type", "minVersion", "keyExchange"].contains(&last);
        assert_eq!(unwrapped(&added.stderr).contains("nobody can be asked"), is_reference, "{name}: {}", added.stderr);
    }
}

#[tokio::test]
async fn no_reference_brings_in_a_library() {
    let stage = Stage::new().await;
    stage.pki.write("empty", "");
    stage.pki.write("uri", "pkcs11:token=a?module-path=/nowhere/evil.so");
    for (cert, listed, added) in [
        ("pkcs11:token=a?{file:~/empty}module-path=/nowhere/evil.so", "holds a reference", "holds a reference"),
        ("{file:~/empty}pkcs11:token=a?module-path=/nowhere/evil.so", "holds a reference", "holds a reference"),
        ("{file:~/uri}", "the token was not asked", "The PKCS#11 module was not loaded"),
        ("pkcs11:token=a?module-path=/nowhere/evil.so", "the token was not asked", "nobody can be asked"),
        ("pkcs11:token=a?MODULE-path=/nowhere/evil.so", "the token was not asked", "nobody can be asked"),
        ("pkcs11:token=a?modul%65-path=/nowhere/evil.so", "the token was not asked", "modul%65-path=/nowhere/evil.so"),
        ("pkcs11:token=a", "the token was not asked", "nobody can be asked"),
    ] {
        let file = json!({ "mcp": { "a": { "url": "https://a.example/mcp", "tls": { "cert": cert } } } }).to_string();
        stage.has(&file);
        let told = stage.run(["list"], "").await.succeeded();
        assert!(unwrapped(&told).contains(listed), "{cert}: {told}");
        let stderr = stage.run(["add", "--from", "-", "--offline", "--config", "other.jsonc"], &file).await.stderr;
        assert!(unwrapped(&stderr).contains(added) && !stderr.contains("There is no such file"), "{cert}: {stderr}");
    }
}

#[tokio::test]
async fn what_is_agreed_to_is_all_that_may_run() {
    let stage = Stage::new().await;
    let tls = json!({ "cert": "{env:CERT}", "serverName": "{command:echo a}", "pins": ["{command:echo b}"] });
    let entry = json!({ "a": { "url": "https://a.example/mcp", "tls": tls } });
    let stderr = stage.run(["add", "--from", "-", "--offline"], &entry.to_string()).await.failed(2);
    for line in ["tls.serverName: echo a", "tls.pins: echo b", "tls.cert: whatever library its reference names"] {
        assert!(stderr.contains(line), "{stderr}");
    }
}

#[tokio::test]
async fn nothing_of_the_users_is_sent_to_a_pasted_url() {
    let stage = Stage::new().await;
    stage.pki.write("secret", "hunter2");
    let ca = stage.pki.server_ca_file();
    let url = stage.server.url();
    let tls = json!({ "cert": stage.client.cert_file, "key": stage.client.key_file, "ca": ca });
    let with_url = |url: String| json!({ "url": url, "tls": tls });
    for (entry, shown) in [
        (with_url(format!("{url}?x={{file:~/secret}}")), "url: …{file:~/secret}"),
        (with_url(format!("{url}?x={{env:TOKEN}}")), "url: …{env:TOKEN}"),
        (json!({ "url": url, "tls": tls, "headers": { "X": "a {file:~/secret}" } }), "headers.X: a {file:~/secret}"),
        (json!({ "url": url, "tls": tls, "headers": { "Y": "${TOKEN}" } }), "headers.Y: {env:TOKEN}"),
    ] {
        let text = json!({ "a": entry }).to_string();
        let stderr = stage.run(["add", "--from", "-"], &text).await.failed(2);
        assert!(stderr.contains(shown) && unwrapped(&stderr).contains("nobody can be asked"), "{stderr}");
        assert!(stage.server.server().connections().is_empty() && stage.beside().is_empty(), "{stderr}");
        // Without a connection nothing is sent.
        stage.run(["add", "--from", "-", "--offline", "--config", "other.jsonc", "--force"], &text).await.succeeded();
    }
    let entry = json!({ "a": { "url": url, "tls": tls, "headers": { "Y": "${TOKEN}" } } });
    stage.run(["add", "--from", "-", "--yes"], &entry.to_string()).await.succeeded();
}

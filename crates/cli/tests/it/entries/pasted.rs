//! Entries of other hosts: each notation, and what has no meaning here.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Stage, parsed};
use crate::stage::{LATEST, host, whoami};

/// What a text becomes in the file.
async fn written(text: &str, name: &[&str]) -> (String, Value) {
    let stage = Stage::new().await;
    let outcome = stage.run([&["add", "--from", "-", "--offline", "--yes"], name].concat(), text).await;
    assert_eq!(outcome.status, 0, "{text}: {}", outcome.stderr);
    let file = parsed(&stage.text());
    let (name, entry) = file["mcp"].as_object().expect("a map").iter().next().expect("an entry");
    (name.clone(), entry.clone())
}

#[tokio::test]
async fn every_shape_that_a_host_has_is_read() {
    let url = "https://corp.example/mcp";
    let expected = ("corp".to_owned(), json!({ "url": url }));
    for text in [
        r#"{ "mcp": { "corp": { "url": "https://corp.example/mcp" } } }"#,
        r#"{ "mcpServers": { "corp": { "httpUrl": "https://corp.example/mcp" } } }"#,
        r#"{ "servers": { "corp": { "serverUrl": "https://corp.example/mcp" } }, "inputs": [] }"#,
        r#"{ "theme": "x", "context_servers": { "corp": { "url": "https://corp.example/mcp" } } }"#,
        r#"{ "mcp": { "servers": { "corp": { "url": "https://corp.example/mcp" } } } }"#,
        r#"{ "corp": { "url": "https://corp.example/mcp" } }"#,
        r#""corp": { "url": "https://corp.example/mcp" },"#,
        "\u{feff}// pasted\n\"corp\": {\n  \"url\": \"https://corp.example/mcp\", // here\n}",
        r#""corp": { "url": "https://corp.example/mcp", "disabled": true, "alwaysAllow": ["a"], "timeout": 60 }"#,
        r#"{ "corp": { "url": "https://corp.example/mcp", "enabled": false } }"#,
        r#"{ "mcp": { "inputs": [], "servers": { "corp": { "url": "https://corp.example/mcp" } } } }"#,
        r#"{ "corp": { "command": null, "url": "https://corp.example/mcp" } }"#,
        r#"{ "corp": { "command": "npx", "args": ["-p", "mcp-remote", "mcp-remote", "https://corp.example/mcp"] } }"#,
        r#"{ "corp": { "command": "pnpm", "args": ["dlx", "mcp-remote", "https://corp.example/mcp"] } }"#,
        r#"{ "corp": { "command": "npx", "args": ["-y", "mcp-remote@latest", "https://corp.example/mcp", "3334", "--debug"] } }"#,
    ] {
        assert_eq!(written(text, &[]).await, expected, "{text}");
    }
    assert_eq!(written(r#"{ "url": "https://corp.example/mcp" }"#, &["corp"]).await, expected);
    assert_eq!(written(r#"{ "github": { "url": "https://corp.example/mcp" } }"#, &["corp"]).await, expected);
    let several =
        r#"{ "mcp": { "a": { "url": "https://a.example/mcp" }, "corp": { "url": "https://corp.example/mcp" } } }"#;
    assert_eq!(written(several, &["corp"]).await, expected);
    let maps = r#"{ "mcpServers": { "a": { "url": "https://a.example/mcp" } }, "mcp": { "corp": { "url": "https://corp.example/mcp" } } }"#;
    assert_eq!(written(maps, &["corp"]).await, expected);
}

#[tokio::test]
async fn every_notation_is_translated() {
    for (entry, expected) in [
        (
            json!({ "type": "http", "url": "https://a.example/", "headers": { "A": "Bearer ${TOKEN}", "B": "${env:TOKEN}{env:TOKEN}" } }),
            json!({ "type": "http", "url": "https://a.example/", "headers": { "A": "Bearer {env:TOKEN}", "B": "{env:TOKEN}{env:TOKEN}" } }),
        ),
        (
            json!({ "type": "streamableHttp", "url": "https://a.example/", "timeout": 5000 }),
            json!({ "type": "streamable-http", "url": "https://a.example/", "timeout": 5000 }),
        ),
        (
            json!({ "transport": { "type": "sse", "url": "https://a.example/", "headers": { "A": "b" } } }),
            json!({ "type": "sse", "url": "https://a.example/", "headers": { "A": "b" } }),
        ),
        (
            json!({ "httpUrl": "https://a.example/", "headers": { "A": "Bearer $TOKEN", "B": "cost $5 $a $TOKEN_9-$TOKEN" } }),
            json!({ "url": "https://a.example/", "headers": { "A": "Bearer {env:TOKEN}", "B": "cost $5 $a {env:TOKEN_9}-{env:TOKEN}" } }),
        ),
        (
            json!({ "url": "https://a.example/", "headers": { "A": "Bearer sk$ABCdef", "B": "x$TOKEN $$TOKEN $TOKENx" } }),
            json!({ "url": "https://a.example/", "headers": { "A": "Bearer sk$ABCdef", "B": "x$TOKEN $$TOKEN $TOKENx" } }),
        ),
        (
            json!({ "command": "npx", "args": ["mcp-remote", "https://a.example/", "--header=X-A: a=b"] }),
            json!({ "url": "https://a.example/", "headers": { "X-A": "a=b" } }),
        ),
        (
            json!({ "transport": "streamable_http", "url": "https://a.example/" }),
            json!({ "type": "streamable-http", "url": "https://a.example/" }),
        ),
        (
            json!({ "command": ["npx", "mcp-remote", "https://a.example/", "--header", "Authorization:${AUTH}", "--transport", "sse-only"], "environment": { "AUTH": "Bearer {env:TOKEN}" } }),
            json!({ "type": "sse", "url": "https://a.example/", "headers": { "Authorization": "Bearer {env:TOKEN}" } }),
        ),
        (
            json!({ "command": "cmd", "args": ["/c", "npx", "mcp-remote", "https://a.example/", "--header", "X-A: ${TOKEN}"] }),
            json!({ "url": "https://a.example/", "headers": { "X-A": "{env:TOKEN}" } }),
        ),
    ] {
        let text = json!({ "a": entry }).to_string();
        assert_eq!(written(&text, &[]).await, ("a".to_owned(), expected), "{text}");
    }
}

#[tokio::test]
async fn what_has_no_meaning_here_is_refused() {
    let stage = Stage::new().await;
    for (text, code) in [
        (r#"{ "a": { "url": "https://a.example/", "headers": { "A": "${input:token}" } } }"#, "reference-unresolved"),
        (
            r#"{ "a": { "url": "https://a.example/", "headers": { "A": "${TOKEN:-hunter2}" } } }"#,
            "reference-unresolved",
        ),
        (r#"{ "a": { "command": "uvx", "args": ["server"] } }"#, "config-conflict"),
        (
            r#"{ "a": { "command": "npx", "args": ["mcp-remote", "https://a.example/", "--static-oauth-client-info", "{}"] } }"#,
            "config-conflict",
        ),
        (r#"{ "a": { "command": "npx", "args": ["mcp-remote"] } }"#, "config-conflict"),
        (
            r#"{ "a": { "command": "npx", "args": ["mcp-remote", "https://a.example/", "--heder=A: hunter2"] } }"#,
            "config-conflict",
        ),
        (
            r#"{ "a": { "command": "npx", "args": ["mcp-remote", "https://a.example/", "--header=hunter2"] } }"#,
            "config-conflict",
        ),
        (
            r#"{ "a": { "command": "ssh", "args": ["jump", "npx", "mcp-remote", "http://127.0.0.1:9/mcp"] } }"#,
            "config-conflict",
        ),
        (
            r#"{ "a": { "command": "docker", "args": ["run", "--rm", "img/mcp-remote", "https://a.example/"] } }"#,
            "config-conflict",
        ),
        (
            r#"{ "a": { "command": "npx", "args": ["mcp-remote", "https://a.example/", "https://b.example/"] } }"#,
            "config-conflict",
        ),
        (
            r#"{ "a": { "url": "https://a.example/", "transport": { "type": "http", "url": "https://b.example/" } } }"#,
            "config-conflict",
        ),
        (
            r#"{ "mcp": { "a": { "url": "https://a.example/" } }, "servers": { "a": { "url": "https://b.example/" } } }"#,
            "config-conflict",
        ),
        (
            r#"{ "a": { "command": "npx", "args": ["mcp-remote", "https://a.example/", "--header"] } }"#,
            "config-conflict",
        ),
        (r#"{ "a": { "type": "websocket", "url": "https://a.example/" } }"#, "config-invalid-value"),
        (r#"{ "a": { "url": "https://a.example/", "tls": { "crt": "x" } } }"#, "config-unknown-key"),
        (r#"{ "a": { "url": "https://a.example/", "cert": "x" } }"#, "config-unknown-key"),
        (r#"{ "a": { "url": "https://a.example/", "oauth": { "clientId": "x" } } }"#, "config-invalid-value"),
        (r#"{ "a": { "url": "https://a.example/", "url": "https://b.example/" } }"#, "config-conflict"),
        (
            r#"{ "a": { "url": "https://a.example/", "tls": { "cert": "a", "passphrase": "hunter2" } } }"#,
            "config-invalid-value",
        ),
        (r#"{ "a": { "url": "https://a.example/" }, "b": { "url": "https://b.example/" } }"#, "usage-invalid"),
        (r#"{ "url": "https://a.example/" }"#, "usage-invalid"),
        (r#"{ "a b": { "url": "https://a.example/" } }"#, "usage-invalid"),
        (r#"{ "a": { "url": "https://u:hunter2@a.example/" } }"#, "config-invalid-value"),
        (
            r#"{ "a": { "url": "https://a.example/", "tls": { "cert": "pkcs11:object=a?pin-value=hunter2" } } }"#,
            "config-invalid-value",
        ),
        (r#"{ "a": 1 }"#, "config-syntax"),
        ("{}", "config-syntax"),
        ("[]", "config-syntax"),
        ("", "config-syntax"),
        ("https://a.example/", "config-syntax"),
        ("{ \"a\": {", "config-syntax"),
    ] {
        let outcome = stage.run(["add", "--from", "-", "--offline"], text).await;
        assert!(outcome.status > 0 && outcome.stderr.contains(&format!("code: {code} ")), "{text}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("hunter2") && stage.beside().is_empty(), "{text}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_private_key_is_not_written() {
    let stage = Stage::new().await;
    let key = std::fs::read_to_string(&stage.client.key_file).expect("a key");
    let text = json!({ "a": { "url": "https://a.example/", "tls": { "cert": "certs/alice.pem", "key": key } } });
    let stderr = stage.run(["add", "--from", "-", "--offline"], &text.to_string()).await.failed(1);
    assert!(stderr.contains("A private key is not written") && !stderr.contains("BEGIN"), "{stderr}");
    assert!(stage.beside().is_empty());
}

#[tokio::test]
async fn what_may_be_secret_is_written_and_not_told() {
    let stage = Stage::new().await;
    let headers = json!({ "Authorization": "Bearer hunter2", "X-Both": "hunter2 {env:TOKEN}" });
    let entry = json!({ "a": { "url": "https://a.example/mcp?key=hunter2", "headers": headers } });
    let outcome = stage.run(["add", "--from", "-", "--offline"], &entry.to_string()).await;
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let told = format!("{}{}", outcome.stderr, outcome.stdout);
    assert!(
        told.contains(r#""url": "https://a.example/mcp?…","#) && told.contains(r#""X-Both": "…{env:TOKEN}""#),
        "{told}"
    );
    assert!(told.contains("the value of Authorization stands in the file itself"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(parsed(&stage.text())["mcp"], entry);
}

#[tokio::test]
async fn every_secret_that_stands_in_the_file_is_noted() {
    let stage = Stage::new().await;
    stage.has("{}");
    #[cfg(unix)]
    std::fs::set_permissions(stage.file(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("its owner");
    for (entry, note) in [
        (json!({ "url": "https://a.example/?api_key=hunter2" }), "the value of api_key in the URL stands"),
        (json!({ "url": "https://a.example/", "proxy": "http://u:hunter2@p:1" }), "the password of the proxy stands"),
        (
            json!({ "url": "https://a.example/", "headers": { "Authorization": "Bearer hunter2{def" } }),
            "the value of Authorization stands",
        ),
        (
            json!({ "command": "npx", "args": ["mcp-remote", "https://a.example/?token=${T}"], "env": { "T": "hunter2" } }),
            "the value of token in the URL stands",
        ),
    ] {
        let text = json!({ "a": entry }).to_string();
        let answer = stage.run(["add", "--from", "-", "--offline", "--json", "--force"], &text).await.succeeded();
        let notes = parsed(&answer)["notes"].to_string();
        assert!(notes.contains(note) && !answer.contains("hunter2"), "{answer}");
        assert!(!cfg!(unix) || notes.contains("(mode 0644): chmod 600 "), "{answer}");
    }
    let unknown = json!({ "a": { "url": "https://a.example/", "frob": 1 } }).to_string();
    let answer = stage.run(["add", "--from", "-", "--offline", "--json", "--force"], &unknown).await.succeeded();
    assert!(parsed(&answer)["notes"].to_string().contains("frob: unknown key, not used"), "{answer}");
}

#[tokio::test]
async fn programs_run_only_when_agreed_to() {
    let stage = Stage::new().await;
    let marker = stage.pki.dir().join("ran");
    let program = format!("touch {}", marker.display());
    let url = stage.server.url();
    let entry = json!({ "corp": { "url": url, "headers": { "X-A": format!("{{command:sh -c '{program}; echo a'}}"), "X-B": "literal" } } });
    let flags = stage.flags();
    let arguments = || ["add", "--from", "-"].into_iter().chain(flags.iter().map(String::as_str));
    let stderr = stage.run(arguments(), &entry.to_string()).await.failed(2);
    assert_snapshot!(stage.without_chance(&stderr), @r#"
    The entry `corp` as it would be written:
      {
        "url": "https://localhost:[port]/mcp",
        "headers": {
          "X-A": "{command:sh -c 'touch [home]/ran; echo a'}",
          "X-B": "…"
        },
        "tls": {
          "cert": "[home]/certs/alice.pem",
          "key": "[home]/certs/alice.key",
          "ca": "[home]/certs/server-ca.pem"
        }
      }
    It runs these programs, or loads these libraries:
      headers.X-A: sh -c 'touch [home]/ran; echo a'
    error: The pasted entry runs programs, and nobody can be asked whether it may
      why: There is no terminal. Nothing was run, sent or written.
      fix: Look at what is listed, and add --yes if it may.
     code: usage-invalid (mcp-mtls explain usage-invalid)
    "#);
    assert!(!marker.exists() && stage.beside().is_empty());
    stage.run(arguments().chain(["--yes"]), &entry.to_string()).await.succeeded();
    assert!(marker.exists());
    assert_eq!(stage.server.verified(), [stage.client.fingerprint.as_str()]);
    let exec = json!({ "exec": { "url": url, "tls": { "exec": ["sh", "-c", program] } } });
    std::fs::remove_file(&marker).expect("it ran");
    let stderr = stage.run(["add", "--from", "-"], &exec.to_string()).await.failed(2);
    assert!(stderr.contains("tls.exec: sh -c ") && !marker.exists(), "{stderr}");
    let module = json!({ "card": { "url": url, "tls": { "cert": "pkcs11:object=a", "pkcs11Module": "./evil.so" } } });
    let stderr = stage.run(["add", "--from", "-"], &module.to_string()).await.failed(2);
    assert!(stderr.contains("tls.pkcs11Module: ./evil.so"), "{stderr}");
}

#[tokio::test]
async fn an_entry_out_of_a_file_is_completed_by_flags_and_works() {
    let stage = Stage::new().await;
    let project = stage.pki.dir().join("project");
    std::fs::create_dir(&project).expect("a folder");
    std::fs::write(project.join("team"), "blue\n").expect("a file");
    let text = json!({ "mcpServers": { "corp": { "type": "http", "url": stage.server.url(), "headers": { "X-Team": "{file:./team}" } } } });
    std::fs::write(project.join(".mcp.json"), text.to_string()).expect("a file");
    let flags = stage.flags();
    let arguments = ["add", "--from", "project/.mcp.json", "--yes"].into_iter().chain(flags.iter().map(String::as_str));
    let told = stage.run(arguments, "").await.succeeded();
    assert!(told.contains("headers.X-Team: ./team is written as "), "{told}");
    let mut host = host(["corp"]).env("XDG_CONFIG_HOME", stage.pki.dir().join(".config")).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, stage.client.fingerprint);
    let team = stage.server.requests().iter().filter_map(|request| request.headers.get("x-team").cloned()).last();
    assert_eq!(team.expect("the header"), "blue");
}

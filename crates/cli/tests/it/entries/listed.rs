//! What `list` tells, and that it runs and asks nothing.

use insta::assert_snapshot;

use super::{Stage, parsed};

#[tokio::test]
async fn all_entries_are_told_and_nothing_is_run_or_asked() {
    let stage = Stage::new().await;
    let url = stage.server.url();
    let marker = stage.pki.dir().join("ran");
    let touch = format!("touch {}", marker.display());
    stage.has(&format!(
        r#"{{
  "mcp": {{
    "corp": {{ "url": "{url}?key=hunter2", "tls": {{ "cert": "~/certs/alice.pem", "key": "~/certs/alice.key" }} }},
    "open": {{ "url": "https://open.example/mcp" }},
    "off": {{ "url": "https://off.example/mcp", "enabled": false, "tls": {{ "cert": "no.pem" }} }},
    "gone": {{ "url": "https://gone.example/mcp", "tls": {{ "cert": "no.pem", "key": "no.key" }} }},
    "wrong": {{ "url": "https://wrong.example/mcp", "tls": {{ "crt": "no.pem" }} }},
    "vault": {{ "url": "https://vault.example/mcp", "tls": {{ "exec": ["{touch}"] }} }},
    "token": {{ "url": "https://token.example/mcp", "headers": {{ "X-Key": "{{command:{touch}}}" }} }},
    "card": {{ "url": "https://card.example/mcp", "tls": {{ "cert": "pkcs11:token=a;object=b", "pkcs11Module": "no.so", "passphrase": "{{env:TOKEN}}" }} }},
    "mesh": {{ "url": "https://mesh.example/mcp", "tls": {{ "spiffe": {{ "socket": "unix:///nowhere/agent.sock", "serverId": "spiffe://a/b" }} }} }}
  }}
}}"#
    ));
    let told = stage.run(["list"], "").await.succeeded();
    assert_snapshot!(stage.without_chance(&told), @r#"
    [home]/.config/mcp-mtls/config.jsonc
      corp   https://localhost:[port]/mcp
        “O=Testkit, CN=alice”, expires [date] (in 365 days)
      open   https://open.example/mcp
        no client certificate
      off    https://off.example/mcp
        disabled
      gone   https://gone.example/mcp
        broken: There is no certificate file no.pem: There is no such file. Correct
                the path, or put the file there.
      wrong
        broken: `mcp.wrong.tls.crt` is not a setting. Did you mean `cert`?
      vault  https://vault.example/mcp
        certificate by exec, not looked at: `tls.exec` runs a program, which was not
        run
      token  https://token.example/mcp
        no client certificate; `headers.X-Key` runs a program, which was not run
      card   https://card.example/mcp
        certificate by token, not looked at: the token was not asked
      mesh   https://mesh.example/mcp
        certificate by spiffe, not looked at: the SPIFFE agent was not asked
    "#);
    let answer = stage.run(["list", "--json"], "").await.succeeded();
    assert!(!marker.exists() && stage.server.server().connections().is_empty());
    assert!(!told.contains("hunter2") && !answer.contains("hunter2"), "{answer}");
    let answer = parsed(&answer);
    let states: Vec<_> = answer["entries"].as_array().expect("entries").iter().map(|entry| &entry["state"]).collect();
    let expected = ["enabled", "enabled", "disabled", "broken", "broken", "enabled", "enabled", "enabled", "enabled"];
    assert_eq!(states, expected);
    let corp = &answer["entries"][0];
    assert_eq!((&corp["identity"], &corp["certificate"]["daysLeft"]), (&"file".into(), &364.into()), "{corp:#}");
    assert_eq!(answer["entries"][3]["failure"]["code"], "file-unreadable");
}

#[tokio::test]
async fn no_entries_are_no_trouble_and_a_broken_file_is() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        let told = stage.run(["list"], "").await.succeeded();
        assert_eq!(told, "There are no entries. `mcp-mtls add NAME URL` adds one.\n");
        assert_eq!(parsed(&stage.run(["list", "--json"], "").await.succeeded())["entries"], serde_json::json!([]));
        stage.has("{ \"mcp\": {} }");
    }
    stage.has("{ \"mcp\": { }");
    let outcome = stage.run(["list"], "").await;
    assert_eq!(outcome.status, 1, "{}", outcome.stdout);
    assert!(outcome.stderr.contains("config-syntax"), "{}", outcome.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_not_be_looked_for_is_told() {
    let stage = Stage::new().await;
    // Nothing can be in what is no folder, not even for the superuser.
    stage.pki.write(".config", "");
    let outcome = stage.run(["list"], "").await;
    assert!(
        outcome.status == 1 && outcome.stderr.contains("config-unreadable"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
}

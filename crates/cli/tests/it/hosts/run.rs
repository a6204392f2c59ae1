//! Hosts that run what was written.

use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;

use super::{CONFIG, Home, parsed};
use crate::stage::{LATEST, whoami};

#[tokio::test]
async fn a_host_that_clears_the_environment_connects_with_the_entry() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::on(TlsServer::builder(&pki).tls13_only().alpn(&["h2"]), McpOptions::default()).await;
    let (cert, key, ca) = (client.cert_file.display(), client.key_file.display(), pki.server_ca_file());
    let tls = format!(r#"{{ "cert": "{cert}", "key": "{key}", "ca": "{}" }}"#, ca.display());
    let headers = r#"{ "X-Team": "{env:TEAM}" }"#;
    let entry = format!(r#"{{ "url": "{}", "headers": {headers}, "tls": {tls} }}"#, server.url());
    let home = Home::new().with("TEAM", "blue");
    home.has(CONFIG, &format!(r#"{{ "mcp": {{ "corp": {entry} }} }}"#));

    // As Codex does: the program and its arguments as they stand there, and the variables that are named.
    home.told(&["install", "codex,gemini"]);
    let text = home.text(".codex/config.toml");
    let line = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        parsed(line.unwrap_or_else(|| panic!("no {key}: {text}")))
    };
    assert_eq!(line("env_vars"), serde_json::json!(["TEAM"]));
    let words = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let program = line("command").as_str().expect("a text").to_owned();
    let mut host = Host::builder(program.as_ref()).args(words(&line("args"))).env("TEAM", "blue").spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);

    // As Gemini CLI does.
    let entry = parsed(&home.text(".gemini/settings.json"))["mcpServers"]["corp"].clone();
    assert_eq!(entry["env"], serde_json::json!({ "TEAM": "$TEAM" }));
    let program = entry["command"].as_str().expect("a text").to_owned();
    let mut host = Host::builder(program.as_ref()).args(words(&entry["args"])).env("TEAM", "green").spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    let teams: Vec<_> = server.requests().iter().filter_map(|request| request.headers.get("x-team").cloned()).collect();
    assert!(["blue", "green"].iter().all(|team| teams.iter().any(|sent| sent == team)), "{teams:?}");
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));
}

#[tokio::test]
async fn an_entry_that_is_added_can_be_installed_at_once() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::on(TlsServer::builder(&pki).tls13_only().alpn(&["h2"]), McpOptions::default()).await;
    let home = Home::new();
    std::fs::remove_file(home.path(CONFIG)).expect("it is there");
    let (cert, key, ca) = (
        client.cert_file.display().to_string(),
        client.key_file.display().to_string(),
        pki.server_ca_file().display().to_string(),
    );
    let url = server.url();
    let add = |name: &'static str, hosts: &'static str| {
        let mut command =
            home.command(&["add", name, &url, "--cert", &cert, "--key", &key, "--ca", &ca, "--install", hosts]);
        tokio::task::spawn_blocking(move || command.stdin(std::process::Stdio::null()).output().expect("it runs"))
    };
    let output = add("corp", "opencode,codex").await.expect("it ends");
    let told = home.without_chance(&String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{told}");
    for part in [
        "Added corp in [home]/.config/mcp-mtls/config.jsonc.",
        "Added corp to [home]/.config/opencode/opencode.jsonc.",
        "Added corp to [home]/.codex/config.toml.",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("A host runs it as"), "{told}");
    assert_eq!(server.verified(), [client.fingerprint.as_str()]);
    let entry = parsed(&home.text(".config/opencode/opencode.jsonc"))["mcp"]["corp"].clone();
    let words: Vec<_> = entry["command"].as_array().expect("a list").iter().filter_map(|word| word.as_str()).collect();
    let mut host = Host::builder(words[0].as_ref()).args(&words[1..]).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);

    // What a host cannot have is refused before anything is done.
    let (before, asked) = (home.text(CONFIG), server.requests().len());
    for (there, why) in [
        ("{", "The file of Gemini CLI is not valid JSON"),
        (r#"{"mcpServers":{"two":{"command":"x"}}}"#, "Gemini CLI has an entry `two` already that is not of mcp-mtls"),
    ] {
        home.has(".gemini/settings.json", there);
        let output = add("two", "gemini,codex").await.expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && told.contains(why), "{told}");
        assert_eq!((home.text(CONFIG), server.requests().len()), (before.clone(), asked));
        assert!(!home.text(".codex/config.toml").contains("mcp_servers.two"));
    }
    // What is here already is put there by `install`, since --force is for the entry here.
    let output = add("corp", "gemini").await.expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("fix: Put it into hosts with `mcp-mtls install gemini-cli corp`"), "{told}");
    // A name that a host does not take is refused before anything is done.
    let output = add("c.3", "claude").await.expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("letters, digits, `-` and `_` alone"), "{told}");
    assert_eq!((home.text(CONFIG), server.requests().len()), (before, asked));
    // And one that is not known is refused before anything is done.
    let before = home.text(CONFIG);
    let output = add("three", "emacs").await.expect("it ends");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert_eq!(home.text(CONFIG), before);
}

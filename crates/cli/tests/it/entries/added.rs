//! What `add` writes and tells, and that `connect` works with it.

use std::sync::Arc;

use insta::assert_snapshot;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::server::TlsServer;
use tokio::task::JoinSet;

use super::{Stage, parsed};
use crate::stage::{LATEST, host, whoami};

#[tokio::test]
async fn the_first_entry_makes_the_file_and_connect_works_with_it() {
    let stage = Stage::new().await;
    let more = ["-H", "X-Team: blue", "-H", "Authorization: Bearer {env:TOKEN}", "--timeout", "5000"];
    let told = stage.add("corp", &more).await.succeeded();
    assert_eq!(stage.server.verified(), [stage.client.fingerprint.as_str()]);
    assert_snapshot!(stage.without_chance(&told), @r#"
      server:      “testkit 1.0”, 6 tools
      certificate: “O=Testkit, CN=alice”, expires [date] (in 365 days); our
                   certificate was asked for, presented and accepted
      tls.cert:    certs/alice.pem is written as [home]/certs/alice.pem
      tls.key:     certs/alice.key is written as [home]/certs/alice.key
      tls.ca:      certs/server-ca.pem is written as [home]/certs/server-ca.pem

    Added corp in [home]/.config/mcp-mtls/config.jsonc.
    A host runs it as:
      mcp-mtls connect corp
    This puts it into a host:
      mcp-mtls install HOST corp
    "#);
    assert_snapshot!(stage.without_chance(&stage.text()), @r#"
    {
      "$schema": "./config.schema.json",
      "mcp": {
        "corp": {
          "url": "https://localhost:[port]/mcp",
          "headers": {
            "X-Team": "blue",
            "Authorization": "Bearer {env:TOKEN}"
          },
          "timeout": 5000,
          "tls": {
            "cert": "[home]/certs/alice.pem",
            "key": "[home]/certs/alice.key",
            "ca": "[home]/certs/server-ca.pem"
          }
        }
      }
    }
    "#);
    assert_eq!(stage.beside(), ["config.jsonc", "config.schema.json"]);
    #[cfg(unix)]
    for (path, mode) in [(stage.file(), 0o600), (stage.file().parent().expect("a folder").to_owned(), 0o700)] {
        let permissions = path.metadata().expect("it is there").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, mode, "{}", path.display());
    }
    let schema = parsed(&std::fs::read_to_string(stage.file().with_file_name("config.schema.json")).expect("schema"));
    assert_eq!(schema, mcp_mtls_core::config::schema());
    // Hosts start it in any folder.
    let mut host =
        host(["corp"]).env("XDG_CONFIG_HOME", stage.pki.dir().join(".config")).env("TOKEN", "hunter2").spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, stage.client.fingerprint);
    let team = stage.server.requests().iter().filter_map(|request| request.headers.get("x-team").cloned()).last();
    assert_eq!(team.expect("the header"), "blue");
}

#[tokio::test]
async fn a_file_that_is_there_keeps_all_else() {
    let stage = Stage::new().await;
    let before = "// mine\r\n{\r\n\t\"theme\": 1.50, /* x */\r\n\t\"mcpServers\": {\r\n\t\t// the old one\r\n\t\t\"old\": { \"url\": \"https://old.example/mcp\", }, // old\r\n\t},\r\n}\r\n";
    stage.has(before);
    let told = stage.add("corp", &[]).await.succeeded();
    assert!(told.contains("config.jsonc.mcp-mtls-backup"), "{told}");
    assert_eq!(stage.beside(), ["config.jsonc", "config.jsonc.mcp-mtls-backup"]);
    assert_eq!(
        std::fs::read_to_string(stage.file().with_file_name("config.jsonc.mcp-mtls-backup")).expect("a backup"),
        before
    );
    let text = stage.text();
    let (head, tail) = before.split_at(before.find(" // old\r\n\t}").expect("its end") + " // old\r\n".len());
    assert!(text.starts_with(head) && text.ends_with(tail), "{text}");
    assert!(text.contains("\r\n\t\t\"corp\": {\r\n\t\t\t\"url\": \""), "{text}");
    let removed = stage.run(["remove", "corp"], "").await.succeeded();
    assert!(removed.contains("Removed corp from "), "{removed}");
    assert_eq!(stage.text(), before);
}

#[tokio::test]
async fn an_entry_of_that_name_is_replaced_when_asked() {
    let stage = Stage::new().await;
    stage.has("{\n  \"mcp\": {\n    // mine\n    \"corp\": { \"url\": \"https://old.example/mcp?key=hunter2\" },\n    \"b\": { \"url\": \"https://b.example/mcp\" }\n  }\n}\n");
    let before = stage.text();
    let refused = stage.add("corp", &[]).await.failed(1);
    assert_snapshot!(stage.without_chance(&refused), @r#"
    error: There is an entry `corp` already
    where: [home]/.config/mcp-mtls/config.jsonc, mcp.corp
      why: Its URL is https://old.example/mcp.
      fix: Replace it with --force, or give another name.
     code: config-conflict (mcp-mtls explain config-conflict)
    "#);
    assert_eq!((stage.text(), stage.server.verified().len()), (before, 0));
    let told = stage.add("corp", &["--force"]).await.succeeded();
    assert!(told.contains("Replaced corp in "), "{told}");
    let text = stage.text();
    assert!(
        text.starts_with("{\n  \"mcp\": {\n    // mine\n    \"corp\": {\n      \"url\": \"https://localhost:"),
        "{text}"
    );
    assert!(text.ends_with("    },\n    \"b\": { \"url\": \"https://b.example/mcp\" }\n  }\n}\n"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_named_stands_alone() {
    let stage = Stage::new().await;
    let told = stage.add("corp", &["--config", "team/mcp.jsonc"]).await.succeeded();
    assert!(told.contains("mcp-mtls connect corp --config "), "{told}");
    let file = stage.pki.dir().join("team/mcp.jsonc");
    let mut host = host(["corp".as_ref(), "--config".as_ref(), file.as_os_str()]).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, stage.client.fingerprint);
    assert!(!stage.file().exists());
}

#[tokio::test]
async fn offline_the_server_is_not_asked() {
    let stage = Stage::new().await;
    let told = stage.add("corp", &["--offline"]).await.succeeded();
    assert_snapshot!(stage.without_chance(&told), @r#"
      certificate: “O=Testkit, CN=alice”, expires [date] (in 365 days)
      server:      not asked, since --offline was given
      tls.cert:    certs/alice.pem is written as [home]/certs/alice.pem
      tls.key:     certs/alice.key is written as [home]/certs/alice.key
      tls.ca:      certs/server-ca.pem is written as [home]/certs/server-ca.pem

    Added corp in [home]/.config/mcp-mtls/config.jsonc.
    A host runs it as:
      mcp-mtls connect corp
    This puts it into a host:
      mcp-mtls install HOST corp
    "#);
    assert_eq!(stage.server.server().connections().len(), 0);
    assert!(stage.text().contains("\"corp\""));
}

#[tokio::test]
async fn a_variable_of_the_host_may_be_unset_offline() {
    let stage = Stage::new().await;
    let header = ["-H", "Authorization: Bearer {env:MCP_MTLS_SURELY_UNSET}"];
    let refused = stage.add("corp", &header).await.failed(1);
    assert!(refused.contains("Or set MCP_MTLS_SURELY_UNSET for this command, too."), "{refused}");
    let told = stage.add("corp", &[&header[..], &["--offline"]].concat()).await.succeeded();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("MCP_MTLS_SURELY_UNSET is not set here; the host must set it"), "{told}");
    let file = parsed(&stage.text());
    assert_eq!(file["mcp"]["corp"]["headers"]["Authorization"], "Bearer {env:MCP_MTLS_SURELY_UNSET}");
}

#[tokio::test]
async fn programs_are_told_the_same() {
    let stage = Stage::new().await;
    let answer = parsed(&stage.add("corp", &["--json"]).await.succeeded());
    assert_eq!((&answer["name"], &answer["replaced"], &answer["backup"]), (&"corp".into(), &false.into(), &().into()));
    assert_eq!(answer["report"]["healthy"], true);
    assert_eq!(answer["paths"][0]["setting"], "tls.cert");
    let answer = stage.add("corp", &["--json"]).await;
    assert_eq!((answer.status, answer.stderr.as_str()), (1, ""), "{}", answer.stdout);
    assert_eq!(parsed(&answer.stdout)["error"]["code"], "config-conflict");
}

#[tokio::test]
async fn a_server_without_certificates_is_added_with_its_url_alone() {
    let mut stage = Stage::new().await;
    let plain = TlsServer::builder(&stage.pki).plain();
    stage.server = McpServer::on(plain, McpOptions::default()).await;
    let told = stage.run(["add", "open", &stage.server.url()], "").await.succeeded();
    assert!(told.contains("6 tools") && !told.contains("certificate:"), "{told}");
    let file = parsed(&stage.text());
    assert_eq!(file["mcp"]["open"], serde_json::json!({ "url": stage.server.url() }));
}

#[cfg(unix)]
#[tokio::test]
async fn many_at_the_same_time_wait_for_each_other() {
    let stage = Arc::new(Stage::new().await);
    let all: Vec<_> = (0..20).map(|at| (format!("a{at}"), format!("https://a{at}.example/mcp"))).collect();
    let at_once = async |arguments: &dyn Fn(&str, &str) -> Vec<String>| {
        let mut runs = JoinSet::new();
        for (name, url) in &all {
            let (stage, arguments) = (stage.clone(), arguments(name, url));
            runs.spawn(async move { stage.run(arguments, "").await.succeeded() });
        }
        runs.join_all().await;
    };
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for before in [None, Some("{\n  // mine\n  \"mcp\": {}\n}\n")] {
        before.inspect(|text| stage.has(text));
        at_once(&|name, url| of(&["add", name, url, "--offline"])).await;
        let file = parsed(&stage.text().replace("// mine", ""));
        for (name, url) in &all {
            assert_eq!(file["mcp"][name], serde_json::json!({ "url": url }));
        }
        assert!(before.is_none() || stage.text().contains("  // mine\n"));
        at_once(&|name, _| of(&["remove", name])).await;
        assert_eq!(parsed(&stage.text().replace("// mine", ""))["mcp"], serde_json::json!({}));
        std::fs::remove_file(stage.file()).expect("the file");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_linked_file_is_changed_where_it_is() {
    let stage = Stage::new().await;
    let real = stage.pki.write("dotfiles.jsonc", "{}\n");
    std::fs::create_dir_all(stage.file().parent().expect("a folder")).expect("a folder");
    std::os::unix::fs::symlink(&real, stage.file()).expect("a link");
    stage.add("corp", &[]).await.succeeded();
    assert!(stage.file().is_symlink());
    assert!(std::fs::read_to_string(real).expect("the file").contains("\"corp\""));
}

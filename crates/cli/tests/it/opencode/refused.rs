//! What a cloned repository may not do. The server sees no connection in any of these.

use serde_json::{Value, json};

use super::{Stage, USER};

const CHANGES: &str = "project-changes-entry";
const UNTRUSTED: &str = "project-not-trusted";

#[tokio::test]
async fn a_project_changes_nothing_of_an_entry_that_is_the_users() {
    for (key, changed) in [
        ("url", json!({ "type": "remote", "url": "https://evil.example/" })),
        ("headers.X-A", json!({ "headers": { "X-A": "1" } })),
        ("headers", json!({ "headers": {} })),
        ("proxy", json!({ "proxy": "http://evil.example/" })),
        ("tls.key", json!({ "tls": { "key": "other.key" } })),
        ("tls.ca", json!({ "tls": { "ca": "evil.pem" } })),
        ("tls", json!({ "tls": null })),
        ("type", json!({ "type": "sse" })),
        ("oauth", json!({ "oauth": false })),
        ("command", json!({ "command": ["evil"] })),
        ("unheard-of", json!({ "unheard-of": 1 })),
    ] {
        let stage = Stage::new().await;
        stage.mine(&stage.entry());
        for path in ["clone/opencode.json", "clone/.opencode/opencode.jsonc"] {
            stage.corp(path, &changed);
            let error = stage.refused(CHANGES).await;
            let place = format!("{}:1, mcp.corp.{key}", stage.home().join(path).display());
            assert!(error["where"].as_array().expect("places").contains(&json!(place)), "{place}: {error:#}");
            std::fs::remove_file(stage.home().join(path)).expect("it is there");
        }
        stage.is_used().await;
    }
}

#[tokio::test]
async fn nor_is_trust_of_any_help() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    stage.corp("clone/opencode.json", &json!({ "type": "remote", "url": "https://evil.example/" }));
    let told = stage.run(&["trust", "--yes"]).succeeded();
    assert!(told.contains("nothing to trust") && told.contains("The entry `corp` is yours"), "{told}");
    stage.refused(CHANGES).await;
}

#[tokio::test]
async fn nor_by_the_options_of_a_plugin_nor_as_the_next_version_writes_it() {
    let moved = json!({ "corp": { "type": "remote", "url": "https://evil.example/" } });
    for text in [
        json!({ "plugin": [["mcp-mtls", { "mcp": moved }]] }),
        json!({ "plugin": [["any", { "mcp": moved }]] }),
        json!({ "mcp": { "servers": moved } }),
        json!({ "mcp": { "servers": { "corp": { "enabled": true } } } }),
        json!({ "plugins": [{ "package": "mcp-mtls", "options": { "mcp": moved } }] }),
        json!({ "plugins": [["mcp-mtls", { "mcp": { "corp": { "enabled": true } } }]] }),
    ] {
        let stage = Stage::new().await;
        stage.mine(&stage.entry());
        stage.file("clone/opencode.json", &text.to_string());
        stage.refused(CHANGES).await;
    }
}

#[tokio::test]
async fn what_stands_where_the_next_version_looks_for_it_does_not_go_out_plain() {
    let stage = Stage::new().await;
    let (url, tls) = (stage.server.url(), json!({ "corp": { "tls": stage.tls() } }));
    for plugins in [json!([["mcp-mtls", { "mcp": tls }]]), json!([{ "package": "x", "options": { "mcp": tls } }])] {
        let text = json!({ "mcp": { "corp": { "type": "remote", "url": url } }, "plugins": plugins });
        stage.file(USER, &text.to_string());
        let error = stage.refused("config-invalid-value").await;
        assert!(error["what"].as_str().expect("text").contains("stands in `plugins`"), "{error:#}");
        assert_eq!(stage.resolved()["mcp"]["corp"]["command"][1], "connect");
    }
}

#[tokio::test]
async fn nor_by_writing_what_is_no_entry() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    for text in [r#"{ "mcp": { "corp": null } }"#, r#"{ "mcp": { "corp": [] } }"#] {
        stage.file("clone/opencode.json", text);
        let error = stage.refused(CHANGES).await;
        assert!(error["what"].as_str().expect("text").ends_with("opencode.json:1 sets it"), "{error:#}");
    }
}

#[tokio::test]
async fn nor_does_it_add_a_certificate_to_what_the_user_has_without() {
    let stage = Stage::new().await;
    let url = stage.server.url();
    for own in [json!({ "type": "remote", "url": url }), json!({ "type": "local", "command": ["true"] })] {
        stage.mine(&own);
        stage.corp("clone/opencode.json", &stage.entry());
        stage.refused(CHANGES).await;
    }
}

#[tokio::test]
async fn nor_do_the_users_files_complete_an_entry_of_the_project() {
    let stage = Stage::new().await;
    stage.mine(&json!({ "tls": stage.tls() }));
    stage.corp("clone/opencode.json", &json!({ "type": "remote", "url": stage.server.url() }));
    stage.refused(CHANGES).await;
}

#[tokio::test]
async fn an_entry_of_the_project_alone_needs_trust_in_every_place() {
    for path in [
        "clone/opencode.json",
        "clone/opencode.jsonc",
        "clone/.opencode/opencode.json",
        "clone/named.json",
        "clone/folder/opencode.jsonc",
    ] {
        let stage =
            Stage::new().await.with("OPENCODE_CONFIG", "clone/named.json").with("OPENCODE_CONFIG_DIR", "clone/folder");
        stage.corp(path, &stage.entry());
        let error = stage.refused(UNTRUSTED).await;
        assert!(error["where"][0].as_str().expect("a place").ends_with("mcp.corp.tls.ca"), "{error:#}");
    }
}

#[tokio::test]
async fn whatever_it_would_run_send_or_load() {
    let stage = Stage::new().await;
    let marker = stage.home().join("ran");
    let touch = format!("touch {}", marker.display());
    let with = |key: &str, value: Value| {
        let mut entry = stage.entry();
        entry["tls"][key] = value;
        entry
    };
    let mut sends = stage.entry();
    sends["headers"] = json!({ "X-A": format!("{{command:{touch}}}"), "X-B": "{file:~/secret}", "X-C": "{env:HOME}" });
    for entry in [
        sends,
        with("exec", json!(["sh", "-c", touch])),
        with("passphrase", json!(format!("{{command:{touch}}}"))),
        with("cert", json!("pkcs11:object=a?module-path=./evil.so")),
        with("pkcs11Module", json!("./evil.so")),
    ] {
        stage.corp("clone/opencode.json", &entry);
        stage.refused(UNTRUSTED).await;
        assert_eq!(stage.run(&["doctor", "--opencode", "."]).status, 1);
        stage.resolved();
        assert!(!marker.exists(), "{entry}");
    }
}

#[tokio::test]
async fn what_was_meant_to_be_tls_does_not_go_out_without_it() {
    let stage = Stage::new().await;
    let refused = async |entry: &Value, told: &str| {
        stage.mine(entry);
        let error = stage.refused("config-unknown-key").await;
        assert!(error["fix"][0].as_str().expect("text").contains(told), "{error:#}");
        let resolved = stage.resolved();
        assert_eq!(resolved["mcp"]["corp"]["command"][1], "connect", "{entry}");
        assert!(resolved["notes"][0].as_str().expect("text").contains("is not a setting"), "{resolved}");
        let doctor = stage.run(&["doctor", "--opencode", "."]);
        assert!(doctor.status == 1 && doctor.stdout.contains("config-unknown-key"), "{}", doctor.stdout);
    };
    let url = stage.server.url();
    for key in [
        "tsl",
        "tlss",
        "tls_",
        "tls ",
        " tls",
        "tl",
        "ts",
        "lts",
        "TLS",
        "Tls",
        "mtls",
        "mTLS",
        "ssl",
        "SSL",
        "ssl_",
        "tls2",
        "tlsConfig",
        "tls-options",
        "mutualTls",
    ] {
        refused(&json!({ "type": "remote", "url": url, key: stage.tls() }), "`tls`").await;
    }
    for (key, meant) in
        [("cert", "cert"), ("CA", "ca"), ("server_name", "serverName"), ("clientCert", "cert"), ("pfx", "cert")]
    {
        refused(&json!({ "url": url, key: "x" }), &format!("\"tls\": {{ \"{meant}\": … }}")).await;
    }
    // What opencode starts by itself has no TLS of ours, whatever its keys are called.
    stage.mine(&json!({ "type": "local", "command": ["true"], "tsl": {}, "cert": "x", "tls": {} }));
    assert_eq!(stage.resolved(), json!({ "mcp": {}, "notes": [] }));
    // Unless another file says that it is none of these.
    stage.corp(".config/opencode/config.json", &json!({ "type": "remote", "url": url }));
    assert_eq!(stage.resolved()["mcp"]["corp"]["command"][1], "connect");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_makes_no_file_of_a_project_the_users() {
    let stage = Stage::new().await.with("OPENCODE_CONFIG", "link.json");
    stage.corp("clone/hidden.json", &stage.entry());
    link(&stage, "clone/hidden.json", "link.json");
    stage.refused(UNTRUSTED).await;

    // Nor one in a folder that a link of the project leads to.
    let stage = Stage::new().await.with("OPENCODE_CONFIG", "clone/way/deep/named.json");
    stage.corp("elsewhere/deep/named.json", &stage.entry());
    link(&stage, "elsewhere", "clone/way");
    stage.refused(UNTRUSTED).await;
    let stage = Stage::new().await.with("OPENCODE_CONFIG_DIR", "folder");
    stage.corp("clone/hidden.json", &stage.entry());
    std::fs::create_dir(stage.home().join("folder")).expect("a folder");
    link(&stage, "clone/hidden.json", "folder/opencode.json");
    stage.refused(UNTRUSTED).await;

    // Relative paths in the user's file would become those of the project.
    let stage = Stage::new().await;
    stage.corp("mine/opencode.json", &stage.entry());
    link(&stage, "mine/opencode.json", "clone/opencode.json");
    stage.refused(UNTRUSTED).await;
}

#[cfg(unix)]
#[tokio::test]
async fn nor_does_the_way_in_which_the_folder_is_named() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    stage.corp("clone/opencode.json", &json!({ "type": "remote", "url": "https://evil.example/" }));
    std::fs::create_dir_all(stage.clone().join("deep/er")).expect("a folder");
    link(&stage, "clone/deep", "way");
    for directory in ["clone/deep/er", "way", "way/er", "clone/deep/../deep/er/..", "clone/."] {
        let error = stage.connected(&stage.home().join(directory)).await.expect_err("it is refused");
        assert_eq!(error["code"], CHANGES, "{directory}: {error:#}");
    }
}

#[tokio::test]
async fn without_a_repository_every_folder_above_is_the_projects() {
    let stage = Stage::new().await;
    std::fs::create_dir_all(stage.home().join("plain/deep")).expect("a folder");
    stage.corp("plain/opencode.json", &stage.entry());
    let error = stage.connected(&stage.home().join("plain/deep")).await.expect_err("it is refused");
    assert_eq!(error["code"], UNTRUSTED, "{error:#}");
    // Within a repository what is above it is not read.
    std::fs::create_dir_all(stage.home().join("plain/deep/.git")).expect("a folder");
    let error = stage.connected(&stage.home().join("plain/deep")).await.expect_err("there is none");
    assert_eq!(error["code"], "config-no-such-entry", "{error:#}");
}

#[tokio::test]
async fn what_opencode_would_read_otherwise_is_refused() {
    for (text, code) in [
        (r#"{ "mcp": { "corp": {}, "{env:X}corp": {} } }"#, "config-invalid-value"),
        (r#"{ "{file:x}": 1 }"#, "config-invalid-value"),
        (r#"{ "__proto__": { "mcp": {} } }"#, "config-invalid-value"),
        (r#"{ "mcp": { "__proto__": { "corp": {} } } }"#, "config-invalid-value"),
        (r#"{ "mcp": { "a": { "__proto__": { "url": "x" } } } }"#, "config-invalid-value"),
        (r#"{ "mcp": {}, "mcp": { "corp": {} } }"#, "config-conflict"),
        (r#"{ "mcp": { "a": { "url": "x", "url": "y" } } }"#, "config-conflict"),
        (r#"{ "mcp": [] }"#, "config-invalid-value"),
        (r#"{ "mcp": {file:x} }"#, "config-syntax"),
        ("[]", "config-syntax"),
        ("\u{0}", "config-syntax"),
    ] {
        let stage = Stage::new().await;
        stage.mine(&stage.entry());
        stage.file("clone/opencode.json", text);
        stage.refused(code).await;
        stage.run(&["hosts", "opencode", "resolve", "--directory", "."]).failed(1);
        // Such as opencode makes of nothing.
        stage.file("clone/opencode.json", "");
        stage.is_used().await;
    }
}

#[tokio::test]
async fn variables_name_files_by_their_whole_paths() {
    for name in ["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "XDG_CONFIG_HOME"] {
        let stage = Stage::new().await.set(name, "opencode.json".to_owned());
        stage.mine(&stage.entry());
        let error = stage.refused("config-invalid-value").await;
        assert_eq!(error["where"][0], format!("the environment variable {name}"));
    }
}

#[tokio::test]
async fn no_value_is_told() {
    let stage = Stage::new().await;
    let mut entry = stage.entry();
    entry["headers"] = json!({ "Authorization": "Bearer hunter2" });
    entry["url"] = json!("https://hunter2:hunter2@localhost/?hunter2");
    stage.corp("clone/opencode.json", &entry);
    stage.file(USER, &json!({ "mcp": { "other": entry } }).to_string());
    let resolved = stage.resolved().to_string();
    let trust = stage.run(&["trust"]).failed(2);
    assert!(resolved.contains("corp") && trust.contains("Authorization"), "{resolved}{trust}");
    assert!(!resolved.contains("hunter2") && !trust.contains("hunter2"), "{resolved}{trust}");
}

#[tokio::test]
async fn what_a_host_shows_is_short_whatever_the_names_are() {
    let stage = Stage::new().await;
    let (long, key) = ("n".repeat(300), "k".repeat(300));
    let map = |entry: Value| json!({ "mcp": { long.clone(): entry } }).to_string();
    stage.file(USER, &map(stage.entry()));
    let path = format!("clone/{0}/{0}/{0}", "p".repeat(60));
    for theirs in [json!({ key: 1 }), json!({ "headers": { "X-Ten-Chars": "1" } })] {
        stage.file(&format!("{path}/opencode.json"), &map(theirs));
        let directory = stage.home().join(&path);
        let host = crate::stage::host(["--opencode", directory.to_str().expect("UTF-8"), &long]);
        let host = stage.variables.iter().fold(host, |host, (name, value)| host.env(name, value));
        let error = crate::stage::refusal(&mut host.home(&stage.home()).spawn()).await;
        assert_eq!(error["data"]["code"], CHANGES, "{error:#}");
    }
    stage.file(USER, "{}");
    stage.corp(&format!("{path}/opencode.json"), &stage.entry());
    let error = stage.connected(&stage.home().join(&path)).await.expect_err("it is refused");
    assert_eq!(error["fix"][0], "See what it does, and allow it, with `mcp-mtls trust DIR`.");
    assert!(error["why"].to_string().contains(&format!("DIR is {}", stage.home().join(&path).display())), "{error:#}");
}

#[tokio::test]
async fn files_that_keep_anybody_waiting_are_refused() {
    let stage = Stage::new().await;
    stage.mine(&stage.entry());
    let many: serde_json::Map<_, _> = (0..300).map(|n| (n.to_string(), json!({ "tls": {} }))).collect();
    stage.file("clone/opencode.json", &json!({ "mcp": many }).to_string());
    let error = stage.refused("config-invalid-value").await;
    assert!(error["what"].as_str().expect("text").contains("more than 256 entries"), "{error:#}");
    let maps = vec![json!(["any", { "mcp": {} }]); 17];
    stage.file("clone/opencode.json", &json!({ "plugin": maps }).to_string());
    let error = stage.refused("config-invalid-value").await;
    assert!(error["what"].as_str().expect("text").contains("more than 16 maps"), "{error:#}");
    for (path, most) in [("clone/opencode.json", 256), (".opencode/opencode.json", 1024)] {
        let with = |size: usize| stage.file(path, &format!("{{ \"mcp\": {{}} {} }}", " ".repeat(size)));
        with(most << 10);
        let error = stage.refused("config-unreadable").await;
        assert!(error["why"].to_string().contains(&format!("more than {most} KiB")), "{error:#}");
        with((most << 10) - 20);
        stage.is_used().await;
    }
    std::fs::remove_file(stage.clone().join("opencode.json")).expect("it is there");
    #[cfg(unix)]
    {
        let pipe = stage.clone().join("opencode.json");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        assert!(stage.refused("config-unreadable").await["why"].to_string().contains("It is no file"));
        std::fs::remove_file(pipe).expect("it is there");
    }
    let stage = stage.set("OPENCODE_CONFIG", "/dev/null".to_owned());
    stage.is_used().await;
}

#[cfg(unix)]
fn link(stage: &Stage, to: &str, at: &str) {
    std::os::unix::fs::symlink(stage.home().join(to), stage.home().join(at)).expect("a link");
}

//! What is refused, and that nothing is written then.

use super::Stage;

/// Runs `add` with these arguments, which must fail with this status and code; the file stays as it is.
async fn refuses(stage: &Stage, arguments: &[&str], status: i32, code: &str) -> String {
    let before = (stage.beside(), std::fs::read(stage.file()).ok());
    let stderr = stage.run([&["add"], arguments].concat(), "").await.failed(status);
    assert!(stderr.contains(&format!("code: {code} ")), "{arguments:?}: {stderr}");
    assert_eq!((stage.beside(), std::fs::read(stage.file()).ok()), before, "{arguments:?}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
    stderr
}

#[tokio::test]
async fn what_connect_refuses_is_not_written() {
    let stage = Stage::new().await;
    let url = stage.server.url();
    let key = std::fs::read_to_string(&stage.client.key_file).expect("a key");
    let missing = "certs/no.pem";
    for (flags, status, code) in [
        (&["-H", "Authorization: Bearer hunter2"][..], 2, "secret-in-arguments"),
        (&[&format!("--cert={key}")], 2, "secret-in-arguments"),
        (&["--passphrase", "hunter2", "--cert", "certs/alice.pem"], 2, "secret-in-arguments"),
        (&["--key", "certs/alice.key"], 1, "config-conflict"),
        (&["--cert", missing, "--key", missing], 1, "file-unreadable"),
        (&["--cert", "certs/alice.pem"], 1, "key-missing"),
        (&["--ca", missing], 1, "file-unreadable"),
        (&["--ca", "certs/alice.key"], 1, "material-invalid"),
        (&["--timeout", "0"], 1, "config-invalid-value"),
        (&["--cert", "{env:MCP_MTLS_SURELY_UNSET}"], 1, "reference-unresolved"),
        (&["-H", "no header"], 1, "config-invalid-value"),
    ] {
        refuses(&stage, &[&["corp", &url], flags].concat(), status, code).await;
        refuses(&stage, &[&["corp", &url, "--offline"], flags].concat(), status, code).await;
    }
    refuses(&stage, &["corp", "http://corp.example/mcp", "--offline"], 1, "config-invalid-value").await;
    assert_eq!(stage.server.server().connections().len(), 0);
    assert!(!stage.file().exists());
}

#[tokio::test]
async fn what_is_typed_needs_no_yes() {
    let stage = Stage::new().await;
    refuses(&stage, &["corp", &stage.server.url(), "--offline", "--yes"], 2, "usage-invalid").await;
}

#[tokio::test]
async fn names_that_a_host_could_not_take_are_not_written() {
    let stage = Stage::new().await;
    for name in ["", "a b", "https://x", "ä", ".a", "a/b", "a\u{1b}b", &"a".repeat(65)] {
        refuses(&stage, &[name, &stage.server.url(), "--offline"], 2, "usage-invalid").await;
    }
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_written_only_offline() {
    let mut stage = Stage::new().await;
    stage.client = stage.pki.stranger_client();
    for file in [&stage.client.cert_file, &stage.client.key_file] {
        std::fs::copy(file, stage.pki.dir().join("certs").join(super::name(file))).expect("a copy");
    }
    let stderr = stage.add("corp", &[]).await.failed(1);
    assert!(stderr.contains("code: certificate-refused "), "{stderr}");
    assert!(stderr.contains("The entry was not written.") && stderr.contains("--offline"), "{stderr}");
    assert!(stage.beside().is_empty());
    stage.add("corp", &["--offline"]).await.succeeded();
    assert!(stage.file().exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_touched() {
    let stage = Stage::new().await;
    for (text, line, code) in [
        ("{\n  \"mcp\": {\n    \"a\": { \"url\": \"x\" }\n    \"b\": {}\n  }\n}\n", 3, "config-syntax"),
        ("{\n  mcp: {}\n}", 2, "config-syntax"),
        ("[]", 1, "config-invalid-value"),
        ("{\n\n  \"mcp\": []\n}", 3, "config-invalid-value"),
        ("{ \"mcp\": { \"a\": {} },\n  \"servers\": { \"a\": {} } }", 2, "config-conflict"),
    ] {
        stage.has(text);
        for arguments in [&["corp", "https://corp.example/mcp", "--offline"][..]] {
            let stderr = refuses(&stage, arguments, 1, code).await;
            assert!(stderr.contains(&format!("config.jsonc:{line}")), "{stderr}");
        }
        assert_eq!(stage.text(), text);
    }
    stage.has("{\n  \"mcp\": {\n    \"a\": { \"url\": \"x\" }\n    \"b\": {}\n  }\n}\n");
    let stderr = stage.run(["remove", "a"], "").await.failed(1);
    assert!(stderr.contains("config.jsonc:3") && stderr.contains("config-syntax"), "{stderr}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new().await;
    stage.has("{}");
    let folder = stage.file().parent().expect("a folder").to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).expect("its owner");
    // The superuser may write everywhere but into a file.
    let root = std::fs::write(folder.join("probe"), "").is_ok();
    let config = if root { stage.file().join("config.jsonc") } else { stage.file() };
    let config = config.display().to_string();
    let stderr = stage.add("corp", &["--offline", "--config", &config]).await.failed(1);
    let code = if root { "config-unreadable" } else { "file-unwritable" };
    assert!(stderr.contains(code), "{stderr}");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("its owner");
    assert_eq!(stage.text(), "{}");
}

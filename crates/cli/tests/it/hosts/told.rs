//! What deserves a word.

use super::{CONFIG, CORP, Home};

#[test]
fn a_variable_is_passed_by_its_name_and_never_by_its_value() {
    for (host, file, written) in [
        ("codex", ".codex/config.toml", r#"env_vars = ["TOKEN", "NOT_SET", "HTTPS_PROXY"]"#),
        ("gemini", ".gemini/settings.json", r#""TOKEN": "$TOKEN""#),
        ("hermes", ".hermes/config.yaml", "${TOKEN}"),
    ] {
        let home = Home::new().with("HTTPS_PROXY", "http://u:hunter2@proxy.example:8080");
        home.has(CONFIG, &CORP.replace("{env:TOKEN}", "{env:TOKEN}{env:NOT_SET}"));
        let told = home.told(&["install", host]).split_whitespace().collect::<Vec<_>>().join(" ");
        let text = home.text(file);
        assert!(text.contains(written), "{host}: {text}");
        assert!(!text.contains("hunter2") && !told.contains("hunter2"), "{host}: {text}{told}");
        assert!(told.contains("NOT_SET is not set here"), "{host}: {told}");
        assert!(told.contains("passes TOKEN, NOT_SET, HTTPS_PROXY on to corp; no value is written"), "{host}: {told}");
    }
    // These give a server all that they have.
    for (host, file) in [
        ("opencode", ".config/opencode/opencode.jsonc"),
        ("claude", ".claude.json"),
        ("copilot", ".copilot/mcp-config.json"),
    ] {
        let home = Home::new();
        home.told(&["install", host]);
        assert!(!home.text(file).contains("TOKEN"), "{host}");
    }
}

#[test]
fn a_reference_that_would_arrive_as_such_is_told_or_left_out() {
    let home = Home::new().with("HTTPS_PROXY", "http://proxy.example:8080");
    let told = home.told(&["install", "hermes"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("arrives as the text ${TOKEN}: Hermes must always have"), "{told}");
    let told = home.told(&["install", "roo"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("arrives as the text ${env:TOKEN}: Roo Code must always have"), "{told}");
    let home = Home::new();
    home.has(CONFIG, &CORP.replace(r#""cert": "~/me.pem", "key": "~/me.key""#, r#""spiffe": {}"#));
    let told = home.told(&["install", "hermes,gemini"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let text = home.text(".hermes/config.yaml");
    assert!(text.contains("${TOKEN}") && !text.contains("SPIFFE_ENDPOINT_SOCKET"), "{text}");
    assert!(told.contains("Hermes is not told to give it to corp: set it and run this again"), "{told}");
    // With an empty value it is as if it were not set.
    assert!(home.text(".gemini/settings.json").contains("$SPIFFE_ENDPOINT_SOCKET"));
}

#[test]
fn a_project_has_a_next_step_of_its_own() {
    let home = Home::new();
    std::fs::create_dir(home.path("work")).expect("a folder");
    for (host, next) in [("codex", "in projects that it trusts"), ("claude", "approve the server when it asks")] {
        let told = home.told(&["install", host, "--project=work"]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(next), "{told}");
        assert!(!home.told(&["install", host]).contains(next));
    }
    // The one that is not shared.
    assert!(home.told(&["install", "devin", "--project=work"]).contains(".devin/mcp_config.local.json;"));
}

#[test]
fn what_a_host_gives_to_no_server_is_told() {
    let home = Home::new().with("HTTPS_PROXY", "http://proxy.example:8080");
    for host in ["claude-desktop", "continue"] {
        let told = home.told(&["install", host]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("write {file:PATH} instead of {env:TOKEN} in headers.Authorization"), "{told}");
        assert!(told.contains("set `proxy` in the entry"), "{told}");
    }
}

#[test]
fn a_host_that_would_not_wait_long_enough_is_told_to() {
    for (host, file, written) in [
        ("opencode", ".config/opencode/opencode.jsonc", "\"timeout\": 60000"),
        ("codex", ".codex/config.toml", "startup_timeout_sec = 45"),
        ("cline", ".cline/data/settings/cline_mcp_settings.json", "\"timeout\": 60"),
    ] {
        let home = Home::new();
        home.has(CONFIG, &CORP.replace("\"url\"", "\"timeout\": 40000, \"url\""));
        home.told(&["install", host]);
        assert!(home.text(file).contains(written), "{host}: {}", home.text(file));
    }
    for (host, written) in
        [("zed", "\"timeout\": 125\n"), ("continue", "connectionTimeout: 125000"), ("librechat", "initTimeout: 125000")]
    {
        let home = Home::new();
        assert!(!home.told(&["install", host]).to_lowercase().contains("timeout"), "{host}");
        home.has(CONFIG, &CORP.replace("\"url\"", "\"timeout\": 120000, \"url\""));
        let told = home.told(&["install", host]);
        assert!(told.contains(written), "{told}");
    }
    // Their limits are those of calls, too: they stay where they are long enough, and are not made shorter.
    let home = Home::new();
    home.has(CONFIG, &CORP.replace("\"url\"", "\"timeout\": 120000, \"url\""));
    home.told(&["install", "copilot"]);
    assert!(home.text(".copilot/mcp-config.json").contains("\"timeout\": 180000"));
    let home = Home::new();
    home.has(CONFIG, &CORP.replace("\"url\"", "\"timeout\": 2000, \"url\""));
    home.told(&["install", "cline"]);
    assert!(!home.text(".cline/data/settings/cline_mcp_settings.json").contains("timeout"));
    let home = Home::new();
    home.has(CONFIG, &CORP.replace("\"url\"", "\"timeout\": 40000, \"url\""));
    let told = home.told(&["install", "claude"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("Claude Code waits 30 s: set MCP_TIMEOUT=45000"), "{told}");
    let home = Home::new();
    home.told(&["install", "codex,opencode"]);
    assert!(!home.text(".codex/config.toml").contains("timeout"));
}

#[test]
fn a_program_in_the_folder_of_a_build_gets_a_word_and_a_link_in_path_is_kept() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("target/debug")).expect("a folder");
    let built = home.path("target/debug").join(home.program().file_name().expect("a name"));
    std::fs::rename(home.program(), &built).expect("moved");
    let output = std::process::Command::new(&built)
        .env_clear()
        .env("HOME", home.path(""))
        .env("USERPROFILE", home.path(""))
        .args(["install", "codex"])
        .output()
        .expect("it runs");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains("is in the folder of a build"), "{told}");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&built, home.path("link")).expect("a link");
        std::fs::create_dir(home.path("stable")).expect("a folder");
        std::fs::rename(home.path("link"), home.path("stable/mcp-mtls")).expect("moved");
        let output = std::process::Command::new(&built)
            .env_clear()
            .env("HOME", home.path(""))
            .env("PATH", home.path("stable"))
            .args(["install", "codex"])
            .output()
            .expect("it runs");
        assert!(output.status.success());
        let text = home.text(".codex/config.toml");
        assert!(text.contains(&format!("{}\"", home.path("stable/mcp-mtls").display())), "{text}");
    }
}

#[test]
fn programs_of_an_entry_get_a_word_and_the_library_of_a_token_none() {
    for (tls, runs) in [
        (r#""exec": ["/bin/renew"]"#, true),
        (r#""cert": "~/me.pem", "key": "~/me.key", "passphrase": "{command:pass}""#, true),
        (r#""cert": "pkcs11:object=me", "key": "pkcs11:object=me", "pkcs11Module": "/lib/p.so""#, false),
        (r#""cert": "pkcs11:object=me?module-path=/lib/p.so", "key": "pkcs11:object=me""#, false),
    ] {
        let home = Home::new();
        home.has(CONFIG, &CORP.replace(r#""cert": "~/me.pem", "key": "~/me.key""#, tls));
        let told = home.told(&["install", "codex"]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(told.contains("the programs that corp runs"), runs, "{tls}: {told}");
    }
}

//! That a message speaks of what was typed or pasted: the flag, the file, the line and the key that its reader wrote.

use serde_json::json;

use super::{Stage, parsed};

/// All that is told, without the folder and on one line.
async fn refused(stage: &Stage, status: i32, arguments: &[&str]) -> String {
    let told = stage.run(arguments, "").await.failed(status);
    let told = told.replace(&*stage.pki.dir().to_string_lossy(), "[home]");
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_file_is_told_with_the_lines_and_keys_that_stand_in_it() {
    let stage = Stage::new().await;
    let within = "\n\n{\n  // mine\n  \"mcpServers\": {\n    \"other\": { \"url\": \"https://o.example/\" },\n    \"corp\": {\n      \"url\": \"https://a.example/\",\n      KEY\n    }\n  }\n}";
    for (text, key, at) in [
        (within, r#""oauth": { "clientId": "x" }"#, ":9, mcpServers.corp.oauth"),
        (within, r#""headers": { "A": "b", "X": 1 }"#, ":9, mcpServers.corp.headers.X"),
        (within, "\"tls\": {\n \"cert\": \"a\",\n \"spiffe\": {\n\"x\": 1 } }", ":12, mcpServers.corp.tls.spiffe.x"),
        (within, "\"tls\": {\n \"crt\": \"a\" }", ":10, mcpServers.corp.tls.crt"),
        (within, "\"timeout\": 3000,\n \"timeout\": 2000", ":10"),
        (within, r#""transport": { "type": "websocket" }"#, ":7, mcpServers.corp.type"),
        (within, r#""command": "uvx""#, ":7, mcpServers.corp"),
        (within, r#""timeout": 3000,,"#, ":9"),
        (
            &within.replace("mcpServers\": {", "mcp\": { \"servers\": {").replace("KEY", "KEY }"),
            r#""oauth": true"#,
            ":9, mcp.servers.corp.oauth",
        ),
        ("\"corp\": {\n \"url\": \"https://a.example/\",\n KEY\n},", r#""oauth": true"#, ":3, corp.oauth"),
        ("{ \"url\": \"https://a.example/\",\n KEY\n}", r#""oauth": true"#, ":2, oauth"),
        ("{ \"url\": \"https://a.example/\",\n KEY\n}", r#""cert": "a.pem""#, ":2, cert"),
    ] {
        let text = text.replace("KEY", key);
        std::fs::write(stage.pki.dir().join("pasted.json"), &text).expect("a file");
        let told = refused(&stage, 1, &["add", "corp", "--from", "pasted.json", "--offline"]).await;
        let (_, place) = told.split_once("where: ").unwrap_or_else(|| panic!("{text}: {told}"));
        assert!(place.starts_with(&format!("[home]/pasted.json{at} ")), "{text}: {told}");
        let told = stage.run(["add", "corp", "--from", "-", "--offline"], &text).await.failed(1);
        assert!(told.contains(&format!("where: stdin{at}\n")), "{text}: {told}");
    }
    let told = refused(&stage, 1, &["add", "--from", "nope.json"]).await;
    assert!(told.contains("where: [home]/nope.json") && told.contains("fix: Correct the path"), "{told}");
    let told = refused(&stage, 1, &["add", "--from", "-"]).await;
    assert!(told.contains("where: stdin why: It is empty."), "{told}");
}

#[tokio::test]
async fn what_is_missing_or_twice_among_the_arguments_is_told() {
    let stage = Stage::new().await;
    let url = stage.server.url();
    let connect =
        |more: &[&str]| -> Vec<String> { ["connect", &url].iter().chain(more).map(ToString::to_string).collect() };
    for (arguments, status, told) in [
        (
            &["add", &url, "--cert", "a.pem"][..],
            2,
            "A name is missing before the URL fix: Write `mcp-mtls add NAME URL`.",
        ),
        (&["add", "corp"], 2, "The URL of the server is missing"),
        (&["add", "corp", &url, "--timeout", "abc"], 2, "the value of `--timeout` is no whole number of milliseconds"),
        (&["add", "corp", &url, "--timeout=-1"], 2, "the value of `--timeout` is no whole number of milliseconds"),
        (
            &["add", "corp", &url, "-H", "X-A: 1", "-H", "x-a: 2"],
            2,
            "The header `x-a` is given twice where: -H x-a on the command line",
        ),
        (&["add", "corp", &url, "--min-version", "1.1"], 1, "fix: Write --min-version 1.2 or --min-version 1.3"),
        (&["add", "corp", &url, "--key", "a.key", "--offline"], 1, "fix: Add the certificate with --cert FILE."),
        (&["add", "corp", "https:///mcp", "--offline"], 1, "It has no host. The entry was not written."),
    ] {
        let answer = refused(&stage, status, arguments).await;
        assert!(answer.contains(told), "{arguments:?}: {answer}");
    }
    let twice = connect(&["-H", "X-A: 1", "-H", "X-A: 2"]);
    let told = stage.run(&twice, "").await.failed(2);
    assert!(told.contains("The header `X-A` is given twice"), "{told}");
    let key = std::fs::read_to_string(&stage.client.key_file).expect("a key");
    let told = refused(&stage, 2, &["add", "corp", &url, "--offline", "--key", &key]).await;
    assert!(told.contains("The entry was not written."), "{told}");
    assert!(stage.beside().is_empty());
    stage.run(["add", "corp", &format!(" {url}\n"), "--offline"], "").await.succeeded();
    assert!(stage.text().contains(&format!("\"url\": \"{url}\"")), "{}", stage.text());
}

#[tokio::test]
async fn the_home_folder_is_known_where_no_shell_replaces_it() {
    let stage = Stage::new().await;
    stage.add("corp", &["--config=~/team/mcp.jsonc"]).await.succeeded();
    assert!(stage.pki.dir().join("team/mcp.jsonc").is_file() && !stage.pki.dir().join("~").exists());
    let named = "--config=~/team/mcp.jsonc";
    for arguments in [&["list", named][..], &["doctor", "corp", named], &["doctor", named], &["connect", "corp", named]]
    {
        let outcome = stage.run(arguments, "").await;
        assert_eq!(outcome.status, 0, "{arguments:?}: {}", outcome.stderr);
    }
    std::fs::create_dir(stage.pki.dir().join("project")).expect("a folder");
    stage.run(["install", "opencode", "corp", named, "--project=~/project"], "").await.succeeded();
    assert!(stage.pki.dir().join("project/opencode.json").is_file());
    stage.run(["uninstall", "opencode", "--project=~/project"], "").await.succeeded();
    stage.run(["remove", "corp", named], "").await.succeeded();
    let text = std::fs::read_to_string(stage.pki.dir().join("team/mcp.jsonc")).expect("a file");
    assert!(!text.contains("localhost"), "{text}");
    let pasted = json!({ "corp": { "url": stage.server.url() } }).to_string();
    std::fs::write(stage.pki.dir().join("pasted.json"), pasted).expect("a file");
    stage.run(["add", "--from=~/pasted.json", "--offline"], "").await.succeeded();
}

#[tokio::test]
async fn advice_is_that_of_the_command() {
    let stage = Stage::new().await;
    std::fs::create_dir_all(stage.pki.dir().join(".config/opencode")).expect("a host");
    for arguments in
        [&["install", "opencode", "corp"][..], &["install", "auto", "--yes"], &["remove", "corp"], &["doctor"]]
    {
        let outcome = stage.run(arguments, "").await;
        let told = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.status == 1 && told.contains("There is no configuration file"), "{arguments:?}: {told}");
        assert!(!told.contains("or give a URL"), "{arguments:?}: {told}");
        assert_eq!(told.contains("/etc/mcp-mtls"), arguments[0] != "remove", "{arguments:?}: {told}");
    }
    let told = refused(&stage, 1, &["connect", "corp"]).await;
    assert!(told.contains("or give a URL and --cert"), "{told}");
    stage.run(["add", "corp", &stage.server.url(), "--offline"], "").await.succeeded();
    for command in [&["install", "opencode"][..], &["remove"]] {
        let told = refused(&stage, 1, &[command, &["mcp.example:8443/mcp"]].concat()).await;
        assert!(told.contains("This is no name of an entry where: ") && !told.contains("https"), "{told}");
        let told = refused(&stage, 1, &[command, &["nope"]].concat()).await;
        assert!(told.contains("error: There is no entry `nope` where: [home]/.config"), "{told}");
    }
    for command in ["install", "uninstall"] {
        let told = refused(&stage, 2, &[command, "opencode", "--project", "/tmp/project"]).await;
        assert!(told.contains("fix: Write --project=DIR, with the `=`."), "{told}");
    }
}

#[tokio::test]
async fn programs_are_told_what_people_are() {
    let stage = Stage::new().await;
    let added = parsed(&stage.add("corp", &["--json"]).await.succeeded());
    let offline = parsed(&stage.add("corp", &["--json", "--offline", "--force"]).await.succeeded());
    assert_eq!(added["certificate"], offline["certificate"]);
    assert_eq!(added["certificate"]["sha256"], stage.client.fingerprint);
    let entry = json!({ "a": { "url": "https://a.example/?t=hunter2", "headers": { "X-A": "b {env:TOKEN}" }, "tls": { "exec": ["/bin/sh", "-c", "x"], "pins": [] } } });
    let outcome = stage.run(["add", "--from", "-", "--json"], &entry.to_string()).await;
    assert!(outcome.status == 2 && !outcome.stdout.contains("hunter2"), "{}", outcome.stdout);
    let evidence = &parsed(&outcome.stdout)["error"]["evidence"];
    let told = json!({ "url": "https://a.example/?…", "headers": { "X-A": "b {env:TOKEN}" }, "tls": { "exec": ["/bin/sh", "-c", "x"], "pins": [] } });
    assert_eq!(evidence["entry"], told);
    assert_eq!(evidence["programs"], json!([{ "setting": "tls.exec", "line": "/bin/sh -c x" }]));
    assert_eq!(evidence["sends"], json!(["headers.X-A: b {env:TOKEN}"]));
}

#[tokio::test]
async fn what_a_command_line_loses_or_writes_out_is_noted() {
    let stage = Stage::new().await;
    let text = json!({ "corp": {
        "command": "npx",
        "args": ["mcp-remote", "https://corp.example/${PLACE}", "--header", "X-Team: ${WORD}", "--header", "Authorization: ${WORD}", "--allow-http", "--debug"],
        "env": { "WORD": "hunter2", "PLACE": "mcp" },
    } });
    let outcome = stage.run(["add", "--from", "-", "--offline", "--json"], &text.to_string()).await;
    let notes = parsed(&outcome.stdout)["notes"].to_string();
    for note in [
        "the value of WORD stands in the header X-Team in the file itself",
        "the value of PLACE stands in the URL in the file itself",
        "the value of Authorization stands in the file itself",
        "--allow-http was not taken over",
        "--debug was not taken over",
    ] {
        assert!(notes.contains(note) && !notes.contains("hunter2"), "{note}: {notes}");
    }
}

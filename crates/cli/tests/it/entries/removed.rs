//! What `remove` takes out, and what it leaves.

use insta::assert_snapshot;

use super::{Stage, parsed};

const TWO: &str = r#"{
  "mcp": {
    "one": { "url": "https://one.example/mcp" },
    // the second
    "two": { "url": "https://two.example/mcp" } // with a word
  }
}
"#;

#[tokio::test]
async fn an_entry_goes_with_its_comments_and_leaves_a_backup() {
    let stage = Stage::new().await;
    stage.has(TWO);
    let told = stage.run(["remove", "two"], "").await.succeeded();
    assert_snapshot!(stage.without_chance(&told), @r#"
    Removed two from [home]/.config/mcp-mtls/config.jsonc.
    These comments went with it:
      // the second
      // with a word
    What the file was before is in [home]/.config/mcp-mtls/config.jsonc.mcp-mtls-backup.
    "#);
    assert_eq!(stage.text(), "{\n  \"mcp\": {\n    \"one\": { \"url\": \"https://one.example/mcp\" }\n  }\n}\n");
    assert_eq!(
        std::fs::read_to_string(stage.file().with_file_name("config.jsonc.mcp-mtls-backup")).expect("a backup"),
        TWO
    );
    let answer = parsed(&stage.run(["remove", "one", "--json"], "").await.succeeded());
    assert_eq!(answer["comments"], serde_json::json!([]));
    assert_eq!(stage.text(), "{\n  \"mcp\": {}\n}\n");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let stage = Stage::new().await;
    stage.has(TWO);
    let stderr = stage.run(["remove", "tow"], "").await.failed(1);
    assert!(stderr.contains("Did you mean `two`?") && stderr.contains("config-no-such-entry"), "{stderr}");
    assert_eq!((stage.text(), stage.beside()), (TWO.to_owned(), vec!["config.jsonc".to_owned()]));
}

#[tokio::test]
async fn what_is_commented_out_stays_and_a_comment_above_the_first_is_told() {
    let stage = Stage::new().await;
    let kept = "{\n  \"mcp\": {\n    // about a\n    \"a\": { \"url\": \"https://a.example/mcp\" },\n    // \"c\": {\n    //   \"url\": \"https://c.example/mcp\"\n    // },\n";
    stage.has(&format!("{kept}    // about b\n    \"b\": {{ \"url\": \"https://b.example/mcp\" }}\n  }}\n}}\n"));
    let told = stage.run(["remove", "b"], "").await.succeeded();
    assert!(told.contains("  // about b\n") && !told.contains("c.example"), "{told}");
    assert!(
        stage.text().contains("    // \"c\": {\n    //   \"url\": \"https://c.example/mcp\"\n    // }"),
        "{}",
        stage.text()
    );
    let told = stage.run(["remove", "a"], "").await.succeeded();
    assert!(told.contains("The comment above it stays.") && stage.text().contains("// about a"), "{told}");
}

#[tokio::test]
async fn of_two_of_one_name_none_is_removed() {
    let stage = Stage::new().await;
    for text in [
        r#"{ "mcp": { "a": { "url": "https://a.example/" } }, "servers": { "a": { "url": "https://b.example/" } } }"#,
        r#"{ "mcp": { "a": { "url": "https://a.example/" } }, "mcp": { "a": { "url": "https://b.example/" } } }"#,
        r#"{ "mcp": { "a": { "url": "https://a.example/" }, "a": { "url": "https://b.example/" } } }"#,
    ] {
        stage.has(text);
        let stderr = stage.run(["remove", "a"], "").await.failed(1);
        assert!(stderr.contains("`a` stands twice") && stage.text() == text, "{stderr}");
    }
}

#[tokio::test]
async fn names_drive_no_terminal() {
    let stage = Stage::new().await;
    stage.has(r#"{ "mcp": { "\u001b[31mevil\u001b]0;pwn\u0007": { "url": "https://a.example/" } } }"#);
    for name in ["zzz", "\u{1b}[31mevi", "z\u{1b}[31mz"] {
        let stderr = stage.run(["remove", name], "").await.failed(1);
        assert!(stderr.contains("config-no-such-entry") && !stderr.contains(['\u{1b}', '\u{7}']), "{stderr:?}");
    }
}

#[tokio::test]
async fn hosts_that_still_start_it_are_named() {
    let stage = Stage::new().await;
    stage.add("corp", &["--install", "codex,hermes"]).await.succeeded();
    let told = stage.run(["remove", "corp"], "").await.succeeded();
    assert!(
        told.ends_with("Hosts still start it:\n  mcp-mtls uninstall codex corp\n  mcp-mtls uninstall hermes corp\n"),
        "{told}"
    );
}

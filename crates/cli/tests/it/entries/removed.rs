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
    The comments right above it went with it:
      // the second
    What the file was before is in [home]/.config/mcp-mtls/config.jsonc.backup.
    "#);
    assert_eq!(stage.text(), "{\n  \"mcp\": {\n    \"one\": { \"url\": \"https://one.example/mcp\" }\n  }\n}\n");
    assert_eq!(std::fs::read_to_string(stage.file().with_file_name("config.jsonc.backup")).expect("a backup"), TWO);
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

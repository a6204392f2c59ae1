//! Hosts that are not written: what belongs into their files is shown.

use super::{Home, parsed};

const SHOWN: [&str; 10] =
    ["vscode", "cursor", "zed", "goose", "claude-desktop", "windsurf", "devin", "continue", "librechat", "roo"];

#[test]
fn the_entry_is_shown_and_nothing_is_written() {
    let home = Home::new();
    for host in SHOWN {
        let told = home.told(&["install", host]);
        assert!(told.contains("mcp-mtls does not write the file of "), "{told}");
        let json = parsed(&home.told(&["install", host, "--json"]));
        let snippet = &json["hosts"][0]["snippet"];
        let text = snippet["text"].as_str().expect("a text");
        assert!(told.contains(text.trim_end()), "{told}");
        assert!(
            text.contains("[home]/bin/mcp-mtls") && text.contains("[home]/.config/mcp-mtls/config.jsonc"),
            "{text}"
        );
        let place = snippet["file"].as_str().unwrap_or("(unknown)");
        insta::assert_snapshot!(host, format!("{place}\n\n{text}"));
        let told = home.told(&["uninstall", host]);
        assert!(!told.contains("Removed"), "{told}");
    }
    assert!(home.files().is_empty(), "{:?}", home.files());
}

#[test]
fn what_stands_there_is_told_and_stays() {
    let home = Home::new();
    let text = r#"{ "mcpServers": { "corp": { "command": "/x/mcp-mtls", "args": ["connect", "corp"] } } }"#;
    home.has(".cursor/mcp.json", text);
    let told = home.told(&["uninstall", "cursor"]);
    assert!(told.contains("corp is under `mcpServers` in"), "{told}");
    let json = parsed(&home.told(&["install", "--list", "--json"]));
    let cursor = json["hosts"].as_array().and_then(|hosts| hosts.iter().find(|host| host["host"] == "cursor"));
    assert_eq!(cursor.expect("a row")["entries"], serde_json::json!(["corp"]), "{json}");
    assert_eq!(home.text(".cursor/mcp.json"), text);
}

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
        let why = match host {
            "librechat" => "files of projects alone are",
            _ => "Nothing of mcp-mtls is in",
        };
        assert!(!told.contains("Removed") && told.contains(why), "{told}");
    }
    assert!(home.files().is_empty(), "{:?}", home.files());
}

#[test]
fn what_stands_there_is_told_and_stays() {
    let cursor = r#"{ "mcpServers": { "corp": { "command": "/x/mcp-mtls", "args": ["connect", "corp"] } } }"#;
    let list = "mcpServers:\n  - name: other\n    command: x\n  - name: corp\n    command: /x/mcp-mtls\n    args: [connect, corp]\n";
    for (host, file, text, place) in [
        ("cursor", ".cursor/mcp.json", cursor, "mcp.json, mcpServers.corp"),
        ("continue", ".continue/config.yaml", list, "config.yaml, mcpServers, `name: corp`"),
    ] {
        let home = Home::new();
        home.has(file, text);
        for command in [&["uninstall", host][..], &["uninstall", host, "corp"]] {
            let refused = home.refused(1, command);
            assert!(refused.contains("Take it out there by hand.") && refused.contains(place), "{refused}");
        }
        let refused = home.refused(1, &["uninstall", host, "other"]);
        assert_eq!(refused.contains("is not of mcp-mtls"), host == "continue", "{refused}");
        let json = parsed(&home.told(&["install", "--list", "--json"]));
        let row = json["hosts"].as_array().and_then(|hosts| hosts.iter().find(|row| row["host"] == host));
        assert_eq!(
            row.expect("a row")["entries"],
            serde_json::json!([{ "name": "corp", "config": null, "isYours": true }]),
            "{json}"
        );
        assert_eq!(home.text(file), text);
    }
}

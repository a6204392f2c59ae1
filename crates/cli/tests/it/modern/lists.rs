//! C6: tools with invalid annotations are left out of the list, and nothing else is.

use mcp_mtls_testkit::mcp::{McpOptions, Pages, ToolList, invalid_tools};
use mcp_mtls_testkit::reply;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{PROTOCOLS, answer, answer_text, end, exchange, request, scripted, scripted_over, staged_over};

#[tokio::test]
async fn c6_every_invalid_tool_is_left_out_and_told_and_all_else_stays_as_it_was() {
    for protocol in PROTOCOLS {
        for pages in [Pages::One, Pages::Of(5)] {
            let tools = ToolList { pages, invalid: true };
            let mut stage = staged_over(protocol, McpOptions { tools, ..McpOptions::default() }).await;
            let (mut cursor, mut listed) = (String::new(), Vec::new());
            loop {
                let line = exchange(&mut stage.host, &request("\"\\u006c\"", "tools/list", &cursor)).await;
                let sent = stage.server.sent().pop().unwrap_or_default();
                let (expected, kept) = without(&sent, |name| name.starts_with("invalid-"));
                assert_eq!(line, expected);
                listed.extend(kept);
                let answer: Value = serde_json::from_str(&sent).unwrap_or_default();
                let Some(next) = answer["result"]["nextCursor"].as_str() else { break };
                cursor = format!(r#""cursor":"{next}""#);
            }
            listed.sort();
            assert_eq!(listed, ["ask", "big", "echo", "naïve", "place", "progress", "tricky", "wait", "whoami"]);
            let stderr = end(&mut stage.host).await;
            assert_eq!(stderr.matches("is left out").count(), invalid_tools().len(), "{stderr}");
            for name in invalid_tools() {
                assert_eq!(stderr.matches(&format!("{name}\u{201d} of the server is left out")).count(), 1, "{stderr}");
            }
        }
    }
}

#[tokio::test]
async fn c6_lists_keep_their_bytes_in_json_and_in_streams() {
    let (a, c) = (r#"{"name":"a","x":[1.0, 12345678901234567890123],"inputSchema":{}}"#, r#"{ "name" : "c" }"#);
    // What is wrong in the first stands in escapes, and so does its name.
    let bad = r#"{"name":"b\u0061d","inputSchema":{"properties":{"p":{"type":"string","x\u002dmcp-header":""}}}}"#;
    let odd = r#"{"name":"odd","inputSchema":{"properties":{"p":{"type":"number","x-mcp-header":"P"}}}}"#;
    let result = |tools: &str| {
        format!(r#"{{ "ttlMs":1e3, "tools" :[ {tools} ],"nextCursor":"\u00e9", "x":{{"tools":[{bad}]}} }}"#)
    };
    for (given, kept, dropped) in [
        (format!("{a}, {c}"), format!("{a}, {c}"), 0),
        (format!("{bad}, {a}"), a.to_owned(), 1),
        (format!("{a},{odd}"), a.to_owned(), 1),
        (format!("{a},{bad},{c}"), format!("{a},{c}"), 1),
        (format!("{odd} , {bad}"), String::new(), 2),
        (String::new(), String::new(), 0),
    ] {
        for streams in [false, true] {
            let sent = result(&given);
            let script = move |message: &Value| {
                let text = answer_text(message, &sent);
                if !streams {
                    return reply::json(200, text);
                }
                let (events, response) = reply::events();
                events.send(&text);
                response
            };
            for protocol in PROTOCOLS {
                let mut stage = scripted_over(protocol, script.clone()).await;
                let line = exchange(&mut stage.host, &request("1", "tools/list", "")).await;
                assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, result(&kept)));
                let stderr = end(&mut stage.host).await;
                assert_eq!(stderr.matches("is left out").count(), dropped, "{stderr}");
                assert_eq!(stderr.contains("\u{201c}bad\u{201d}"), given.contains(bad), "{stderr}");
            }
        }
    }
}

#[tokio::test]
async fn c6_only_the_answer_to_a_modern_list_is_changed() {
    let listing =
        r#"{"tools":[{"name":"bad","inputSchema":{"properties":{"p":{"type":"string","x-mcp-header":""}}}}]}"#;
    let mut stage = scripted(move |message| answer(message, listing)).await;
    let whole = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{listing}}}"#);
    for line in [
        request("1", "prompts/list", ""),
        super::call("1", "bad", "{}"),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
    ] {
        assert_eq!(exchange(&mut stage.host, &line).await, whole, "{line}");
    }
    assert_eq!(end(&mut stage.host).await, "");
}

#[tokio::test]
async fn c6_what_is_no_list_passes_as_it_is() {
    for result in [
        r#"{"tools":{"name":"x-mcp-header"}}"#,
        r#"{"tools":[5,null,"x-mcp-header",["x-mcp-header"],{"inputSchema":"x-mcp-header"}], "a":1.0}"#,
        r#"["x-mcp-header"]"#,
        "null",
    ] {
        let mut stage = scripted(move |message| answer(message, result)).await;
        let line = exchange(&mut stage.host, &request("1", "tools/list", "")).await;
        assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
        assert_eq!(end(&mut stage.host).await, "");
    }
}

/// The text of a list without the tools whose names say so, and the names of the others.
fn without(text: &str, is_invalid: impl Fn(&str) -> bool) -> (String, Vec<String>) {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: Listing<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Listing<'a> {
        #[serde(borrow)]
        tools: Vec<&'a RawValue>,
    }
    let tools = match serde_json::from_str::<Answer<'_>>(text) {
        Ok(answer) => answer.result.tools,
        Err(e) => panic!("no list ({e}): {text}"),
    };
    let name = |tool: &RawValue| {
        let tool: Value = serde_json::from_str(tool.get()).unwrap_or_default();
        tool["name"].as_str().unwrap_or_default().to_owned()
    };
    let all = tools.iter().map(|tool| tool.get()).collect::<Vec<_>>().join(", ");
    let kept: Vec<_> = tools.into_iter().filter(|tool| !is_invalid(&name(tool))).collect();
    let left = kept.iter().map(|tool| tool.get()).collect::<Vec<_>>().join(", ");
    let changed = text.replacen(&all, &left, 1);
    (changed, kept.into_iter().map(name).collect())
}

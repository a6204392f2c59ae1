//! C5: annotated arguments of a call in its headers.

use mcp_mtls_testkit::mcp::{McpOptions, Pages, ToolList};
use serde_json::Value;

use super::{PROTOCOLS, answer, call, end, exchange, request, said, said_of_call, scripted, staged, staged_over};

#[tokio::test]
async fn c5_a_strict_server_takes_every_annotated_call_at_once() {
    for protocol in PROTOCOLS {
        let mut stage = staged_over(protocol, McpOptions::default()).await;
        exchange(&mut stage.host, &request("0", "tools/list", "")).await;
        let cases: [(&str, &str, &[&str]); 9] = [
            (
                "place",
                r#"{"region":"eu","dry":true,"where":{"floor":-3},"note":"n"}"#,
                &["dry-run: true", "floor: -3", "region: eu"],
            ),
            (
                "place",
                r#"{"region":"\u0065u","dry":false,"where":{"floor":42.0}}"#,
                &["dry-run: false", "floor: 42", "region: eu"],
            ),
            ("place", r#"{"region":null,"dry":null,"where":null}"#, &[]),
            ("place", r#"{"floor":42,"where":{"region":"eu","dry":true}}"#, &[]),
            ("place", "{}", &[]),
            ("place", r#"{"region":" padded "}"#, &["region: =?base64?IHBhZGRlZCA=?="]),
            ("place", r#"{"region":""}"#, &["region: "]),
            ("tricky", r#"{"properties":"a","x-mcp-header":"b","items":{"oneOf":"c"}}"#, &["one-of: c", "props: a"]),
            ("echo", r#"{"text":"x","region":"eu"}"#, &[]),
        ];
        for (tool, arguments, parameters) in cases {
            let line = call("1", tool, arguments);
            let answer = exchange(&mut stage.host, &line).await;
            assert_eq!(stage.server.sent().last(), Some(&answer), "{arguments}");
            let requests = stage.server.requests();
            let seen = &requests[requests.len() - 1];
            assert_eq!((seen.text(), said(seen)), (line.as_str(), said_of_call(tool, parameters)));
        }
        end(&mut stage.host).await;
        assert_eq!(stage.server.requests().len(), 1 + cases.len(), "none was refused and tried again");
    }
}

#[tokio::test]
async fn c5_values_are_taken_at_their_exact_place_in_one_form() {
    let schema = r#"{"type":"object","properties":{
        "s":{"type":"string","x-mcp-header":"S"},
        "i":{"type":"integer","x-mcp-header":"I"},
        "b":{"type":"boolean","x-mcp-header":"B"},
        "a":{"type":"object","properties":{"b":{"type":"object","properties":{"c/d":{"type":["string","null"],"x-mcp-header":"Deep_1.x"}}}}},
        "":{"type":"string","x-mcp-header":"Empty"}}}"#;
    let tools = format!(r#"{{"tools":[{{"name":"t","inputSchema":{schema}}}]}}"#);
    let script = move |message: &Value| answer(message, if message["method"] == "tools/list" { &tools } else { "{}" });
    let mut stage = scripted(script).await;
    exchange(&mut stage.host, &request("0", "tools/list", "")).await;
    let cases: [(&str, &[&str]); 25] = [
        (r#"{"i":42}"#, &["i: 42"]),
        (r#"{"i":-7}"#, &["i: -7"]),
        (r#"{"i":42.0}"#, &["i: 42"]),
        (r#"{"i":4.2e1}"#, &["i: 42"]),
        (r#"{"i":1E3}"#, &["i: 1000"]),
        (r#"{"i":-0}"#, &["i: 0"]),
        (r#"{"i":-0.0}"#, &["i: 0"]),
        (r#"{"i":9007199254740991}"#, &["i: 9007199254740991"]),
        (r#"{"i":-9007199254740991.0}"#, &["i: -9007199254740991"]),
        (r#"{"i":9007199254740993}"#, &["i: 9007199254740993"]),
        (r#"{"i":18446744073709551615}"#, &["i: 18446744073709551615"]),
        (r#"{"i":12345678901234567890123}"#, &["i: 12345678901234567890123"]),
        // What is none of the three types is the server's to judge, as it was written.
        (r#"{"i":1.5}"#, &["i: 1.5"]),
        (r#"{"i":"42","b":"True","s":7}"#, &["b: True", "i: 42", "s: 7"]),
        (r#"{"i":{},"b":[true],"s":["s"]}"#, &[]),
        (r#"{"b":true}"#, &["b: true"]),
        (r#"{"b": false }"#, &["b: false"]),
        (r#"{"i":null,"b":null,"s":null,"a":{"b":{"c/d":null}}}"#, &[]),
        (r#"{"a":{"b":{"c/d":"x"}}}"#, &["deep_1.x: x"]),
        (r#"{"\u0061":{"b":{"c\/d":"y"}}}"#, &["deep_1.x: y"]),
        (r#"{"a":{"c/d":"x"},"b":{"c/d":"x"},"c/d":"x"}"#, &[]),
        (r#"{"a":"b"}"#, &[]),
        (r#"{"a":[{"b":{"c/d":"x"}}]}"#, &[]),
        (r#"{"":"e"}"#, &["empty: e"]),
        ("[]", &[]),
    ];
    for (arguments, parameters) in cases {
        exchange(&mut stage.host, &call("1", "t", arguments)).await;
        let requests = stage.server.requests();
        let seen = &requests[requests.len() - 1];
        assert_eq!(said(seen), said_of_call("t", parameters), "{arguments}");
    }
    exchange(&mut stage.host, &request("1", "tools/call", r#""name":"\u0074","arguments":{"s":"x"}"#)).await;
    exchange(&mut stage.host, &request("1", "tools/call", r#""name":"t""#)).await;
    exchange(&mut stage.host, &request("1", "tools/call", r#""name":"T","arguments":{"s":"x"}"#)).await;
    exchange(&mut stage.host, &request("1", "prompts/get", r#""name":"t","arguments":{"s":"x"}"#)).await;
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    let [.., escaped, bare, other, prompt] = requests.as_slice() else { panic!("{requests:#?}") };
    assert_eq!(said(escaped), said_of_call("t", &["s: x"]));
    assert_eq!(said(bare), said_of_call("t", &[]));
    assert_eq!(said(other), said_of_call("T", &[]), "names of tools differ by case");
    assert_eq!(prompt.header("mcp-param-s"), None, "a prompt is no tool");
}

#[tokio::test]
async fn c5_tools_are_learned_from_every_page_and_kept() {
    let pages = ToolList { pages: Pages::Of(4), ..ToolList::default() };
    let mut stage = staged(McpOptions { tools: pages, ..McpOptions::default() }).await;
    exchange(&mut stage.host, &request("1", "tools/list", "")).await;
    let second = exchange(&mut stage.host, &request("2", "tools/list", r#""cursor":"after 4""#)).await;
    assert!(second.contains(r#""name":"place""#), "{second}");
    exchange(&mut stage.host, &request("3", "tools/list", r#""cursor":"after 8""#)).await;
    let answer = exchange(&mut stage.host, &call("4", "place", r#"{"region":"eu"}"#)).await;
    assert!(answer.contains(r#""result""#), "{answer}");
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    assert_eq!(requests.len(), 4, "no more lists, and no second attempt");
    assert_eq!(said(&requests[3]), said_of_call("place", &["region: eu"]));
    assert_eq!(said(&requests[1]), ["mcp-method: tools/list", super::VERSION]);
}

#[tokio::test]
async fn c5_a_tool_is_known_as_it_was_listed_last() {
    let tool = |annotation: &str| {
        format!(
            r#"{{"tools":[{{"name":"t","inputSchema":{{"properties":{{"a":{{"type":"string"{annotation}}}}}}}}}]}}"#
        )
    };
    // The list is that of the cursor, so that the host says what the server shows.
    let lists = [tool(r#","x-mcp-header":"One""#), tool(r#","x-mcp-header":"Two""#), tool("")];
    let script = move |message: &Value| match message["params"]["cursor"].as_str() {
        Some(cursor) => answer(message, &lists[cursor.parse::<usize>().unwrap_or(0)]),
        None => answer(message, "{}"),
    };
    let mut stage = scripted(script).await;
    let expected: [&[&str]; 4] = [&["one: x"], &["two: x"], &[], &["one: x"]];
    for (list, parameters) in ["0", "1", "2", "0"].into_iter().zip(expected) {
        exchange(&mut stage.host, &request("1", "tools/list", &format!(r#""cursor":"{list}""#))).await;
        exchange(&mut stage.host, &call("2", "t", r#"{"a":"x"}"#)).await;
        let requests = stage.server.requests();
        assert_eq!(said(&requests[requests.len() - 1]), said_of_call("t", parameters), "list {list}");
    }
    end(&mut stage.host).await;
}

//! What a message may hold, and must not change what is done with it.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::reply;
use serde_json::{Map, Value, json};

use super::{Asked, begun, call, modern, ours, parsed, staged, welcome};
use crate::stage::LATEST;

/// Asserts that an answer to `initialize` that was changed this way is understood, revision and session.
async fn is_understood(change: impl Fn(String) -> String + Send + Sync + 'static) {
    let mut stage = begun(move |asked: Asked| {
        let begins = asked.is("initialize");
        let response = begins.then(|| asked.welcome(change(asked.result(&welcome(LATEST)))));
        std::future::ready(response)
    })
    .await;
    stage.ask(&call(1)).await;
    let requests = stage.server.requests();
    let call = requests.iter().find(|request| request.text().contains("tools/call"));
    let call = call.unwrap_or_else(|| panic!("no call: {requests:#?}"));
    let said = ["mcp-session-id", "mcp-protocol-version"].map(|name| call.header(name));
    assert_eq!(said, [Some("session-1"), Some(LATEST)]);
}

#[tokio::test]
async fn b5_an_error_that_is_null_beside_the_result_hides_no_revision() {
    is_understood(|text| text.replacen('{', r#"{"error":null,"#, 1)).await;
}

#[tokio::test]
async fn b5_half_a_surrogate_in_the_instructions_hides_no_revision() {
    is_understood(|text| text.replace("\"capabilities\"", r#""instructions":"cut \ud83d","capabilities""#)).await;
}

#[tokio::test]
async fn b5_deep_capabilities_hide_no_revision() {
    let deep = format!("\"capabilities\":{{\"x\":{}1{}}}", "[".repeat(130), "]".repeat(130));
    is_understood(move |text| text.replace("\"capabilities\":{}", &deep)).await;
}

#[tokio::test]
async fn a1_deep_values_pass_both_ways() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":{deep}}}}}"#);
    let text = answer.clone();
    let mut stage = staged(&[], move |_| std::future::ready(Some(reply::json(200, text.clone())))).await;
    let call = modern(1, "tools/call", &format!(r#""name":"x","arguments":{{"a":{deep}}},"#));
    assert_eq!(stage.ask(&call).await, answer);
    let requests = stage.server.requests();
    assert_eq!((requests[0].text(), requests[0].header("mcp-name")), (call.as_str(), Some("x")));
}

#[tokio::test]
async fn b2_a_byte_order_mark_before_an_answer_in_json_is_no_part_of_it() {
    let script = async |asked: Asked| Some(reply::json(200, format!("\u{feff}{}", asked.result(&json!({})))));
    let mut stage = staged(&[], script).await;
    assert_eq!(parsed(&stage.ask(&modern(1, "x/y", "")).await)["result"], json!({}));
}

#[tokio::test]
async fn b2_a_byte_order_mark_before_events_is_no_part_of_them() {
    let script = async |asked: Asked| {
        let (events, response) = reply::events();
        events.raw(format!("\u{feff}data: {}\n\n", asked.result(&json!({}))));
        Some(response)
    };
    let mut stage = staged(&[], script).await;
    assert_eq!(parsed(&stage.ask(&modern(1, "x/y", "")).await)["result"], json!({}));
}

#[tokio::test]
async fn b13_an_http_error_whose_json_is_no_json_rpc_is_told_with_its_status() {
    let bodies = [
        r#"{"error":"invalid_token","error_description":"x"}"#,
        r#"{"error":{"message":"Forbidden"}}"#,
        r#"[{"error":"x"}]"#,
    ];
    let mut stage = begun(move |asked: Asked| {
        let number = asked.message["id"].as_u64().unwrap_or_default();
        let at = |n: u64| usize::try_from(n).unwrap_or_default();
        let answer = || reply::json(STATUSES[at(number / 3)], bodies[at(number % 3)]);
        std::future::ready(asked.is("tools/call").then(answer))
    })
    .await;
    for id in 0..9 {
        let code = match STATUSES[id / 3] {
            401 => "http-unauthorized",
            403 => "http-forbidden",
            500.. => "http-server-error",
            _ => "http-status",
        };
        let data = ours(&stage.ask(&call(id)).await, id, code);
        assert_eq!(data["evidence"]["status"], STATUSES[id / 3], "{}: {data}", bodies[id % 3]);
    }
}

#[tokio::test]
async fn b13_json_that_is_no_answer_in_a_successful_response_is_told() {
    let bodies = [
        r#"{"error":"invalid_token","error_description":"x"}"#,
        r#"{"error":{"message":"Forbidden"}}"#,
        r#"[{"error":"x"}]"#,
        r#"{"id":3,"result":{}}"#,
    ];
    let mut stage = begun(move |asked: Asked| {
        let number = usize::try_from(asked.message["id"].as_u64().unwrap_or_default()).unwrap_or_default();
        std::future::ready(asked.is("tools/call").then(|| reply::json(200, bodies[number])))
    })
    .await;
    for id in 0..bodies.len() {
        let answer = stage.ask(&call(id)).await;
        ours(&answer, id, "protocol-violation");
    }
}

#[tokio::test]
async fn b13_a_json_rpc_error_with_401_is_the_answer_with_the_id_of_the_request() {
    let error = json!({ "code": -32001, "message": "Unauthorized" });
    let given = error.clone();
    let mut stage = begun(move |asked: Asked| {
        let id = if asked.message["id"] == 1 { Value::Null } else { asked.message["id"].clone() };
        let text = json!({ "jsonrpc": "2.0", "id": id, "error": given }).to_string();
        std::future::ready(asked.is("tools/call").then(|| reply::json(401, text)))
    })
    .await;
    for id in [1, 2] {
        assert_eq!(parsed(&stage.ask(&call(id)).await), json!({ "jsonrpc": "2.0", "id": id, "error": error }));
    }
}

#[tokio::test]
async fn c5_half_a_surrogate_in_a_description_hides_no_annotation() {
    const TOOLS: &str = r#"{"tools":[{"name":"x","description":"cut \ud83d","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"R"}}}}]}"#;
    let mut stage = staged(&[], async |asked: Asked| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{TOOLS}}}"#);
        asked.is("tools/list").then(|| reply::json(200, text))
    })
    .await;
    let listed = stage.ask(&modern(1, "tools/list", "")).await;
    assert!(listed.contains(TOOLS), "{listed}");
    stage.ask(&modern(2, "tools/call", r#""name":"x","arguments":{"r":"eu"},"#)).await;
    assert_eq!(stage.server.requests()[1].header("mcp-param-r"), Some("eu"));
}

#[tokio::test]
async fn c6_a_tool_with_more_annotations_than_servers_take_is_left_out_and_told() {
    let mut stage = staged(&[], async |asked: Asked| {
        let tool = |name: &str, annotations: usize| {
            let property = |n| (format!("p{n}"), json!({ "type": "integer", "x-mcp-header": format!("P{n}") }));
            let properties: Map<_, _> = (0..annotations).map(property).collect();
            json!({ "name": name, "inputSchema": { "type": "object", "properties": properties } })
        };
        let tools = || json!({ "tools": [tool("many", 64), tool("more", 65), tool("most", 33_000)] });
        asked.is("tools/list").then(|| reply::json(200, asked.result(&tools())))
    })
    .await;
    let listed = parsed(&stage.ask(&modern(1, "tools/list", "")).await);
    let listed = listed["result"]["tools"].as_array().expect("tools");
    let names: Vec<_> = listed.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["many"]);
    // What stands in the way of one call keeps no other waiting.
    let arguments: Map<_, _> = (0..300).map(|n| (format!("p{n}"), json!(n))).collect();
    let params = |tool: &str| format!(r#""name":"{tool}","arguments":{},"#, Value::Object(arguments.clone()));
    let began = Instant::now();
    stage.ask(&modern(2, "tools/call", &params("most"))).await;
    stage.ask(&modern(3, "tools/call", &params("many"))).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let stderr = stage.host.stderr();
    for name in ["more", "most"] {
        assert_eq!(stderr.matches(&format!("{name}\u{201d} of the server is left out")).count(), 1, "{stderr}");
    }
    let requests = stage.server.requests();
    let repeated = |request: &mcp_mtls_testkit::server::SeenRequest| {
        request.headers.keys().filter(|name| name.as_str().starts_with("mcp-param-")).count()
    };
    assert_eq!(requests.last().map(repeated), Some(64));
}

const STATUSES: [u16; 3] = [401, 403, 500];

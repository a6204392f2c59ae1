//! C12: what MCP says in bodies is the business of host and server alone.

use mcp_mtls_testkit::mcp::{Answers, McpOptions};
use mcp_mtls_testkit::reply;
use serde_json::Value;

use super::{PROTOCOLS, answer_text, call, end, exchange, posts, request, scripted_over, staged_over};

/// Results as no typed relay would give them back.
const RESULTS: [&str; 4] = [
    r#"{"resultType":"input_required","inputRequests":{"b":{"method":"sampling/createMessage","params":{"maxTokens":1e2}},"a":{"method":"elicitation/create","x":[ ]}},"requestState":"opaque+/=\u00e9\/"}"#,
    r#"{"ttlMs":1000.0,"cacheScope":"x-unheard-of","contents":[{"uri":"u","blob":"AA==","_meta":null}], "big":12345678901234567890123,"tiny":-1E-7,"minus":-0,"0":0}"#,
    r#"{"resultType":"complete","content":[{"type":"x-new","deep":[[[{"\ud83d\ude00":"\u0000"}]]]}],"structuredContent":1.10,"same":1,"same":2}"#,
    r#"{"task":{"taskId":"t","status":"x","pollIntervalMs":18446744073709551616},"requestState":null}"#,
];

#[tokio::test]
async fn c12_bodies_pass_byte_for_byte_both_ways() {
    for protocol in PROTOCOLS {
        for streams in [false, true] {
            for result in RESULTS {
                let script = move |message: &Value| {
                    let text = answer_text(message, result);
                    if !streams {
                        return reply::json(200, text);
                    }
                    let (events, response) = reply::events();
                    events.send(&format!(r#"{{"method":"notifications/x", "params":{result},"jsonrpc":"2.0"}}"#));
                    events.send(&text);
                    response
                };
                let mut stage = scripted_over(protocol, script).await;
                let lines = [
                    // What the server gave comes back in the next attempt, as it was.
                    request(
                        "1",
                        "tools/call",
                        &format!(
                            r#""name":"t","inputResponses":{{"b":{result},"a":[1.0]}},"requestState":"opaque+\/=\u00e9""#
                        ),
                    ),
                    format!(
                        "{{ \"params\" : {{ \"x\":{result} ,\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}},\t\"method\":\"x\\/y\", \"id\":1,\"jsonrpc\":\"2.0\",\"new\":[50,5.0e1]}}"
                    ),
                ];
                for line in &lines {
                    let mut answer = exchange(&mut stage.host, line).await;
                    if streams {
                        assert_eq!(
                            answer,
                            format!(r#"{{"method":"notifications/x", "params":{result},"jsonrpc":"2.0"}}"#)
                        );
                        answer = stage.host.recv_raw().await;
                    }
                    assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
                }
                assert_eq!(end(&mut stage.host).await, "");
                assert_eq!(posts(&stage.server.requests()), lines);
            }
        }
    }
}

#[tokio::test]
async fn c12_an_answer_that_wants_input_is_continued_by_the_host() {
    for answers in [Answers::Json, Answers::Sse] {
        let mut stage = staged_over("h2", McpOptions { answers, ..McpOptions::default() }).await;
        let first = exchange(&mut stage.host, &call("1", "ask", "{}")).await;
        assert!(first.contains(r#""requestState":"opaque+/=\u00e9","x-extra":1.0"#), "{first}");
        let again = request(
            "2",
            "tools/call",
            r#""name":"ask","arguments":{},"inputResponses":{"name":{"action":"accept","x":1.0}},"requestState":"opaque+/=\u00e9""#,
        );
        let second = exchange(&mut stage.host, &again).await;
        assert_eq!(stage.server.sent(), [first, second]);
        end(&mut stage.host).await;
        assert_eq!(posts(&stage.server.requests()), [call("1", "ask", "{}"), again]);
    }
}

#[tokio::test]
async fn c12_line_breaks_between_tokens_are_all_that_changes() {
    for answers in [Answers::Json, Answers::Sse] {
        let options = McpOptions { answers, multiline: true, ..McpOptions::default() };
        let mut stage = staged_over("http/1.1", options).await;
        for line in
            [request("1", "tools/list", ""), call("2", "echo", r#"{"text":"a"}"#), request("3", "server/discover", "")]
        {
            let got = exchange(&mut stage.host, &line).await;
            let sent = stage.server.sent().pop().unwrap_or_default();
            assert!(sent.contains('\n'));
            let dense = |text: &str| text.replace(['\r', '\n', ' '], "");
            assert_eq!(dense(&got), dense(&sent));
        }
        end(&mut stage.host).await;
    }
}

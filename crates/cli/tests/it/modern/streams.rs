//! C8: a cancel closes the stream of the request, and nothing more is said of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_mtls_testkit::mcp::{Answers, Era, McpOptions};
use mcp_mtls_testkit::reply::{self, Events};
use serde_json::{Value, json};

use super::{
    META, PROTOCOLS, call, cancel, empty_result, end, exchange, posts, request, scripted_over, staged, staged_at,
    staged_over,
};
use crate::stage::LATEST;

#[tokio::test]
async fn c8_a_cancel_closes_the_stream_before_and_after_the_head_of_the_response() {
    for protocol in PROTOCOLS {
        // A JSON answer has no head before it is complete.
        for answers in [Answers::Json, Answers::Sse] {
            let mut stage = staged_over(protocol, McpOptions { answers, ..McpOptions::default() }).await;
            let waits = call("\"c\\u002d1\"", "wait", "{}");
            let other = call("\"c-2\"", "wait", "{}");
            stage.host.send_raw(&waits).await;
            stage.server.wait_for_waiting(1).await;
            stage.host.send_raw(&other).await;
            stage.server.wait_for_waiting(2).await;
            stage.host.send_raw(&cancel("\"c-1\"")).await;
            assert_eq!(stage.server.wait_for_closed_streams(1).await, ["\"c\\u002d1\""], "{protocol} {answers:?}");
            // The other call lives, and a later one works, with the same id too.
            let echo = call("\"c-1\"", "echo", r#"{"text":"still here"}"#);
            let echoed = exchange(&mut stage.host, &echo).await;
            assert!(echoed.contains("still here"), "{echoed}");
            stage.server.release().await;
            assert!(stage.host.recv_raw().await.contains("released"));
            assert_eq!(end(&mut stage.host).await, "");
            assert_eq!(posts(&stage.server.requests()), [waits, other, echo]);
            assert_eq!(stage.server.closed_streams().len(), 1);
        }
    }
}

#[tokio::test]
async fn c8_nothing_more_reaches_the_host_of_a_cancelled_request() {
    for protocol in PROTOCOLS {
        let open = Arc::new(Mutex::new(None::<Events>));
        let kept = open.clone();
        let progress =
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1.0,"progress":1}}"#;
        let script = move |message: &Value| {
            if message["params"]["name"] != "slow" {
                return empty_result(message);
            }
            let (events, response) = reply::events();
            events.send(progress);
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
            response
        };
        let mut stage = scripted_over(protocol, script).await;
        let slow = call("1", "slow", "{}").replace(META, &format!(r#""progressToken":1.0,{META}"#));
        assert_eq!(exchange(&mut stage.host, &slow).await, progress);
        stage.host.send_raw(&cancel("1")).await;
        let Some(events) = open.lock().unwrap_or_else(PoisonError::into_inner).take() else { panic!("no stream") };
        let closed = async {
            // A server that talks on until it notices.
            while events.send(progress.replace(":1}", ":2}").as_str()) {
                tokio::task::yield_now().await;
                if events.is_closed() {
                    break;
                }
            }
            events.closed().await;
        };
        tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the stream is closed");
        events.send(&json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string());
        let next = call("2", "echo", "{}");
        // What was under way when the host cancelled may come before; nothing comes after.
        stage.host.send_raw(&next).await;
        loop {
            let line = stage.host.recv_raw().await;
            if line == r#"{"jsonrpc":"2.0","id":2,"result":{}}"# {
                break;
            }
            assert!(line.contains("notifications/progress"), "{line}");
        }
        end(&mut stage.host).await;
        assert_eq!(posts(&stage.server.requests()), [slow, next]);
    }
}

#[tokio::test]
async fn c8_a_cancel_of_what_is_not_under_way_goes_nowhere() {
    let mut stage = staged(McpOptions::default()).await;
    let lines = [call("1", "echo", r#"{"text":"a"}"#), call("2", "echo", r#"{"text":"b"}"#)];
    exchange(&mut stage.host, &lines[0]).await;
    let modern = |id: &str| cancel(id).replace(r#""params":{"#, &format!(r#""params":{{"_meta":{{{META}}},"#));
    for id in ["1", "\"never\"", "null", "{}"] {
        stage.host.send_raw(&cancel(id)).await;
        stage.host.send_raw(&modern(id)).await;
    }
    stage.host.send_raw(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#).await;
    let answer = exchange(&mut stage.host, &lines[1]).await;
    assert!(answer.contains(r#""id":2,"#), "{answer}");
    assert_eq!(end(&mut stage.host).await, "");
    assert_eq!(posts(&stage.server.requests()), lines);
}

#[tokio::test]
async fn c8_the_id_of_a_cancel_is_compared_as_the_json_value_that_it_is() {
    let cases = [
        ("1", "1", "\"1\""),
        ("\"1\"", "\"\\u0031\"", "1"),
        ("18446744073709551615", "18446744073709551615", "18446744073709551614"),
        ("12345678901234567890123", "12345678901234567890123", "12345678901234567890124"),
        ("-9223372036854775808", "-9223372036854775808", "-9223372036854775807"),
        ("1.5", "1.5", "1"),
    ];
    let mut stage = staged(McpOptions::default()).await;
    let mut lines = Vec::new();
    for (number, (id, same, other)) in cases.into_iter().enumerate() {
        lines.push(call(id, "wait", "{}"));
        stage.host.send_raw(&lines[lines.len() - 1]).await;
        stage.server.wait_for_waiting(1).await;
        stage.host.send_raw(&cancel(other)).await;
        // When this is answered, the cancel before it has had its effect, if any.
        lines.push(call("\"beside\"", "echo", "{}"));
        exchange(&mut stage.host, &lines[lines.len() - 1]).await;
        assert_eq!(stage.server.closed_streams().len(), number, "{other} is not {id}");
        stage.host.send_raw(&cancel(same)).await;
        assert_eq!(stage.server.wait_for_closed_streams(number + 1).await[number], id);
    }
    assert_eq!(end(&mut stage.host).await, "");
    assert_eq!(posts(&stage.server.requests()), lines);
}

#[tokio::test]
async fn c8_a_cancel_ends_a_subscription_and_no_other() {
    for protocol in PROTOCOLS {
        let mut stage = staged_over(protocol, McpOptions::default()).await;
        for id in ["1", "\"1\""] {
            exchange(
                &mut stage.host,
                &request(id, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#),
            )
            .await;
        }
        stage.host.send_raw(&cancel("\"1\"")).await;
        assert_eq!(stage.server.wait_for_closed_streams(1).await, ["\"1\""]);
        stage.server.announce("notifications/tools/list_changed", &json!({})).await;
        let line = stage.host.recv_raw().await;
        assert_eq!(stage.server.sent().last(), Some(&line));
        assert!(line.contains(r#"subscriptionId":1}"#), "{line}");
        assert_eq!(end(&mut stage.host).await, "");
        assert_eq!(stage.server.requests().len(), 2);
    }
}

#[tokio::test]
async fn c8_a_cancel_is_posted_to_no_session_and_to_no_server() {
    let mut stage = staged_at("http/1.1", McpOptions { era: Era::Both, ..McpOptions::default() }).await;
    stage.host.initialize(LATEST).await;
    let plain = cancel("\"w\"");
    let modern = plain.replace(r#""params":{"#, &format!(r#""params":{{"_meta":{{{META}}},"#));
    for (number, line) in [plain, modern].into_iter().enumerate() {
        stage.host.send_raw(&call("\"w\"", "wait", "{}")).await;
        stage.server.wait_for_waiting(1).await;
        stage.host.send_raw(&line).await;
        stage.server.wait_for_closed_streams(number + 1).await;
    }
    assert_eq!(end(&mut stage.host).await, "");
    assert!(stage.server.received_of("notifications/cancelled").is_empty());
}

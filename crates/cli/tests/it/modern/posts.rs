//! C1: POST alone, one request or notification each, no session; beside a legacy session too.

use std::time::Duration;

use mcp_mtls_testkit::mcp::{Answers, Era, McpOptions};
use mcp_mtls_testkit::reply;
use serde_json::json;

use super::{
    PROTOCOLS, VERSION, call, empty_result, end, exchange, posts, request, said, scripted, staged_at, staged_over,
};
use crate::stage::LATEST;

#[tokio::test]
async fn c1_posts_alone_go_out_and_never_a_response() {
    for protocol in PROTOCOLS {
        for answers in [Answers::Json, Answers::Sse] {
            let mut stage = staged_over(protocol, McpOptions { answers, ..McpOptions::default() }).await;
            let lines = [
                request("0", "server/discover", ""),
                request(r#""l""#, "tools/list", ""),
                call("18446744073709551615", "whoami", "{}"),
                call("-1", "progress", "{}"),
            ];
            for line in &lines {
                let answer = exchange(&mut stage.host, line).await;
                assert_eq!(stage.server.sent().last(), Some(&answer));
            }
            // What answers nothing of the server goes nowhere, not even when it looks modern.
            let meta = r#""params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
            stage.host.send_raw(r#"{"jsonrpc":"2.0","id":"ask-1","result":{}}"#).await;
            stage.host.send_raw(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"no"}}"#).await;
            stage.host.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{}},{meta}}}"#)).await;
            assert_eq!(end(&mut stage.host).await, "");
            assert_eq!(posts(&stage.server.requests()), lines);
        }
    }
}

#[tokio::test]
async fn c1_a_batch_goes_out_as_one_post_a_message() {
    let mut stage = scripted(empty_result).await;
    let (one, two) = (request("1", "tools/list", ""), request("2", "prompts/list", ""));
    stage.host.send_raw(&format!("[{one}, {two}]")).await;
    let mut answers = [stage.host.recv_raw().await, stage.host.recv_raw().await];
    answers.sort();
    assert_eq!(answers, [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#]);
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    let mut texts = posts(&requests);
    texts.sort_unstable();
    assert_eq!(texts, [one, two]);
}

#[tokio::test]
async fn c1_a_notification_is_one_post_and_any_2xx_will_do() {
    for status in [200, 202, 204] {
        let mut stage = scripted(move |message| match message.get("id") {
            None => reply::empty(status),
            Some(_) => empty_result(message),
        })
        .await;
        let note = request("0", "notifications/x-new", r#""a":1.0"#).replace(r#""id":0,"#, "");
        stage.host.send_raw(&note).await;
        stage.server.wait_for_requests(1).await;
        exchange(&mut stage.host, &request("1", "x/y", "")).await;
        assert_eq!(end(&mut stage.host).await, "");
        let requests = stage.server.requests();
        assert_eq!(posts(&requests), [note, request("1", "x/y", "")]);
        assert_eq!(said(&requests[0]), ["mcp-method: notifications/x-new", VERSION]);
    }
}

#[tokio::test]
async fn c1_both_eras_share_a_process_and_only_legacy_messages_carry_the_session() {
    for protocol in PROTOCOLS {
        let mut stage = staged_at(protocol, McpOptions { era: Era::Both, ..McpOptions::default() }).await;
        let host = &mut stage.host;
        exchange(host, &request("\"m0\"", "server/discover", "")).await;
        host.initialize(LATEST).await;
        let session = stage.server.wait_for_session("it to begin", |session| session.initialized).await;
        let own = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","new":1.0}"#;
        stage.server.notify(own).await;
        assert_eq!(host.recv_raw().await, own);

        let asking = host.start_request("tools/call", json!({ "name": "ask", "arguments": {} })).await;
        let question = host.recv_method("elicitation/create").await;
        let modern = call("\"m1\"", "echo", r#"{"text":"new"}"#);
        assert!(exchange(host, &modern).await.contains(r#""id":"m1""#));
        let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } }).to_string();
        host.send_raw(&response).await;
        assert!(host.answer_to(asking).await["result"].is_object());
        exchange(host, &request("\"m2\"", "subscriptions/listen", r#""notifications":{}"#)).await;
        assert!(host.call("echo", json!({ "text": "old" })).await["result"].is_object());

        // The stream of the session is still there, and still the only one.
        assert_eq!(stage.server.open_streams(), 1);
        stage.server.notify(own).await;
        assert_eq!(host.recv_raw().await, own);
        end(host).await;
        assert_eq!(stage.server.ended_sessions(), [session.id.as_str()]);

        let requests = stage.server.requests();
        let (modern, legacy): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .partition(|request| request.text().contains("io.modelcontextprotocol/protocolVersion"));
        assert_eq!(posts(&modern).len(), 3, "{modern:#?}");
        assert!(modern.iter().all(|request| said(request).contains(&VERSION.to_owned())));
        let legacy: Vec<_> = legacy
            .iter()
            .map(|request| {
                let of_modern = ["mcp-method", "mcp-name"].map(|name| request.header(name));
                assert_eq!(of_modern, [None, None], "{}", request.text());
                let method = if request.body.is_empty() { "" } else { "message" };
                (
                    format!("{} {method}", request.method),
                    request.header("mcp-session-id"),
                    request.header("mcp-protocol-version"),
                )
            })
            .collect();
        let (id, version) = (Some(session.id.as_str()), Some(LATEST));
        assert_eq!(legacy[0], ("POST message".to_owned(), None, None));
        assert!(legacy[1..].iter().all(|seen| (seen.1, seen.2) == (id, version)), "{legacy:#?}");
        let count = |what: &str| legacy.iter().filter(|seen| seen.0 == what).count();
        assert_eq!((count("GET "), count("DELETE "), count("POST message")), (1, 1, 5), "{legacy:#?}");
        assert_eq!(stage.server.host_answers(), [response]);
    }
}

#[tokio::test]
async fn c1_the_beginning_of_a_session_is_legacy_whatever_its_metadata_says() {
    let mut stage = staged_at("http/1.1", McpOptions { era: Era::Both, ..McpOptions::default() }).await;
    let host = &mut stage.host;
    let hello = r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}"#;
    exchange(host, &request("0", "initialize", hello)).await;
    host.send_raw(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert!(host.call("echo", json!({ "text": "old" })).await["result"].is_object());
    end(host).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), stage.server.wait_for_delete()).await;
    assert_eq!(ended.as_deref(), Ok("testkit-session-1"));
    let requests = stage.server.requests();
    let first = ["mcp-session-id", "mcp-protocol-version", "mcp-method"].map(|name| requests[0].header(name));
    assert_eq!(first, [None, None, None]);
}

//! Part E: cases about requests and sessions.

use std::collections::BTreeSet;

use mcp_mtls_testkit::log::Log;
use mcp_mtls_testkit::mcp::{EventIds, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Events};
use mcp_mtls_testkit::server::{SeenRequest, TlsServer};
use serde_json::{Value, json};

use super::{cancellation, initialized, method_of, part, posts, result, says_nothing_more, scripted};
use crate::stage::{LATEST, connect};

#[tokio::test]
async fn e1_requests_that_reach_nobody_are_answered_and_the_next_is_tried_again() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = initialized(&pki, &server.url()).await;
    server.stop().await;
    let mut calls = Vec::new();
    for _ in 0..20 {
        calls.push(host.start_request("tools/list", json!({})).await);
    }
    for call in calls {
        let answer = host.answer_to(call).await;
        assert_eq!(answer["error"]["data"]["source"], "mcp-mtls", "{answer}");
    }
    server.start_again().await;
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e2_a_server_that_is_restarted_again_and_again_never_sees_an_old_session_twice() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = initialized(&pki, &server.url()).await;
    for times in 2..=4 {
        server.wait_for_session("its beginning", |session| session.initialized).await;
        server.restart().await;
        let before = server.requests().len();
        let answer = host.call("echo", json!({ "text": "still here" })).await;
        assert_eq!(answer["result"]["content"][0]["text"], "still here", "{answer}");
        assert_eq!(server.initializes(), times);
        let current = server.session().expect("a session").id;
        let calls = server.requests();
        let calls = posts(&calls[before..], "tools/call");
        let sessions: Vec<_> = calls.iter().map(|call| call.header("mcp-session-id")).collect();
        let old = format!("testkit-session-{}", times - 1);
        assert_eq!(sessions, [Some(old.as_str()), Some(current.as_str())]);
    }
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e3_the_revision_is_on_every_path() {
    let pki = Pki::new();
    let options = McpOptions {
        version: Some("2025-06-18"),
        event_ids: Some(EventIds { retry_ms: Some(100), hang_up: false }),
        ..McpOptions::default()
    };
    let server = McpServer::with(&pki, options).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    server.notify(r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#).await;
    host.recv_method("roots/list").await;
    host.send_raw(&result("\"q\"", "{}")).await;
    host.request("tools/list", json!({})).await;
    let call = host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
    server.wait_for_waiting(1).await;
    host.send_raw(&cancellation(&call.to_string())).await;
    host.answer_to(call).await;
    server.end_streams();
    server.wait_for_resumptions(1).await;
    // A new session, which the host knows nothing of.
    server.forget_sessions();
    host.request("tools/list", json!({})).await;
    assert_eq!(server.initializes(), 2);
    host.close_stdin();
    host.wait_exit(std::time::Duration::from_secs(5)).await;
    let mut paths = BTreeSet::new();
    for request in server.requests() {
        let method = method_of(&request.body);
        let expected = (method != "initialize").then_some("2025-06-18");
        let path = match request.method.as_str() {
            "POST" if method.is_empty() => "response".to_owned(),
            "POST" => method,
            "GET" if request.header("last-event-id").is_some() => "GET again".to_owned(),
            other => other.to_owned(),
        };
        assert_eq!(request.header("mcp-protocol-version"), expected, "{path}");
        paths.insert(path);
    }
    let all = [
        "DELETE",
        "GET",
        "GET again",
        "initialize",
        "notifications/cancelled",
        "notifications/initialized",
        "response",
        "tools/call",
        "tools/list",
    ];
    assert_eq!(paths.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn e11_both_sides_use_one_id_at_one_time() {
    let pki = Pki::new();
    let calls = std::sync::Arc::new(Log::<(String, Events)>::default());
    let open = calls.clone();
    let server = scripted(TlsServer::builder(&pki), move |request| {
        let body = request.into_body();
        let response = match (method_of(&body).as_str(), part(&body, "id")) {
            ("tools/call", Some(id)) => {
                let (events, response) = reply::events();
                // The server numbers its questions as the host numbers its calls.
                events.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage"}}"#));
                open.push((id, events));
                Some(response)
            }
            ("", Some(id)) => {
                for (_, events) in open.all().iter().filter(|(of, _)| *of == id) {
                    events.send(&result(&id, &part(&body, "result").unwrap()));
                }
                None
            }
            _ => None,
        };
        std::future::ready(response)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let ids = ["7", "\"7\"", "1"];
    for id in ids {
        host.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call"}}"#)).await;
        let question = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage"}}"#);
        assert_eq!(host.recv_raw().await, question);
    }
    for (place, id) in ids.into_iter().enumerate().rev() {
        host.send_raw(&result(id, &format!("{{\"answer\":{place}}}"))).await;
        assert_eq!(host.recv_raw().await, result(id, &format!("{{\"answer\":{place}}}")));
    }
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e11_a_new_session_does_not_answer_for_a_call_with_the_id_of_initialize() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    // The testkit's first request has the id 1.
    host.initialize(LATEST).await;
    server.wait_for_session("its beginning", |session| session.initialized).await;
    server.forget_sessions();
    host.send_raw(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"mine"}}}"#,
    )
    .await;
    let answer = host.answer_to(1).await;
    assert_eq!(answer["result"]["content"][0]["text"], "mine", "{answer}");
    assert_eq!(server.initializes(), 2);
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e17_a_413_is_told_for_a_request_and_harms_no_other() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let large = request.body().len() > 1_000_000;
        std::future::ready(large.then(|| reply::text(413, "<html><title>413 Request Entity Too Large</title>")))
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let text = "x".repeat(4_000_000);
    let large = host.start_request("tools/call", json!({ "text": text })).await;
    let small = host.start_request("tools/call", json!({})).await;
    // Of a notification nobody is told on stdout.
    host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/x", "params": text })).await;
    let answer = host.answer_to(large).await;
    assert_eq!(answer["error"]["data"]["evidence"]["status"], 413, "{answer}");
    assert!(answer["error"]["data"]["why"].to_string().contains("413 Request Entity Too Large"), "{answer}");
    assert!(host.answer_to(small).await["result"].is_object());
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e19_an_error_is_not_answered_with_an_error() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let refused = part(request.body(), "error").and_then(|error| part(error.as_bytes(), "code"));
        let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#;
        std::future::ready(match refused.as_deref() {
            Some("400") => Some(reply::json(400, body)),
            Some("404") => Some(reply::text(404, "no session of that name")),
            Some("500") => Some(reply::empty(500)),
            Some("200") => Some(reply::json(200, body)),
            Some("201") => {
                let (events, response) = reply::events();
                events.send(body);
                Some(response)
            }
            _ => None,
        })
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let mut sent = Vec::new();
    for code in [400, 404, 500, 200, 201] {
        for id in ["\"q\"", "null", "1"] {
            sent.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"no"}}}}"#));
        }
        sent.push(format!(r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"no id"}}}}"#));
    }
    for error in &sent {
        host.send_raw(error).await;
    }
    let all =
        |requests: &[SeenRequest]| sent.iter().all(|error| requests.iter().any(|one| one.body == error.as_bytes()));
    server.record().requests.wait_until("each error", all).await;
    says_nothing_more(&mut host).await;
    // An error without an id is no answer to anything, so it is not answered when it is broken either.
    host.send_raw("no message").await;
    assert_eq!(host.recv().await["id"], Value::Null);
    host.send_raw(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#).await;
    says_nothing_more(&mut host).await;
}

//! B12: a whole session over HTTP+SSE (2024-11-05), and what follows when its one stream breaks.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{Endpoint, HttpSse, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Events};
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::fallback::old;
use super::{
    Seen as _, begin, bridged, call, notification, ours, parsed, request, scripted, told, wait_for_many, welcome,
};
use crate::stage::connect;

#[tokio::test]
async fn b12_an_absolute_endpoint_of_the_same_origin_is_used() {
    for endpoint in [Endpoint::Absolute, Endpoint::Text("  {path}".to_owned()), Endpoint::Text("..{path}".to_owned())] {
        let mut bridged = bridged(old(HttpSse { endpoint, ..HttpSse::default() })).await;
        assert!(bridged.ask(&call(1, "whoami")).await.contains(&bridged.certificate));
        assert_eq!(bridged.posts()[1..], ["initialize 1", "notifications/initialized 1", "tools/call 1"]);
        bridged.over().await;
    }
}

#[tokio::test]
async fn b12_the_query_of_the_endpoint_is_kept_and_that_of_the_url_is_not() {
    let stream: Arc<Mutex<Option<Events>>> = Arc::default();
    let mut bridged = scripted(move |asked| {
        let mut stream = stream.lock().expect("no panic");
        if asked.http == "GET" {
            let (events, response) = reply::events();
            events.raw("event: endpoint\ndata: in/box?a=1&b=%2F%20&c\n\n");
            *stream = Some(events);
            return Some(response);
        }
        if asked.path == "/mcp" {
            return Some(reply::empty(405));
        }
        assert_eq!(asked.path, "/in/box?a=1&b=%2F%20&c");
        if asked.message.get("id").is_some() {
            let result = if asked.is("initialize") { welcome("2024-11-05") } else { json!({ "path": asked.path }) };
            stream.as_ref()?.send(&asked.result(&result));
        }
        Some(reply::empty(202))
    })
    .await;
    assert_eq!(parsed(&bridged.ask(&call(1, "x")).await)["result"]["path"], "/in/box?a=1&b=%2F%20&c");
    bridged.over().await;
}

#[tokio::test]
async fn b12_what_the_server_says_and_asks_reaches_the_host_and_its_answers_the_server() {
    let mut bridged = bridged(old(HttpSse::default())).await;
    let text = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","new":1.0}"#;
    bridged.server.notify(text).await;
    assert_eq!(bridged.host.recv_raw().await, text);
    let question = bridged.ask(&call(7, "ask")).await;
    assert_eq!(parsed(&question)["method"], "elicitation/create");
    let answer = json!({ "jsonrpc": "2.0", "id": parsed(&question)["id"], "result": { "x": 1.0 } }).to_string();
    let line = bridged.ask(&answer).await;
    assert!(parsed(&line)["id"] == 7 && line.contains("result"), "{line}");
    assert_eq!(bridged.server.host_answers(), [answer]);
    assert_eq!(bridged.posts().last().map(String::as_str), Some("POST 1"), "in the session of the stream");
    bridged.server.comment();
    bridged.over().await;
}

#[tokio::test]
async fn b12_many_calls_at_once_are_answered_each() {
    let mut bridged = bridged(old(HttpSse::default())).await;
    for id in 0..20 {
        bridged.host.send_raw(&call(id, "wait")).await;
    }
    bridged.server.wait_for_waiting(20).await;
    assert_eq!(parsed(&bridged.ask(&call(20, "echo")).await)["id"], 20, "it is held up by nothing");
    bridged.server.release().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        let answer = bridged.host.recv().await;
        assert!(answer["result"].is_object(), "{answer}");
        ids.push(answer["id"].as_u64().expect("a number"));
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    assert_eq!(told(&bridged.gets()), ["GET -"]);
    bridged.over().await;
}

#[tokio::test]
async fn b12_a_cut_stream_is_told_to_its_call_and_the_session_opened_anew() {
    for cut in ["end", "cut", "restart"] {
        let mut bridged = bridged(old(HttpSse::default())).await;
        for line in [
            request(1, "logging/setLevel", "level", "debug"),
            request(2, "resources/subscribe", "uri", "test://one"),
            request(3, "resources/subscribe", "uri", "test://two"),
            request(4, "resources/unsubscribe", "uri", "test://one"),
        ] {
            bridged.ask(&line).await;
        }
        bridged.host.send_raw(&call(5, "wait")).await;
        bridged.server.wait_for_waiting(1).await;
        let seen = bridged.server.seen().len();
        match cut {
            "end" => bridged.server.end_streams(),
            "cut" => bridged.server.server().cut().await,
            _ => bridged.server.restart().await,
        }
        let data = ours(&bridged.host.recv_raw().await, 5, "connection-lost");
        assert!(data["why"].to_string().contains("may have been carried out"), "{cut}: {data}");
        // The host does nothing.
        let whole = |session: &mcp_mtls_testkit::mcp::Session| {
            session.id == "testkit-session-2"
                && session.initialized
                && session.log_level.as_deref() == Some("debug")
                && session.subscriptions == ["test://two"]
        };
        bridged.server.wait_for_session("the whole new session", whole).await;
        let again = ["initialize -", "GET -", "initialize 2", "notifications/initialized 2", "logging/setLevel 2"];
        assert_eq!(told(&bridged.server.seen())[seen..], [&again[..], &["resources/subscribe 2"]].concat(), "{cut}");
        let text = notification("notifications/x");
        bridged.server.notify(&text).await;
        assert_eq!(bridged.host.recv_raw().await, text);
        assert!(bridged.ask(&call(6, "whoami")).await.contains(&bridged.certificate));
        assert_eq!(bridged.server.received_of("tools/call"), [call(5, "wait"), call(6, "whoami")]);
        bridged.over().await;
    }
}

#[tokio::test]
async fn b12_a_call_right_after_the_cut_does_not_wait_for_a_pause() {
    let mut bridged = bridged(old(HttpSse::default())).await;
    bridged.host.send_raw(&call(1, "wait")).await;
    bridged.server.wait_for_waiting(1).await;
    let ended = Instant::now();
    bridged.server.end_streams();
    ours(&bridged.host.recv_raw().await, 1, "connection-lost");
    assert!(parsed(&bridged.ask(&call(2, "echo")).await)["result"].is_object());
    assert!(ended.elapsed() < Duration::from_millis(500), "{:?}", ended.elapsed());
    let words = ["initialize -", "initialize 2", "notifications/initialized 2", "tools/call 2"];
    assert_eq!(bridged.posts()[4..], words);
    bridged.over().await;
}

#[tokio::test]
async fn b12_a_session_lost_under_an_open_stream_is_opened_anew_with_its_stream() {
    let mut bridged = bridged(old(HttpSse::default())).await;
    bridged.server.notify(&notification("notifications/first")).await;
    bridged.host.recv_raw().await;
    bridged.server.forget_sessions();
    assert!(parsed(&bridged.ask(&call(1, "echo")).await)["result"].is_object());
    assert_eq!(
        bridged.posts()[3..],
        ["tools/call 1", "initialize -", "initialize 2", "notifications/initialized 2", "tools/call 2"]
    );
    // The old stream is let go, and the new one is the one that is watched.
    closed(&bridged.server, 1).await;
    bridged.server.end_streams();
    bridged.server.wait_for_session("a third", |session| session.id.ends_with('3') && session.initialized).await;
    bridged.server.notify(&notification("notifications/last")).await;
    assert_eq!(bridged.host.recv_raw().await, notification("notifications/last"));
    bridged.over().await;
}

#[tokio::test]
async fn b12_a_server_that_ends_every_stream_is_asked_ever_more_seldom() {
    let stream: Arc<Mutex<Option<Events>>> = Arc::default();
    let bridged = scripted(move |asked| {
        let mut stream = stream.lock().expect("no panic");
        if asked.http == "GET" {
            let (events, response) = reply::events();
            events.raw("event: endpoint\ndata: /messages\n\n");
            *stream = Some(events);
            return Some(response);
        }
        if asked.path == "/mcp" {
            return Some(reply::empty(405));
        }
        if asked.is("initialize") {
            stream.as_ref()?.send(&asked.result(&welcome("2024-11-05")));
        } else {
            *stream = None;
        }
        Some(reply::empty(202))
    })
    .await;
    let gets = wait_for_many(&bridged.server, "three streams", 3, |told| told == "GET -").await;
    let gets: Vec<_> = gets.iter().filter(|request| request.method == "GET").collect();
    assert!(gets[1].at.duration_since(gets[0].at) >= Duration::from_millis(500));
    assert!(gets[2].at.duration_since(gets[1].at) >= Duration::from_secs(1));
    bridged.over().await;
}

#[tokio::test]
async fn b12_a_cancel_reaches_the_server() {
    let mut bridged = bridged(old(HttpSse::default())).await;
    bridged.host.send_raw(&call(7, "wait")).await;
    bridged.server.wait_for_waiting(1).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    bridged.host.send_raw(cancel).await;
    assert_eq!(bridged.server.wait_for_method("notifications/cancelled").await, cancel);
    ours(&bridged.host.recv_raw().await, 7, "cancelled");
    assert_eq!(bridged.posts().last().map(String::as_str), Some("notifications/cancelled 1"));
    bridged.over().await;
}

#[tokio::test]
async fn b12_the_stream_ends_with_the_host() {
    let bridged = bridged(old(HttpSse::default())).await;
    assert_eq!(bridged.server.open_streams(), 1);
    let mut host = bridged.host;
    host.close_stdin();
    assert!(host.wait_exit(Duration::from_secs(2)).await.success());
    closed(&bridged.server, 0).await;
    // There is no session that could be ended by DELETE.
    assert_eq!(told(&bridged.server.seen())[2..], ["initialize 1", "notifications/initialized 1"]);
}

#[tokio::test]
async fn b12_an_answer_may_come_before_its_post_is_accepted() {
    let pki = Pki::new();
    let stream: Arc<Mutex<Option<Events>>> = Arc::default();
    let accept = watch::Sender::new(false);
    let accepting = accept.clone();
    let server = TlsServer::builder(&pki)
        .handler(move |request, _| {
            let (stream, mut accepting) = (stream.clone(), accepting.subscribe());
            async move {
                if request.method() == "GET" {
                    let (events, response) = reply::events();
                    events.raw("event: endpoint\ndata: /messages\n\n");
                    *stream.lock().expect("no panic") = Some(events);
                    return response;
                }
                if request.uri().path() == "/mcp" {
                    return reply::empty(405);
                }
                let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
                let answer = |result: Value| json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                let events = stream.lock().expect("no panic").clone().expect("the stream is open");
                if message["method"] == "initialize" {
                    events.send(&answer(welcome("2024-11-05")).to_string());
                } else if message["method"] == "tools/call" {
                    events.send(&answer(json!({})).to_string());
                    events.send(&notification("notifications/after"));
                    let _accepted = accepting.wait_for(|accept| *accept).await;
                }
                reply::empty(202)
            }
        })
        .start()
        .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    begin(&mut host).await;
    host.send_raw(&call(7, "x")).await;
    // What came behind the answer has been read, so the answer has been too.
    host.recv_method("notifications/after").await;
    accept.send_replace(true);
    assert!(host.answer_to(7).await["result"].is_object());
    host.close_stdin();
    assert!(host.wait_exit(Duration::from_secs(5)).await.success());
    assert_eq!(host.drained_stdout().await, Vec::<String>::new());
}

/// Waits until only so many streams are open.
async fn closed(server: &McpServer, open: usize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.open_streams() > open {
        assert!(Instant::now() < deadline, "{} streams are open", server.open_streams());
        tokio::task::yield_now().await;
    }
}

//! B6: what is no lost session, and sessions that cannot be opened anew.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_mtls_testkit::reply;
use serde_json::json;

use super::{call, ours, parsed, request, scripted, wait_for, wait_for_many, welcome};

#[tokio::test]
async fn b6_other_json_rpc_errors_are_answers() {
    for (status, error) in [
        (404, r#"{"code":-32601,"message":"Method not found"}"#),
        (400, r#"{"code":-32602,"message":"Bad arguments"}"#),
        (400, r#"{"code":-32000,"message":"Unsupported protocol version"}"#),
        (403, r#"{"code":-32001,"message":"This session may not do that"}"#),
        (500, r#"{"code":-32001,"message":"Session not found"}"#),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0", "error":{error},"id":null}}"#);
        let refusal = body.clone();
        let script = move |asked: &super::Asked| asked.is("tools/call").then(|| reply::json(status, refusal.clone()));
        let mut bridged = scripted(script).await;
        assert_eq!(bridged.ask(&call(5, "echo")).await, body.replace("null", "5"), "{status}");
        assert_eq!(bridged.posts(), ["initialize -", "notifications/initialized 1", "tools/call 1"]);
        bridged.over().await;
    }
}

#[tokio::test]
async fn b6_without_a_session_a_404_is_no_loss() {
    let script = |asked: &super::Asked| {
        let hello = || reply::json(200, asked.result(&welcome("2025-03-26")));
        let lost = || reply::text(404, "Session not found");
        asked.is("initialize").then(hello).or_else(|| asked.is("tools/call").then(lost))
    };
    let mut bridged = scripted(script).await;
    let line = bridged.ask(&call(1, "echo")).await;
    assert_eq!(ours(&line, 1, "http-not-found")["evidence"]["status"], 404);
    assert_eq!(bridged.posts(), ["initialize -", "notifications/initialized -", "tools/call -"]);
    bridged.over().await;
}

#[tokio::test]
async fn b6_a_session_that_is_lost_again_and_again_is_told_and_not_opened_for_ever() {
    // Whatever is said in a session: it is lost, but for its first word.
    let script = |asked: &super::Asked| {
        let lost = asked.session.is_some() && !asked.is("notifications/initialized");
        lost.then(|| reply::text(404, "Session not found"))
    };
    let mut bridged = scripted(script).await;
    let line = bridged.ask(&call(1, "echo")).await;
    assert_eq!(ours(&line, 1, "http-not-found")["evidence"]["status"], 404);
    let line = bridged.ask(&call(2, "echo")).await;
    ours(&line, 2, "http-not-found");
    // Nor does the server's own stream, which it has not, do so while nobody asks for anything.
    let began = || bridged.posts().iter().filter(|told| *told == "initialize -").count();
    let before = began();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(before <= 3, "the host's, and one for each call: {:?}", bridged.posts());
    assert_eq!(began(), before);
    bridged.over().await;
}

#[tokio::test]
async fn b6_a_404_for_the_stream_alone_is_a_server_without_one() {
    let script = |asked: &super::Asked| (asked.http == "GET").then(|| reply::text(404, "Cannot GET /mcp"));
    let mut bridged = scripted(script).await;
    wait_for(&bridged.server, "the GET", |told| told.starts_with("GET ")).await;
    for id in 0..5 {
        assert!(parsed(&bridged.ask(&call(id, "echo")).await)["result"].is_object());
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(bridged.posts().iter().filter(|told| *told == "initialize -").count(), 1, "{:?}", bridged.posts());
    assert_eq!(bridged.gets().len(), 1);
    bridged.over().await;
}

#[tokio::test]
async fn b6_whoever_waits_for_a_refused_session_is_told_at_once_and_the_next_call_tries_again() {
    let error = json!({ "jsonrpc": "2.0", "id": "i1", "error": { "code": -32000, "message": "no more sessions" } });
    let revision = json!({ "jsonrpc": "2.0", "id": "i1", "result": welcome("2025-06-18") });
    for (answer, words) in [
        (Some(error.to_string()), "refuses a new session"),
        (Some(revision.to_string()), "2025-06-18"),
        (None, "without the answer"),
    ] {
        let lost = Arc::new(AtomicBool::new(false));
        let held = Arc::new(Mutex::new(Vec::new()));
        let (is_lost, holding) = (lost.clone(), held.clone());
        let mut bridged = scripted(move |asked| {
            if !is_lost.load(Ordering::Relaxed) {
                let stale = asked.is("tools/call") && asked.session.as_deref() == Some("session-1");
                return stale.then(|| reply::empty(404));
            }
            if asked.is("initialize") {
                let (events, response) = reply::events();
                holding.lock().expect("no panic").push(events);
                return Some(response);
            }
            asked.is("tools/call").then(|| reply::empty(404))
        })
        .await;
        lost.store(true, Ordering::Relaxed);
        for id in 0..5 {
            bridged.host.send_raw(&call(id, "echo")).await;
        }
        wait_for_many(&bridged.server, "five calls", 5, |told| told == "tools/call 1").await;
        wait_for_many(&bridged.server, "the attempt", 2, |told| told == "initialize -").await;
        // All of them have read their refusals by the time that this is answered.
        assert!(parsed(&bridged.ask(&request(8, "x/ping", "a", "b")).await)["result"].is_object());
        // The head of the answer has come, and then, or instead of more, this.
        let attempt = held.lock().expect("no panic").remove(0);
        if let Some(answer) = answer {
            attempt.send(&answer);
        }
        drop(attempt);
        for _ in 0..5 {
            let line = bridged.host.recv_raw().await;
            let id = usize::try_from(parsed(&line)["id"].as_u64().expect("a number")).expect("a small number");
            let data = ours(&line, id, "session-lost");
            assert!(data["why"].to_string().contains(words), "{line}");
        }
        let attempts =
            |bridged: &super::Bridged<_>| bridged.posts().iter().filter(|told| *told == "initialize -").count();
        assert_eq!(attempts(&bridged), 2, "one attempt for all: {:?}", bridged.posts());
        lost.store(false, Ordering::Relaxed);
        let line = bridged.ask(&call(9, "echo")).await;
        assert!(parsed(&line)["result"].is_object(), "{line}");
        assert_eq!(attempts(&bridged), 3);
        assert_eq!(bridged.posts().last().map(String::as_str), Some("tools/call 2"));
        bridged.over().await;
    }
}

#[tokio::test]
async fn b6_a_session_that_is_lost_while_it_is_opened_is_told_and_the_next_call_tries_again() {
    let begun = AtomicUsize::new(0);
    let mut bridged = scripted(move |asked| {
        let begins = usize::from(asked.is("initialize"));
        let number = begun.fetch_add(begins, Ordering::Relaxed) + begins;
        // The second session is gone before its first word.
        let lost = asked.session.is_some() && (number == 2 || asked.is("tools/call") && number == 1);
        lost.then(|| reply::text(404, "Session not found"))
    })
    .await;
    let line = bridged.ask(&call(1, "echo")).await;
    assert!(ours(&line, 1, "session-lost")["why"].to_string().contains("404"), "{line}");
    assert!(parsed(&bridged.ask(&call(2, "echo")).await)["result"].is_object());
    bridged.over().await;
}

//! B9: a cut stream of an answer is taken up where it was, and its request is never sent again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{Answers, EventIds, McpOptions, McpServer};
use mcp_mtls_testkit::reply::{self, Body};
use serde_json::json;

use super::{Bridged, bridged, call, notification, ours, parsed, scripted};

#[tokio::test]
async fn b9_a_cut_call_is_taken_up_and_answered_once() {
    let mut bridged = with_ids(EventIds { retry_ms: Some(200), hang_up: false }).await;
    bridged.host.send_raw(&call(7, "wait")).await;
    bridged.server.wait_for_waiting(1).await;
    let cut = Instant::now();
    bridged.server.server().cut().await;
    bridged.server.release().await;
    let line = bridged.host.recv_raw().await;
    assert_eq!(Some(&line), bridged.server.sent().last());
    assert!(parsed(&line)["id"] == 7 && line.contains("released"), "{line}");
    let resumed = bridged.server.resumptions();
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0].header("last-event-id"), Some("testkit-event-1.0"));
    assert_eq!(super::told(&resumed), ["GET 1"], "in the same session");
    assert!(resumed[0].at.duration_since(cut) >= Duration::from_millis(200), "the server asked for that");
    assert_eq!(bridged.server.received_of("tools/call"), [call(7, "wait")]);
    bridged.over().await;
}

#[tokio::test]
async fn b9_a_server_may_hang_up_many_times() {
    let mut bridged = with_ids(EventIds { retry_ms: Some(100), hang_up: true }).await;
    bridged.host.send_raw(&call(7, "wait")).await;
    for times in 1..=5 {
        bridged.server.wait_for_resumptions(times).await;
        bridged.server.hang_up();
    }
    bridged.server.release().await;
    let line = bridged.host.recv_raw().await;
    assert!(parsed(&line)["id"] == 7 && line.contains("released"), "{line}");
    let resumed = bridged.server.resumptions();
    assert!(resumed.iter().all(|get| get.header("last-event-id") == Some("testkit-event-1.0")));
    // It is the server's pace, so pauses do not grow: 5 of them would take 3 s by then.
    assert!(resumed[4].at.duration_since(resumed[0].at) < Duration::from_millis(1500));
    assert_eq!(bridged.server.received_of("tools/call").len(), 1);
    bridged.over().await;
}

#[tokio::test]
async fn b9_what_came_before_the_cut_is_not_repeated_and_nothing_is_missed() {
    let step = |n: usize| notification(&format!("notifications/step/{n}"));
    let mut bridged = scripted(move |asked| {
        let after = match (&asked.last_id, asked.is("tools/call")) {
            (Some(id), _) => id.parse::<usize>().expect("an id of this server"),
            (None, true) => 0,
            (None, false) => return None,
        };
        // One message a stream, then the answer; each stream begins with a word that only carries an id.
        let message =
            if after < 3 { step(after + 1) } else { json!({ "jsonrpc": "2.0", "id": 7, "result": {} }).to_string() };
        Some(events(&[
            format!("id: {after}\nretry: 100\ndata:\n\n"),
            format!("id: {}\ndata: {message}\n\n", after + 1),
        ]))
    })
    .await;
    bridged.host.send_raw(&call(7, "echo")).await;
    for n in 1..=3 {
        assert_eq!(bridged.host.recv_raw().await, step(n));
    }
    assert!(parsed(&bridged.host.recv_raw().await)["result"].is_object());
    assert_eq!(last_ids(&bridged), ["1", "2", "3"]);
    assert_eq!(bridged.posts()[2..], ["tools/call 1"]);
    bridged.over().await;
}

#[tokio::test]
async fn b9_retry_of_nothing_is_no_storm() {
    let opened = AtomicUsize::new(0);
    let mut bridged = scripted(move |asked| {
        let resumed = asked.last_id.is_some();
        if resumed && opened.fetch_add(1, Ordering::Relaxed) == 5 {
            return Some(events(&[format!("data: {}\n\n", json!({ "jsonrpc": "2.0", "id": 7, "result": {} }))]));
        }
        (resumed || asked.is("tools/call")).then(|| events(&["id: 1\nretry: 0\ndata:\n\n".to_owned()]))
    })
    .await;
    assert!(parsed(&bridged.ask(&call(7, "echo")).await)["result"].is_object());
    let gets: Vec<_> = bridged.gets().into_iter().filter(|get| get.header("last-event-id").is_some()).collect();
    assert_eq!(gets.len(), 6);
    for pair in gets.windows(2) {
        assert!(pair[1].at.duration_since(pair[0].at) >= Duration::from_millis(100));
    }
    bridged.over().await;
}

#[tokio::test]
async fn b9_without_event_ids_the_cut_is_told_at_once() {
    let options = McpOptions { answers: Answers::Sse, get_stream: false, ..McpOptions::default() };
    let mut bridged = bridged(options).await;
    bridged.host.send_raw(&call(7, "wait")).await;
    bridged.server.wait_for_waiting(1).await;
    bridged.server.server().cut().await;
    let line = bridged.host.recv_raw().await;
    assert!(ours(&line, 7, "connection-lost")["why"].to_string().contains("no ids"), "{line}");
    assert!(parsed(&bridged.ask(&call(8, "echo")).await)["result"].is_object());
    assert_eq!(bridged.server.resumptions().len(), 0);
    assert_eq!(bridged.posts()[2..], ["tools/call 1", "tools/call 1"], "neither is sent again");
    bridged.over().await;
}

#[tokio::test]
async fn b9_an_empty_id_takes_the_last_one_back() {
    let step = notification("notifications/x");
    // In the stream of the POST, and in one that was taken up.
    for resumed in [false, true] {
        let text = step.clone();
        let mut bridged = scripted(move |asked| {
            let first = "id: 1\nretry: 100\ndata:\n\n".to_owned();
            let second = format!("id\ndata: {text}\n\n");
            match (&asked.last_id, asked.is("tools/call")) {
                (None, true) if resumed => Some(events(&[first])),
                (None, true) => Some(events(&[first, second])),
                (Some(_), _) => Some(events(&[second])),
                (None, false) => None,
            }
        })
        .await;
        assert_eq!(bridged.ask(&call(7, "echo")).await, step);
        let line = bridged.host.recv_raw().await;
        assert!(ours(&line, 7, "connection-lost")["why"].to_string().contains("no ids"), "{line}");
        let ids: &[&str] = if resumed { &["1"] } else { &[] };
        assert_eq!(last_ids(&bridged), ids);
        bridged.over().await;
    }
}

#[tokio::test]
async fn b9_a_server_that_refuses_to_go_on_is_asked_once_and_its_reason_told() {
    for status in [400, 404, 405, 501] {
        let mut bridged = scripted(move |asked| {
            let refused = || reply::text(status, "no such event");
            let resumed = asked.last_id.is_some().then(refused);
            resumed.or_else(|| asked.is("tools/call").then(|| events(&["id: 1\nretry: 100\ndata:\n\n".to_owned()])))
        })
        .await;
        let line = bridged.ask(&call(7, "echo")).await;
        let why = ours(&line, 7, "connection-lost")["why"].to_string();
        assert!(why.contains("could not be taken up") && why.contains(&status.to_string()), "{why}");
        assert_eq!(last_ids(&bridged), ["1"]);
        assert_eq!(bridged.posts()[2..], ["tools/call 1"], "no second call, and no second session");
        bridged.over().await;
    }
}

#[tokio::test]
async fn b9_a_server_that_is_busy_is_asked_four_times() {
    let mut bridged = scripted(move |asked| {
        let resumed = asked.last_id.is_some().then(|| reply::text(503, "starting"));
        resumed.or_else(|| asked.is("tools/call").then(|| events(&["id: 1\nretry: 100\ndata:\n\n".to_owned()])))
    })
    .await;
    let line = bridged.ask(&call(7, "echo")).await;
    assert!(ours(&line, 7, "connection-lost")["why"].to_string().contains("503"), "{line}");
    assert_eq!(last_ids(&bridged).len(), 4);
    bridged.over().await;
}

#[tokio::test]
async fn b9_a_server_that_comes_back_with_its_events_gives_the_answer() {
    let mut bridged = with_ids(EventIds { retry_ms: Some(200), hang_up: false }).await;
    bridged.host.send_raw(&call(7, "wait")).await;
    bridged.server.wait_for_waiting(1).await;
    // The calls go on behind the closed door.
    bridged.server.server().stop().await;
    // Time enough for an attempt that is refused.
    tokio::time::sleep(Duration::from_millis(500)).await;
    bridged.server.server().start_again().await;
    bridged.server.wait_for_resumptions(1).await;
    bridged.server.release().await;
    let line = bridged.host.recv_raw().await;
    assert!(parsed(&line)["id"] == 7 && line.contains("released"), "{line}");
    assert_eq!(bridged.server.received_of("tools/call").len(), 1);
    assert_eq!(bridged.server.initializes(), 1);
    bridged.over().await;
}

#[tokio::test]
async fn b9_a_call_that_waits_to_be_taken_up_can_be_cancelled() {
    let mut bridged = with_ids(EventIds { retry_ms: Some(60_000), hang_up: true }).await;
    bridged.host.send_raw(&call(7, "wait")).await;
    bridged.server.wait_for_waiting(1).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    bridged.host.send_raw(cancel).await;
    assert_eq!(bridged.server.wait_for_method("notifications/cancelled").await, cancel);
    ours(&bridged.host.recv_raw().await, 7, "cancelled");
    assert_eq!(bridged.server.resumptions().len(), 0);
    bridged.over().await;
}

#[tokio::test]
async fn b9_each_of_many_calls_takes_up_its_own_stream() {
    let mut bridged = with_ids(EventIds { retry_ms: Some(100), hang_up: false }).await;
    for id in 1..=5 {
        bridged.host.send_raw(&call(id, "wait")).await;
        bridged.server.wait_for_waiting(id).await;
    }
    bridged.server.server().cut().await;
    bridged.server.release().await;
    let mut ids = Vec::new();
    for _ in 1..=5 {
        let answer = bridged.host.recv().await;
        assert!(answer["result"].is_object(), "{answer}");
        ids.push(answer["id"].as_u64().expect("a number"));
    }
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    let mut resumed: Vec<_> =
        bridged.server.resumptions().iter().filter_map(|get| get.header("last-event-id").map(str::to_owned)).collect();
    resumed.sort();
    assert_eq!(resumed, (1..=5).map(|n| format!("testkit-event-{n}.0")).collect::<Vec<_>>());
    bridged.over().await;
}

/// A server whose answers are streams that can be taken up, and no stream of its own.
async fn with_ids(ids: EventIds) -> Bridged<McpServer> {
    let answers = Answers::Sse;
    bridged(McpOptions { answers, event_ids: Some(ids), get_stream: false, ..McpOptions::default() }).await
}

/// A stream of these events, which then ends.
fn events(texts: &[String]) -> http::Response<Body> {
    let (events, response) = reply::events();
    for text in texts {
        events.raw(text.clone());
    }
    response
}

/// The `Last-Event-ID` of every GET that had one.
fn last_ids<S: super::Seen>(bridged: &Bridged<S>) -> Vec<String> {
    bridged.gets().iter().filter_map(|get| get.header("last-event-id").map(str::to_owned)).collect()
}

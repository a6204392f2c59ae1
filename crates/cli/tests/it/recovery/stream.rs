//! B8: the stream on which the server speaks of its own accord is kept open, and nobody is asked at full rate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{EventIds, McpOptions};
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::SeenRequest;

use super::{bridged, call, notification, parsed, scripted, told, wait_for, wait_for_many};
use crate::stage::LATEST;

#[tokio::test]
async fn b8_the_stream_is_opened_once_initialized_has_been_taken() {
    let pki = mcp_mtls_testkit::Pki::new();
    let server = mcp_mtls_testkit::McpServer::start(&pki).await;
    server.hold("notifications/initialized");
    let mut host = crate::stage::connect(&pki, &server.url(), &pki.client("alice"));
    super::begin(&mut host).await;
    server.wait_for_method("notifications/initialized").await;
    // A cancel waits for nothing; a stream that waited for nothing would have been asked for by now.
    host.send_raw(&notification("notifications/cancelled")).await;
    server.wait_for_method("notifications/cancelled").await;
    let taken = Instant::now();
    server.let_go("notifications/initialized");
    server.notify(&notification("notifications/x")).await;
    assert_eq!(host.recv_raw().await, notification("notifications/x"));
    let requests = server.requests();
    let words = ["initialize -", "notifications/initialized 1", "notifications/cancelled 1", "GET 1"];
    assert_eq!(told(&requests), words);
    let get = &requests[3];
    assert!(get.at >= taken);
    assert_eq!((get.header("mcp-protocol-version"), get.header("accept")), (Some(LATEST), Some("text/event-stream")));
    assert_eq!((get.header("last-event-id"), get.header("content-type")), (None, None));
}

#[tokio::test]
async fn b8_a_server_without_a_stream_is_asked_once() {
    let mut bridged = bridged(McpOptions { get_stream: false, ..McpOptions::default() }).await;
    let asked = |requests: &[SeenRequest]| told(requests).contains(&"GET 1".to_owned());
    bridged.server.server().record().requests.wait_until("the GET", asked).await;
    // Longer than the first pause can be.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(parsed(&bridged.ask(&call(1, "echo")).await)["result"].is_object());
    assert_eq!(told(&bridged.gets()), ["GET 1"]);
    bridged.over().await;
}

#[tokio::test]
async fn b8_a_server_that_accepts_and_closes_is_asked_ever_more_seldom_until_it_says_something() {
    let opened = AtomicUsize::new(0);
    let mut bridged = scripted(move |asked| {
        let (events, response) = reply::events();
        if asked.http == "GET" {
            // Comments, and events without a message, are no life.
            events.raw(": hello\n\nretry: 100\nid: 7\ndata:\n\n");
            if opened.fetch_add(1, Ordering::Relaxed) == 4 {
                events.send(&notification("notifications/x"));
            }
        }
        (asked.http == "GET").then_some(response)
    })
    .await;
    let gets = wait_for_many(&bridged.server, "six streams", 6, |told| told == "GET 1").await;
    assert_eq!(bridged.host.recv_raw().await, notification("notifications/x"));
    let pauses = pauses(&gets);
    for (pause, least) in pauses.iter().zip([100, 100, 200, 400]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    // Without the message the fifth would be of 800 ms at least.
    assert!(pauses[4] >= Duration::from_millis(100) && pauses[4] < Duration::from_millis(700), "{pauses:?}");
    bridged.over().await;
}

#[tokio::test]
async fn b8_a_server_that_is_busy_is_left_alone_for_a_while() {
    let opened = AtomicUsize::new(0);
    let held = Mutex::new(None);
    let mut bridged = scripted(move |asked| {
        if asked.http != "GET" {
            return None;
        }
        match opened.fetch_add(1, Ordering::Relaxed) {
            0 => return Some(reply::text(409, "there is a stream already")),
            1 => return Some(reply::text(503, "not now")),
            _ => {}
        }
        let (events, response) = reply::events();
        events.send(&notification("notifications/x"));
        *held.lock().expect("no panic") = Some(events);
        Some(response)
    })
    .await;
    let gets = wait_for_many(&bridged.server, "three streams", 3, |told| told == "GET 1").await;
    let pauses = pauses(&gets);
    assert!(pauses[0] >= Duration::from_millis(500) && pauses[1] >= Duration::from_secs(1), "{pauses:?}");
    assert_eq!(bridged.host.recv_raw().await, notification("notifications/x"));
    // It was a refusal for a while, not a lost session.
    assert_eq!(bridged.posts(), ["initialize -", "notifications/initialized 1"]);
    bridged.over().await;
}

#[tokio::test]
async fn b8_comments_keep_the_stream_and_are_no_messages() {
    let mut bridged = bridged(McpOptions::default()).await;
    bridged.server.notify(&notification("notifications/first")).await;
    assert_eq!(bridged.host.recv_raw().await, notification("notifications/first"));
    for _ in 0..100 {
        bridged.server.comment();
    }
    bridged.server.notify(&notification("notifications/last")).await;
    assert_eq!(bridged.host.recv_raw().await, notification("notifications/last"));
    assert_eq!(told(&bridged.gets()), ["GET 1"]);
    bridged.over().await;
}

#[tokio::test]
async fn b8_a_stream_that_ends_goes_on_after_the_last_event() {
    let ids = EventIds { retry_ms: Some(300), hang_up: false };
    let mut bridged = bridged(McpOptions { event_ids: Some(ids), ..McpOptions::default() }).await;
    bridged.server.notify(&notification("notifications/before")).await;
    assert_eq!(bridged.host.recv_raw().await, notification("notifications/before"));
    for round in 0..2 {
        let ended = Instant::now();
        if round == 0 {
            bridged.server.end_streams();
        } else {
            bridged.server.server().cut().await;
        }
        let missed = notification(&format!("notifications/missed/{round}"));
        bridged.server.store(&missed);
        assert_eq!(bridged.host.recv_raw().await, missed);
        let resumed = bridged.server.resumptions();
        assert_eq!(resumed.len(), round + 1);
        assert_eq!(resumed[round].header("last-event-id"), Some(format!("testkit-event-1.{}", round + 1).as_str()));
        assert!(resumed[round].at.duration_since(ended) >= Duration::from_millis(300), "the server asked for that");
    }
    assert_eq!(told(&bridged.gets()), ["GET 1", "GET 1", "GET 1"]);
    bridged.over().await;
}

#[tokio::test]
async fn b8_a_stream_whose_last_event_is_not_known_any_more_begins_anew() {
    let mut bridged = scripted(|asked| {
        if asked.http != "GET" {
            return None;
        }
        if asked.last_id.is_some() {
            return Some(reply::json(
                400,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"what event?"}}"#,
            ));
        }
        let (events, response) = reply::events();
        events.raw(format!("retry: 100\nid: 7\ndata: {}\n\n", notification("notifications/x")));
        Some(response)
    })
    .await;
    wait_for(&bridged.server, "the first stream", |told| told == "GET 1").await;
    for _ in 0..2 {
        assert_eq!(bridged.host.recv_raw().await, notification("notifications/x"));
    }
    let ids = bridged.gets().into_iter().map(|get| get.header("last-event-id").map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(ids[..3], [None, Some("7".to_owned()), None]);
    // Here the stream says something each time, which is told; the test has read enough of it.
    bridged.server.stop().await;
}

#[tokio::test]
async fn b8_a_stream_is_taken_up_however_its_connection_ends() {
    let pki = mcp_mtls_testkit::Pki::new();
    let server = mcp_mtls_testkit::McpServer::start(&pki).await;
    let relay = mcp_mtls_testkit::Relay::to(server.server().addr()).await;
    let client = pki.client("alice");
    let mut host = crate::stage::connect(&pki, &relay.url("/mcp"), &client);
    super::begin(&mut host).await;
    for n in 1..=2 {
        let text = notification(&format!("notifications/x/{n}"));
        server.notify(&text).await;
        assert_eq!(host.recv_raw().await, text);
        if n == 1 {
            relay.reset().await;
            let again = |requests: &[SeenRequest]| told(requests).iter().filter(|told| *told == "GET 1").count() == 2;
            server.server().record().requests.wait_until("the second stream", again).await;
        }
    }
    assert_eq!(server.initializes(), 1);
    assert!(server.requests().iter().all(|request| request.fingerprint.as_ref() == Some(&client.fingerprint)));
}

/// The times between requests.
fn pauses(requests: &[SeenRequest]) -> Vec<Duration> {
    let gets: Vec<_> = requests.iter().filter(|request| request.method == "GET").collect();
    gets.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at)).collect()
}

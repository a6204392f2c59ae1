//! Streams that end, go on or begin at a bad time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Events};
use serde_json::json;
use tokio::time::sleep;

use super::{Asked, Old, begin, begun, call, modern, ours, parsed, serve, staged};
use crate::stage::host;

#[tokio::test]
async fn b8_a_refusal_does_not_end_the_servers_own_stream_for_ever() {
    let (gets, kept) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::<Events>::new())));
    let mut stage = begun(move |asked| {
        let (gets, kept) = (gets.clone(), kept.clone());
        async move {
            if asked.http != "GET" {
                return None;
            }
            let number = gets.fetch_add(1, Ordering::Relaxed);
            if number == 1 {
                return Some(reply::empty(401));
            }
            let (events, response) = reply::events();
            events.send(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/{number}"}}"#));
            if number > 1 {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(events);
            }
            Some(response)
        }
    })
    .await;
    assert_eq!(stage.host.recv().await["method"], "notifications/0");
    stage.wait_for(2, "GET").await;
    // A call that succeeds shows that the refusal was not for good.
    stage.host.send_raw(&call(1)).await;
    assert!(stage.host.answer_to(1).await["result"].is_object());
    stage.host.recv_method("notifications/2").await;
}

#[tokio::test]
async fn b9_words_that_are_no_message_keep_no_stream_from_being_taken_up_again() {
    let mut stage = begun(async |asked| {
        let (events, response) = reply::events();
        if asked.last_id.as_deref() == Some("1") {
            events.raw("id: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
            return Some(response);
        }
        events.raw("id: 1\nretry: 100\ndata: ping\n\n");
        asked.is("tools/call").then_some(response)
    })
    .await;
    let answer = parsed(&stage.ask(&call(1)).await);
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
}

#[tokio::test]
async fn b12_a_call_whose_stream_ends_before_its_post_is_accepted_is_answered() {
    let old = Old::default();
    let mut stage = begun(move |asked: Asked| {
        let old = old.clone();
        async move {
            if !asked.is("tools/call") {
                return Some(old.answer(&asked));
            }
            old.end_stream();
            sleep(Duration::from_millis(300)).await;
            Some(reply::empty(202))
        }
    })
    .await;
    let data = ours(&stage.ask(&call(1)).await, 1, "connection-lost");
    assert!(data["why"].to_string().contains("may have been carried out"), "{data}");
}

#[tokio::test]
async fn b12_an_entry_of_type_sse_waits_for_its_stream_as_long_as_its_timeout_says() {
    let (pki, old) = (Pki::new(), Old::default());
    let server = serve(&pki, move |asked: Asked| {
        let old = old.clone();
        async move {
            if asked.http == "GET" {
                sleep(Duration::from_millis(1200)).await;
            }
            Some(old.answer(&asked))
        }
    })
    .await;
    let client = pki.client("alice");
    let text = json!({ "mcp": { "corp": {
        "url": server.url("/mcp"),
        "type": "sse",
        "timeout": 2000,
        "tls": { "cert": client.cert_file, "key": client.key_file, "ca": pki.server_ca_file() },
    } } });
    let config = pki.write("config.jsonc", text.to_string().as_bytes());
    let mut host = host([std::path::Path::new("corp"), std::path::Path::new("--config"), &config]).spawn();
    begin(&mut host).await;
    host.send_raw(&call(1)).await;
    assert!(host.answer_to(1).await["result"].is_object());
}

#[tokio::test]
async fn e14_streams_that_go_on_after_the_answer_are_given_up() {
    let streams: Arc<Mutex<Vec<Events>>> = Arc::default();
    let opened = streams.clone();
    let mut stage = staged(&[], move |asked| {
        let (events, response) = reply::events();
        events.send(&asked.result(&json!({})));
        let pinged = events.clone();
        tokio::spawn(async move {
            while pinged.raw("event: ping\ndata: x\n\n") {
                sleep(Duration::from_millis(200)).await;
            }
        });
        opened.lock().unwrap_or_else(PoisonError::into_inner).push(events);
        std::future::ready(Some(response))
    })
    .await;
    for id in 0..4 {
        let answer = parsed(&stage.ask(&modern(id, "x/y", "")).await);
        assert_eq!(answer["id"], id, "{answer}");
    }
    let opened = streams.lock().expect("no panic").clone();
    assert_eq!(opened.len(), 4);
    for stream in opened {
        tokio::time::timeout(Duration::from_secs(7), stream.closed()).await.expect("it is given up");
    }
}

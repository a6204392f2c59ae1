//! Part E: cases about streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_mtls_testkit::Relay;
use mcp_mtls_testkit::log::Log;
use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Events};
use mcp_mtls_testkit::server::{SeenRequest, TlsServer};
use serde_json::json;

use super::{initialized, method_of, part, result, says_nothing_more, scripted};

#[tokio::test]
async fn e5_a_server_that_accepts_and_closes_is_asked_more_and_more_seldom() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let stream = (request.method() == "GET").then(|| {
            let (events, response) = reply::events();
            // A comment is no life.
            events.raw(": welcome\n\n");
            response
        });
        std::future::ready(stream)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let requests = server.record().requests.wait_until("four GETs", |requests| gets(requests).len() >= 4).await;
    let gets = gets(&requests);
    for (pair, least) in gets.windows(2).zip([500, 1000, 2000]) {
        let pause = pair[1].duration_since(pair[0]);
        assert!(pause >= Duration::from_millis(least), "{pause:?} instead of {least} ms");
    }
    says_nothing_more(&mut host).await;
}

/// When the GETs came.
fn gets(requests: &[SeenRequest]) -> Vec<Instant> {
    requests.iter().filter(|request| request.method == "GET").map(|request| request.at).collect()
}

#[tokio::test]
async fn e6_a_stream_without_event_ids_is_opened_again_however_it_ends() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = initialized(&pki, &server.url()).await;
    for round in 1..=3 {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"round":{round}}}}}"#);
        server.notify(&text).await;
        assert_eq!(host.recv_raw().await, text);
        if round == 2 {
            server.end_streams();
        } else {
            server.server().cut().await;
        }
        let again = |requests: &[SeenRequest]| gets(requests).len() > round;
        server.server().record().requests.wait_until("another GET", again).await;
    }
    assert!(server.requests().iter().all(|request| request.header("last-event-id").is_none()));
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e13_everything_that_the_server_says_reaches_the_host_in_order() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = initialized(&pki, &server.url()).await;
    let texts = [
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed","params":{"_meta":{"x":1.0}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://\u00e9"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":[ ]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/of/the/future"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"unknown"}}"#,
        r#"{"jsonrpc":"2.0","id":"1","method":"roots/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
    ];
    for text in texts {
        server.notify(text).await;
    }
    for text in texts {
        assert_eq!(host.recv_raw().await, text);
    }
}

#[tokio::test]
async fn e15_a_quiet_stream_that_a_proxy_cuts_is_opened_again() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let relay = Relay::to(server.server().addr()).await;
    let mut host = initialized(&pki, &relay.url("/mcp")).await;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    for round in 1..=3 {
        server.notify(notification).await;
        // It has come, so the stream is open; and what came with it were no comments.
        assert_eq!(host.recv_raw().await, notification);
        for _ in 0..1000 {
            server.comment();
        }
        if round == 1 {
            relay.cut().await;
        } else {
            relay.reset().await;
        }
        let again = |requests: &[SeenRequest]| gets(requests).len() > round;
        server.server().record().requests.wait_until("a stream again", again).await;
    }
    server.notify(notification).await;
    assert_eq!(host.recv_raw().await, notification);
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn e16_silence_of_six_seconds_harms_no_answer() {
    const SILENCE: Duration = Duration::from_millis(6300);
    let pki = Pki::new();
    let mut hosts = Vec::new();
    for protocol in ["http/1.1", "h2"] {
        let own = Arc::new(Log::<Events>::default());
        let open = own.clone();
        let server = scripted(TlsServer::builder(&pki).alpn(&[protocol]), move |request| {
            let open = open.clone();
            async move {
                let id = part(request.body(), "id").unwrap_or_default();
                let (events, response) = reply::events();
                match (request.method().as_str(), method_of(request.body()).as_str()) {
                    ("GET", _) => open.push(events),
                    (_, "head") => {
                        tokio::time::sleep(SILENCE).await;
                        return Some(reply::json(200, result(&id, "{}")));
                    }
                    (_, "stream") => {
                        events.raw(": working\n\n");
                        tokio::spawn(async move {
                            tokio::time::sleep(SILENCE).await;
                            events.send(&result(&id, "{}"));
                        });
                    }
                    _ => return None,
                }
                Some(response)
            }
        })
        .await;
        let mut host = initialized(&pki, &server.url("/mcp")).await;
        own.wait_for(1).await;
        let calls = [host.start_request("head", json!({})).await, host.start_request("stream", json!({})).await];
        hosts.push((host, calls, own, server));
    }
    for (mut host, calls, own, server) in hosts {
        for call in calls {
            let answer = host.answer_to(call).await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        // The server's own stream is still the first.
        let text = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
        let own = own.all();
        assert!(own.len() == 1 && own[0].send(text));
        assert_eq!(host.recv_raw().await, text);
        assert_eq!(server.requests().iter().filter(|request| method_of(&request.body) == "head").count(), 1);
        says_nothing_more(&mut host).await;
    }
}

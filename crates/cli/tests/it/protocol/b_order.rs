//! Part B: what waits for what, and what waits for nothing.

use std::time::Duration;

use mcp_mtls_testkit::log::Log;
use mcp_mtls_testkit::mcp::{Answers, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Events};
use mcp_mtls_testkit::server::{SeenRequest, ServerBuilder, TlsServer};
use serde_json::json;

use super::a::IDS;
use super::{cancellation, initialized, method_of, part, result, says_nothing_more, scripted};
use crate::stage::{LATEST, connect, hello};

/// Servers whose connections carry one request, few, or many at a time.
fn doors(pki: &Pki) -> [ServerBuilder; 3] {
    let builder = || TlsServer::builder(pki);
    [builder().alpn(&["http/1.1"]), builder().alpn(&["h2"]).max_streams(2), builder().alpn(&["h2"])]
}

#[tokio::test]
async fn b7_nothing_is_sent_before_initialize_is_answered_and_initialized_accepted() {
    let pki = Pki::new();
    for door in doors(&pki) {
        let server = McpServer::on(door, McpOptions::default()).await;
        server.hold("initialize");
        server.hold("notifications/initialized");
        let mut host = connect(&pki, &server.url(), &pki.client("alice"));
        let initialize = host.start_request("initialize", hello(LATEST)).await;
        host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        let list = host.start_request("tools/list", json!({})).await;
        host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })).await;
        // A request that knows no session waits for none: when it has its answer, all before it would have been sent.
        host.request("server/discover", json!({})).await;
        let sorted = |mut methods: Vec<String>| {
            methods.sort();
            methods
        };
        assert_eq!(sorted(methods(&server)), ["initialize", "server/discover"]);
        server.let_go("initialize");
        assert!(host.answer_to(initialize).await["result"].is_object());
        server.wait_for_method("notifications/initialized").await;
        host.request("server/discover", json!({})).await;
        assert_eq!(methods(&server).len(), 4, "{:?}", methods(&server));
        assert_eq!(server.requests().len(), 4, "no GET either");
        server.let_go("notifications/initialized");
        assert!(host.answer_to(list).await["result"].is_object());
        server.wait_for_method("notifications/roots/list_changed").await;
        // The server saw its session initialized, and answered nothing before it.
        assert!(server.session().expect("a session").initialized);
    }
}

fn methods(server: &McpServer) -> Vec<String> {
    server.received().iter().map(|text| method_of(text.as_bytes())).collect()
}

#[tokio::test]
async fn b7_notifications_keep_their_order() {
    let pki = Pki::new();
    for door in doors(&pki) {
        let server = scripted(door, |_| std::future::ready(None)).await;
        let mut host = initialized(&pki, &server.url("/mcp")).await;
        let sent: Vec<_> =
            (0..50).map(|n| json!({ "jsonrpc": "2.0", "method": "notifications/n", "params": { "n": n } })).collect();
        for notification in &sent {
            host.send(notification).await;
        }
        let of = |requests: &[SeenRequest]| {
            let all = requests.iter().filter(|one| method_of(&one.body) == "notifications/n");
            all.map(SeenRequest::json).collect::<Vec<_>>()
        };
        let requests = server.record().requests.wait_until("all", |requests| of(requests).len() >= 50).await;
        assert_eq!(of(&requests), sent);
    }
}

#[tokio::test]
async fn b10_a_cancel_passes_as_it_is_and_closes_no_stream() {
    let pki = Pki::new();
    for door in doors(&pki) {
        let calls = std::sync::Arc::new(Log::<(String, Events)>::default());
        let open = calls.clone();
        let server = scripted(door, move |request| {
            let body = request.into_body();
            let response = match method_of(&body).as_str() {
                "tools/call" => {
                    let (events, response) = reply::events();
                    events.raw(": working\n\n");
                    open.push((part(&body, "id").unwrap(), events));
                    Some(response)
                }
                "notifications/cancelled" => {
                    let closed = open.all().iter().any(|(_, events)| events.is_closed());
                    // The race is the server's to decide: it answers after all.
                    for (id, events) in open.all() {
                        events.send(&result(&id, &format!("{{\"closed\":{closed}}}")));
                    }
                    None
                }
                _ => None,
            };
            std::future::ready(response)
        })
        .await;
        let mut host = initialized(&pki, &server.url("/mcp")).await;
        let call = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call"}"#;
        // Both at once: the server must not hear of the cancellation first.
        host.send_raw(&format!("{call}\n{}", cancellation("\"c\""))).await;
        assert_eq!(host.recv_raw().await, result("\"c\"", "{\"closed\":false}"));
        let bodies = |requests: Vec<SeenRequest>| requests.into_iter().map(|one| one.body).collect::<Vec<_>>();
        let seen = bodies(server.requests());
        let place = |text: &str| seen.iter().position(|body| body == text.as_bytes());
        assert!(place(call).is_some() && place(call) < place(&cancellation("\"c\"")), "{seen:#?}");
        // Of what it does not know, the server is told too.
        host.send_raw(&cancellation("\"never\"")).await;
        let told = |all: &[SeenRequest]| all.iter().any(|one| one.body == cancellation("\"never\"").as_bytes());
        server.record().requests.wait_until("a cancel of what was never asked", told).await;
        says_nothing_more(&mut host).await;
    }
}

#[tokio::test]
async fn b10_a_cancel_finds_its_request_whatever_the_id_is() {
    let pki = Pki::new();
    let calls = std::sync::Arc::new(Log::<Events>::default());
    let open = calls.clone();
    let server = scripted(TlsServer::builder(&pki).alpn(&["h2"]), move |request| {
        let response = (method_of(request.body()) == "tools/call").then(|| {
            let (events, response) = reply::events();
            events.raw(": working\n\n");
            open.push(events);
            response
        });
        std::future::ready(response)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    for id in IDS {
        host.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call"}}"#)).await;
    }
    let calls = calls.wait_for(IDS.len()).await;
    for id in IDS {
        host.send_raw(&cancellation(id)).await;
    }
    let mut answered = Vec::new();
    for _ in IDS {
        let line = host.recv_raw().await;
        assert!(line.contains(r#""code":"cancelled""#), "{line}");
        answered.push(part(line.as_bytes(), "id").unwrap());
    }
    answered.sort();
    let mut ids = IDS.map(str::to_owned);
    ids.sort();
    assert_eq!(answered, ids);
    for events in calls {
        tokio::time::timeout(Duration::from_secs(5), events.closed()).await.expect("it is given up");
    }
    let requests = server.requests();
    for id in IDS {
        let told = requests.iter().filter(|request| request.body == cancellation(id).as_bytes()).count();
        assert_eq!(told, 1, "{id}");
    }
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn b11_all_calls_wait_for_the_host_and_all_are_answered() {
    const CALLS: usize = 30;
    let pki = Pki::new();
    for door in doors(&pki) {
        let server = McpServer::on(door, McpOptions { answers: Answers::Sse, ..McpOptions::default() }).await;
        let mut host = initialized(&pki, &server.url()).await;
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            calls.push(host.start_request("tools/call", json!({ "name": "ask", "arguments": {} })).await);
        }
        let mut answers = Vec::new();
        for _ in 0..CALLS {
            let question = host.recv_method("elicitation/create").await;
            answers.push(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "x": 1.0 } }));
        }
        // Every call holds its stream now, and none is answered before all questions are here.
        for answer in answers.iter().rev() {
            host.send(answer).await;
        }
        for call in calls {
            let answer = host.answer_to(call).await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        let mut came = server.host_answers();
        let mut sent: Vec<_> = answers.iter().map(ToString::to_string).collect();
        came.sort();
        sent.sort();
        assert_eq!(came, sent);
    }
}

#[tokio::test]
async fn e12_a_cancel_waits_for_none_of_the_calls() {
    const CALLS: usize = 12;
    let pki = Pki::new();
    for door in doors(&pki) {
        let server = McpServer::on(door, McpOptions::default()).await;
        let mut host = initialized(&pki, &server.url()).await;
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            calls.push(host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await);
        }
        server.wait_for_waiting(CALLS).await;
        // A notification that is not accepted holds no cancellation up either.
        server.hold("notifications/roots/list_changed");
        host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })).await;
        server.wait_for_method("notifications/roots/list_changed").await;
        for call in &calls {
            host.send_raw(&cancellation(&call.to_string())).await;
        }
        let mut told = server.wait_for_methods("notifications/cancelled", CALLS).await;
        let mut sent: Vec<_> = calls.iter().map(|call| cancellation(&call.to_string())).collect();
        told.sort();
        sent.sort();
        assert_eq!(told, sent);
        for call in calls {
            assert_eq!(host.answer_to(call).await["error"]["data"]["source"], "mcp-mtls");
        }
    }
}

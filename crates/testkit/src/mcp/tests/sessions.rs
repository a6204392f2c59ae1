//! Sessions remember what they were told, and are lost in each way that servers lose them.

use std::io::ErrorKind;

use super::{Caller, call, stage, text};
use crate::mcp::{LostSession, McpOptions, McpServer};
use crate::plain::PlainClient;

#[tokio::test]
async fn the_newest_session_knows_what_it_was_told() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    assert_eq!(server.session(), None);
    let hello = client.initialize("2025-06-18").await;
    assert!(hello.contains(r#""resources":{"subscribe":true}"#), "{hello}");
    assert!(!server.session().unwrap().initialized);

    client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    client.request_of(1, "logging/setLevel", r#"{"level":"info"}"#).await;
    client.request_of(2, "logging/setLevel", r#"{"level":"debug"}"#).await;
    client.request_of(3, "resources/subscribe", r#"{"uri":"test://one"}"#).await;
    client.request_of(4, "resources/subscribe", r#"{"uri":"test://two"}"#).await;
    client.request_of(5, "resources/subscribe", r#"{"uri":"test://two"}"#).await;
    client.request_of(6, "resources/unsubscribe", r#"{"uri":"test://one"}"#).await;
    let session = server.wait_for_session("all of it", |session| session.initialized).await;
    assert_eq!((session.id.as_str(), session.version.as_str()), ("testkit-session-1", "2025-06-18"));
    assert_eq!(session.log_level.as_deref(), Some("debug"));
    assert_eq!(session.subscriptions, ["test://two"]);

    server.forget_sessions();
    assert_eq!(server.session(), None);
    client.session = None;
    client.initialize("2025-06-18").await;
    let session = server.session().unwrap();
    assert_eq!((session.id.as_str(), session.log_level), ("testkit-session-2", None));
    assert_eq!(server.initializes(), 2);
    assert_eq!(server.wait_for_methods("logging/setLevel", 2).await.len(), 2);
}

#[tokio::test]
async fn a_lost_session_is_told_in_each_way() {
    let cases = [
        (LostSession::NotFound, 404, r#""code":-32001,"message":"Session not found""#),
        (LostSession::NotFoundEmpty, 404, ""),
        (LostSession::NotFoundText("no such page"), 404, "no such page"),
        (
            LostSession::BadRequest(LostSession::NO_VALID_ID),
            400,
            r#""message":"Bad Request: No valid session ID provided""#,
        ),
        (LostSession::BadRequestText("Session not found"), 400, "Session not found"),
    ];
    for (lost, status, body) in cases {
        let (pki, alice) = stage();
        let server = McpServer::with(&pki, McpOptions { lost, ..McpOptions::default() }).await;
        let mut client = Caller::connect(&pki, &alice, &server).await;
        client.initialize("2025-06-18").await;
        server.forget_sessions();
        for (method, message) in [("POST", call("1", "echo", "{}").as_str()), ("GET", ""), ("DELETE", "")] {
            let answer = client.send(method, message).await;
            assert_eq!(answer.status(), status, "{lost:?} {method}");
            assert!(text(&answer).contains(body) && (body.is_empty() == answer.body().is_empty()), "{}", text(&answer));
        }
    }
}

#[tokio::test]
async fn a_held_method_waits_and_the_rest_goes_on() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-06-18").await;

    server.hold("initialize");
    let mut second = Caller::connect(&pki, &alice, &server).await;
    let waiting = tokio::spawn(async move { second.initialize("2025-06-18").await });
    server.wait_for_methods("initialize", 2).await;
    assert!(client.call("1", "echo", r#"{"text":"meanwhile"}"#).await.contains("meanwhile"));
    assert!(!waiting.is_finished());
    assert_eq!(server.session().unwrap().id, "testkit-session-1", "it was heard and not handled");
    server.let_go("initialize");
    assert!(waiting.await.unwrap().contains("protocolVersion"));
    assert_eq!(server.session().unwrap().id, "testkit-session-2");
}

#[tokio::test]
async fn a_server_restarts_in_the_middle_of_a_call() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-06-18").await;
    let mut waiter = client.another(&pki, &alice, &server).await;
    let request = waiter.request("POST", &call("1", "wait", "{}"));
    let waiting = tokio::spawn(async move { waiter.connection.send(request).await });
    server.wait_for_waiting(1).await;

    let addr = server.server().addr();
    server.stop().await;
    assert!(waiting.await.unwrap().is_err(), "the call broke");
    let refused = PlainClient::with(&pki, &alice).connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    server.start_again().await;
    assert_eq!(server.server().addr(), addr);

    let mut client = client.another(&pki, &alice, &server).await;
    assert_eq!(client.post(&call("2", "echo", "{}")).await.status(), 404, "the session is lost");
    client.session = None;
    client.initialize("2025-06-18").await;
    assert!(client.call("3", "whoami", "{}").await.contains(&alice.fingerprint));
    assert_eq!(server.initializes(), 2, "the record goes on");
    server.restart().await;
    assert_eq!(server.session(), None);
}

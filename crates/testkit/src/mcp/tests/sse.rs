//! HTTP+SSE: answers come on the stream, and POSTs go where it says.

use super::{Caller, Reader, call, initialize, stage, text};
use crate::mcp::{Endpoint, HttpSse, McpOptions, McpServer};
use crate::pki::{Client, Pki};
use crate::server::TlsServer;

#[tokio::test]
async fn answers_come_on_the_stream() {
    let (pki, alice, server) = staged(HttpSse::default()).await;
    let (mut client, mut stream) = open(&pki, &alice, &server).await;
    assert!(server.url().ends_with("/sse"));
    let accepted = client.post(&initialize("2025-11-25")).await;
    assert_eq!((accepted.status().as_u16(), text(&accepted).as_str()), (202, "Accepted"));
    let hello = stream.next().await.unwrap();
    assert!(hello.starts_with("event: message\ndata: {") && hello.contains(r#""protocolVersion":"2024-11-05""#));

    client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert!(server.session().unwrap().initialized);
    client.post(&call("1", "wait", "{}")).await;
    client.post(&call("2", "whoami", "{}")).await;
    assert!(stream.next().await.unwrap().contains(&alice.fingerprint), "the first call holds up nothing");
    server.release().await;
    assert!(stream.next().await.unwrap().contains("released"));
    client.post(&call("3", "ask", "{}")).await;
    assert!(stream.next().await.unwrap().contains("elicitation/create"));
    client.post(r#"{"jsonrpc":"2.0","id":"ask-2","result":{"x":1.0}}"#).await;
    assert!(stream.next().await.unwrap().contains(r#"\"x\":1.0"#));

    server.comment();
    assert_eq!(stream.next().await.unwrap(), ": keep-alive");
    server.notify(r#"{"n":1}"#).await;
    assert_eq!(stream.next().await.unwrap(), "event: message\ndata: {\"n\":1}");
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == alice.fingerprint));
    assert!(server.requests().iter().all(|request| request.fingerprint.as_deref() == Some(&alice.fingerprint)));
}

#[tokio::test]
async fn the_endpoint_event_and_the_refusal_of_posts_are_options() {
    let elsewhere = "https://elsewhere.example{path}".to_owned();
    for (endpoint, post, body) in [
        (Endpoint::Relative, (404, "Not Found"), "text/plain"),
        (Endpoint::Absolute, (400, r#"{"error":"no"}"#), "application/json"),
        (Endpoint::Text(elsewhere), (405, "no"), "text/plain"),
        (Endpoint::Never, (405, "no"), "text/plain"),
    ] {
        let (pki, alice, server) = staged(HttpSse { endpoint: endpoint.clone(), post }).await;
        let mut client = Caller::connect(&pki, &alice, &server).await;
        let refused = client.post(&initialize("2024-11-05")).await;
        assert_eq!((refused.status().as_u16(), text(&refused).as_str()), post);
        assert_eq!(refused.headers()["content-type"], body);
        let first = client.stream("GET", "", &[]).await.next().await.unwrap();
        let path = "/messages?sessionId=testkit-session-1";
        let wanted = match endpoint {
            Endpoint::Relative => format!("event: endpoint\ndata: {path}"),
            Endpoint::Absolute => format!("event: endpoint\ndata: {}", server.server().url(path)),
            Endpoint::Text(_) => format!("event: endpoint\ndata: https://elsewhere.example{path}"),
            Endpoint::Never => ": keep-alive".to_owned(),
        };
        assert_eq!(first, wanted);
    }
}

#[tokio::test]
async fn a_session_ends_with_its_stream() {
    let (pki, alice, server) = staged(HttpSse::default()).await;
    let (mut client, mut stream) = open(&pki, &alice, &server).await;
    client.post(&initialize("2024-11-05")).await;
    stream.next().await.unwrap();
    server.end_streams();
    assert_eq!(stream.next().await, None);
    assert_eq!(client.post(&call("1", "echo", "{}")).await.status(), 404);

    let (client, mut stream) = open(&pki, &alice, &server).await;
    server.server().cut().await;
    assert!(stream.breaks().await);
    let mut fresh = Caller::connect(&pki, &alice, &server).await;
    fresh.url = client.url;
    assert_eq!(fresh.post(&call("1", "echo", "{}")).await.status(), 404);

    let (mut client, _stream) = open(&pki, &alice, &server).await;
    server.restart().await;
    let mut fresh = Caller::connect(&pki, &alice, &server).await;
    fresh.url = client.url.clone();
    assert_eq!(fresh.post(&call("1", "echo", "{}")).await.status(), 404);
    let message = client.request("POST", &call("1", "echo", "{}"));
    assert!(client.connection.send(message).await.is_err());
}

/// Opens the stream, and a caller that POSTs where it says.
async fn open(pki: &Pki, alice: &Client, server: &McpServer) -> (Caller, Reader) {
    let mut stream = Caller::connect(pki, alice, server).await.stream("GET", "", &[]).await;
    let first = stream.next().await.unwrap();
    let path = first.strip_prefix("event: endpoint\ndata: ").unwrap();
    let mut client = Caller::connect(pki, alice, server).await;
    client.url = server.server().url(path);
    (client, stream)
}

async fn staged(http_sse: HttpSse) -> (Pki, Client, McpServer) {
    let (pki, alice) = stage();
    let options = McpOptions { http_sse: Some(http_sse), ..McpOptions::default() };
    let server = McpServer::on(TlsServer::builder(&pki), options).await;
    (pki, alice, server)
}

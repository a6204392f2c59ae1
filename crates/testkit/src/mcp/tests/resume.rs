//! A stream with event ids can be taken up again, however it broke.

use super::{Caller, call, stage};
use crate::mcp::{Answers, EventIds, McpOptions, McpServer};
use crate::pki::{Client, Pki};

#[tokio::test]
async fn a_cut_call_goes_on_and_its_answer_is_fetched_later() {
    let (pki, alice, server) = staged(EventIds { retry_ms: Some(250), hang_up: false }).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-11-25").await;
    let mut stream = client.stream("POST", &call("7", "wait", "{}"), &[]).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first, "id: testkit-event-1.0\nretry: 250\ndata: ");
    server.wait_for_waiting(1).await;
    server.server().cut().await;
    server.release().await;

    let mut client = client.another(&pki, &alice, &server).await;
    let id = [("last-event-id", "testkit-event-1.0")];
    let rest = client.stream("GET", "", &id).await.rest().await;
    assert_eq!(rest.len(), 1);
    assert!(rest[0].starts_with("id: testkit-event-1.1\nevent: message\ndata: {") && rest[0].contains("released"));
    let id = [("last-event-id", "testkit-event-1.1")];
    assert!(client.stream("GET", "", &id).await.rest().await.is_empty(), "there is nothing after the answer");

    let seen = server.wait_for_resumptions(2).await;
    assert_eq!(seen[0].header("last-event-id"), Some("testkit-event-1.0"));
    assert!(seen[0].at <= seen[1].at);
    assert_eq!(server.sent().len(), 2, "an answer counts once, however often it is fetched");
}

#[tokio::test]
async fn what_was_missed_is_repeated_and_the_rest_comes_live() {
    let (pki, alice, server) = staged(EventIds::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-03-26").await;
    let progress = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"progress","arguments":{"steps":3},"_meta":{"progressToken":"p"}}}"#;
    let all = client.stream("POST", progress, &[]).await.rest().await;
    assert_eq!(all.len(), 5, "the first one, three steps and the answer");
    assert_eq!(all[0], "id: testkit-event-1.0\ndata: ");
    let again = client.stream("GET", "", &[("last-event-id", "testkit-event-1.2")]).await.rest().await;
    assert_eq!(again, all[3..]);

    let mut stream = client.another(&pki, &alice, &server).await.stream("POST", &call("2", "wait", "{}"), &[]).await;
    stream.next().await.unwrap();
    server.hang_up();
    assert_eq!(stream.next().await, None, "it ends in good order");
    let mut stream = client.stream("GET", "", &[("last-event-id", "testkit-event-2.0")]).await;
    server.release().await;
    assert!(stream.next().await.unwrap().contains("released"), "it came after the GET");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn the_server_may_hang_up_at_once() {
    let (pki, alice, server) = staged(EventIds { retry_ms: Some(100), hang_up: true }).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-11-25").await;
    let events = client.stream("POST", &call("1", "wait", "{}"), &[]).await.rest().await;
    assert_eq!(events, ["id: testkit-event-1.0\nretry: 100\ndata: "]);
    server.release().await;
    let rest = client.stream("GET", "", &[("last-event-id", "testkit-event-1.0")]).await.rest().await;
    assert!(rest[0].contains("released"), "{rest:?}");
}

#[tokio::test]
async fn the_get_stream_keeps_what_nobody_read() {
    let (pki, alice, server) = staged(EventIds::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-06-18").await;
    let mut stream = client.stream("GET", "", &[]).await;
    assert_eq!(stream.next().await.unwrap(), "id: testkit-event-1.0\ndata: ");
    assert_eq!(stream.next().await.unwrap(), ": open");
    server.comment();
    assert_eq!(stream.next().await.unwrap(), ": keep-alive");
    server.end_streams();
    assert_eq!((stream.next().await, server.open_streams()), (None, 0));
    server.store(r#"{"missed":1}"#);

    let mut stream = client.stream("GET", "", &[("last-event-id", "testkit-event-1.0")]).await;
    assert_eq!(stream.next().await.unwrap(), "id: testkit-event-1.1\nevent: message\ndata: {\"missed\":1}");
    server.notify(r#"{"live":2}"#).await;
    assert_eq!(stream.next().await.unwrap(), "id: testkit-event-1.2\nevent: message\ndata: {\"live\":2}");
}

#[tokio::test]
async fn only_the_own_events_are_given_back() {
    let (pki, alice, server) = staged(EventIds::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-06-18").await;
    client.stream("POST", &call("1", "echo", "{}"), &[]).await.rest().await;
    let mut other = Caller::connect(&pki, &alice, &server).await;
    other.initialize("2025-06-18").await;
    for (own, id, status) in [
        (false, "testkit-event-1.0", 400),
        (true, "testkit-event-9.0", 400),
        (true, "nonsense", 400),
        (true, "testkit-event-1.0", 200),
    ] {
        let caller = if own { &mut client } else { &mut other };
        let mut request = caller.request("GET", "");
        request.headers_mut().insert("last-event-id", id.parse().unwrap());
        assert_eq!(caller.connection.send(request).await.unwrap().status(), status, "{id}");
    }
}

async fn staged(ids: EventIds) -> (Pki, Client, McpServer) {
    let (pki, alice) = stage();
    let options = McpOptions { answers: Answers::Sse, event_ids: Some(ids), ..McpOptions::default() };
    let server = McpServer::with(&pki, options).await;
    (pki, alice, server)
}

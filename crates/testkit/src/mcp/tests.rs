//! The server answers as the specification says, and keeps every byte.

mod modern;
mod resume;
mod sessions;
mod sse;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::{Answers, McpOptions, McpServer};
use crate::log::LIMIT;
use crate::pki::{Client, Pki};
use crate::plain::{PlainClient, PlainConnection};
use crate::server::TlsServer;

#[tokio::test]
async fn a_session_from_initialize_to_delete() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;

    let hello = client.initialize("2025-06-18").await;
    assert_eq!(client.session.as_deref(), Some("testkit-session-1"));
    assert!(hello.contains(r#""protocolVersion":"2025-06-18""#), "{hello}");
    let accepted = client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!((accepted.status().as_u16(), accepted.body().len()), (202, 0));

    let who = client.call(r#""1""#, "whoami", "{}").await;
    assert!(who.contains(r#""id":"1""#) && who.contains(&alice.fingerprint), "{who}");
    let big = client.call("18446744073709551615", "big", r#"{"bytes":100000}"#).await;
    assert!(big.contains(r#""id":18446744073709551615"#) && big.len() > 100_000);
    assert!(big.contains(r#""big":12345678901234567890123,"fifty":50,"one":1.0"#));
    assert_eq!(server.sent(), [hello, who, big], "sent() holds the very texts");

    assert_eq!(client.send("DELETE", "").await.status(), 200);
    assert_eq!(server.ended_sessions(), ["testkit-session-1"]);
    assert_eq!(client.post(&call("2", "echo", "{}")).await.status(), 404);
    assert_eq!(server.wait_for_method("notifications/initialized").await.len(), 54);
}

#[tokio::test]
async fn headers_are_insisted_on() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;

    let probe = client.post(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#).await;
    assert_eq!(probe.status(), 400);
    assert!(text(&probe).contains(r#""id":null"#) && text(&probe).contains("-32000"));

    client.initialize("2025-11-25").await;
    assert!(text(&client.post(r#"{"jsonrpc":"2.0","id":1,"method":"nope"}"#).await).contains("-32601"));
    let again = client.post(&initialize("2025-11-25")).await;
    assert_eq!(again.status(), 400, "initialize carries no session id");
    client.version = Some("2025-03-26".to_owned());
    assert_eq!(client.post(&call("1", "echo", "{}")).await.status(), 400);
    client.version = None;
    assert_eq!(client.post(&call("1", "echo", "{}")).await.status(), 400);
    server.forget_sessions();
    assert_eq!(client.post(&call("1", "echo", "{}")).await.status(), 404);
}

#[tokio::test]
async fn older_revisions_need_no_version_header_and_one_has_batches() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-03-26").await;
    client.version = None;
    let batch = format!("[{},{}]", call("1", "echo", r#"{"text":"a"}"#), call("2", "echo", r#"{"text":"b"}"#));
    let answer = client.post(&batch).await;
    let answers: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&1.into(), &2.into()));
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn streams_sessions_and_line_breaks_are_options() {
    let (pki, alice) = stage();
    let options = McpOptions {
        initialize: Answers::Sse,
        answers: Answers::Sse,
        session: false,
        version: Some("2025-06-18"),
        get_stream: false,
        multiline: true,
        ..McpOptions::default()
    };
    let builder = TlsServer::builder(&pki).tls12_only().alpn(&["h2"]);
    let server = McpServer::on(builder, options).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let hello = client.initialize("2025-11-25").await;
    assert!(hello.starts_with("event: message\ndata: {\"jsonrpc\":\"2.0\",\ndata:   \"id\":0,\n"), "{hello}");
    assert!(hello.contains("2025-06-18") && client.session.is_none());
    client.version = Some("2025-06-18".to_owned());
    assert!(client.call("1", "echo", r#"{"text":"hi"}"#).await.contains(r#""text":"hi""#));
    assert_eq!(client.send("GET", "").await.status(), 405);
}

#[tokio::test]
async fn waiting_calls_are_released_or_cancelled() {
    let (pki, alice) = stage();
    for answers in [Answers::Json, Answers::Sse] {
        let server = McpServer::with(&pki, McpOptions { answers, ..McpOptions::default() }).await;
        let mut client = Caller::connect(&pki, &alice, &server).await;
        client.initialize("2025-06-18").await;

        let mut waiter = client.another(&pki, &alice, &server).await;
        let waiting = tokio::spawn(async move { waiter.call(r#""w-1""#, "wait", "{}").await });
        server.release().await;
        assert!(waiting.await.unwrap().contains("released"));

        let mut waiter = client.another(&pki, &alice, &server).await;
        let waiting = tokio::spawn(async move { waiter.call(r#""w-2""#, "wait", "{}").await });
        server.wait_for_waiting(1).await;
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"w-2"}}"#;
        assert_eq!(client.post(cancel).await.status(), 202);
        assert_eq!(waiting.await.unwrap(), "", "no answer after a cancel");
    }
}

#[tokio::test]
async fn a_call_may_ask_the_host_and_tell_its_progress() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-06-18").await;

    let mut second = client.another(&pki, &alice, &server).await;
    let asked = tokio::spawn(async move { second.call("7", "ask", r#"{"question":"Who?"}"#).await });
    server.shared.sent.wait_for(2).await;
    let question = server.sent().pop().unwrap();
    assert!(question.contains(r#""id":"ask-2","method":"elicitation/create""#), "{question}");
    let reply = r#"{"jsonrpc":"2.0","id":"ask-2","result":{"action":"accept","content":{"name":"A"}, "n":1.0}}"#;
    assert_eq!(client.post(reply).await.status(), 202);
    let answer = asked.await.unwrap();
    assert!(answer.contains(r#"\"n\":1.0"#), "the host's own text comes back: {answer}");
    assert_eq!(server.host_answers(), [reply]);

    let call = r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"progress","arguments":{"steps":2},"_meta":{"progressToken":"t"}}}"#;
    let stream = client.post(call).await;
    assert_eq!(text(&stream).matches(r#""progressToken":"t""#).count(), 2);
    assert_eq!(text(&stream).matches("data: ").count(), 3);
}

#[tokio::test]
async fn notifications_come_on_the_get_stream() {
    let (pki, alice) = stage();
    let server = McpServer::start(&pki).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    client.initialize("2025-06-18").await;

    let mut listener = client.another(&pki, &alice, &server).await;
    let request = listener.request("GET", "");
    let mut stream = listener.connection.start(request).await.unwrap().into_body();
    let message = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    server.notify(message).await;
    assert_eq!(server.open_streams(), 1);
    server.end_streams();
    let mut text = Vec::new();
    while let Some(frame) = stream.frame().await {
        text.extend(frame.unwrap().into_data().unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text, format!(": open\n\nevent: message\ndata: {message}\n\n"));
}

/// A bare client of the endpoint.
struct Caller {
    connection: PlainConnection,
    url: String,
    session: Option<String>,
    version: Option<String>,
}

impl Caller {
    async fn connect(pki: &Pki, client: &Client, server: &McpServer) -> Self {
        let addr: SocketAddr = server.server().addr();
        let connection = PlainClient::with(pki, client).alpn(&["h2", "http/1.1"]).open(addr).await.unwrap();
        Self { connection, url: server.url(), session: None, version: None }
    }

    /// The same session on a connection of its own.
    async fn another(&self, pki: &Pki, client: &Client, server: &McpServer) -> Self {
        let fresh = Self::connect(pki, client, server).await;
        Self { session: self.session.clone(), version: self.version.clone(), ..fresh }
    }

    async fn initialize(&mut self, version: &str) -> String {
        let response = self.post(&initialize(version)).await;
        self.session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        self.version = Some(version.to_owned());
        text(&response)
    }

    async fn call(&mut self, id: &str, tool: &str, arguments: &str) -> String {
        text(&self.post(&call(id, tool, arguments)).await)
    }

    async fn request_of(&mut self, id: u64, method: &str, params: &str) -> String {
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        text(&self.post(&message).await)
    }

    async fn post(&mut self, body: &str) -> Response<Bytes> {
        self.send("POST", body).await
    }

    /// Sends, and reads the answer event by event.
    async fn stream(&mut self, method: &str, body: &str, headers: &[(&str, &str)]) -> Reader {
        let mut request = self.request(method, body);
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let response = self.connection.start(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Reader { body: response.into_body(), text: String::new() }
    }

    async fn send(&mut self, method: &str, body: &str) -> Response<Bytes> {
        let request = self.request(method, body);
        self.connection.send(request).await.unwrap()
    }

    fn request(&self, method: &str, body: &str) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if let Some(version) = &self.version {
            request = request.header("mcp-protocol-version", version);
        }
        request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
    }
}

/// What is left of an event stream.
struct Reader {
    body: Incoming,
    text: String,
}

impl Reader {
    /// The text of the next event or comment, without the empty line after it; None at the end in good order.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            let frame = tokio::time::timeout(LIMIT, self.body.frame()).await.expect("the stream goes on or ends");
            let data = frame?.expect("the stream does not break").into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Whether the stream breaks in mid-sentence, rather than ending in good order.
    async fn breaks(&mut self) -> bool {
        loop {
            match tokio::time::timeout(LIMIT, self.body.frame()).await.expect("the stream goes on or ends") {
                Some(Ok(_)) => {}
                Some(Err(_)) => return true,
                None => return false,
            }
        }
    }

    /// All that is left.
    async fn rest(mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn stage() -> (Pki, Client) {
    let pki = Pki::new();
    let alice = pki.client("alice");
    (pki, alice)
}

fn initialize(version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}}}}}}"#
    )
}

fn call(id: &str, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

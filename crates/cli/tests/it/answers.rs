//! Whatever form a server's answer has, or breaks in, the request gets exactly one answer.

use mcp_mtls_testkit::mcp::Answers;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{RawServer, TlsServer};
use serde_json::{Value, json};

use crate::bridge::{answered_by, staged};
use crate::stage::{LATEST, connect, hello, refusal, whoami};

#[tokio::test]
async fn b13_http_errors_become_answers() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let cases = [
        (
            reply::text(413, "<html>\r\n<head><title>413 Request Entity Too Large</title></head>"),
            "http-status",
            "413 Request Entity Too Large",
        ),
        (
            reply::text(502, "\n upstream \u{1b}[31mdown\u{7} "),
            "http-server-error",
            "\u{201c}upstream [31mdown\u{201d}",
        ),
        (reply::text(200, "<html><title>Sign in</title>"), "not-mcp", "Sign in"),
        (reply::json(200, "{\"jsonrpc\":\"2.0\",\"id\":999,\"result\":{}}"), "protocol-violation", "other ids"),
        (reply::json(200, "{\"jsonrpc\":"), "protocol-violation", "not valid JSON"),
        (reply::json(200, "{\"error\":\"invalid_token\"}"), "not-mcp", "not a JSON-RPC message"),
        (reply::text(200, ""), "not-mcp", "an empty body"),
        (reply::text(200, "<form><input type=\"password\"></form>"), "not-mcp", "likely a login page"),
        (compressed(), "protocol-violation", "`Content-Encoding` is \u{201c}gzip\u{201d}"),
        (reply::empty(202), "protocol-violation", "only notifications are accepted"),
    ];
    for (response, code, words) in cases {
        let response = std::sync::Mutex::new(Some(response));
        let server = TlsServer::builder(&pki)
            .handler(move |_, _| {
                let response = response.lock().expect("no panic").take();
                std::future::ready(response.unwrap_or_else(|| reply::empty(500)))
            })
            .start()
            .await;
        let error = refusal(&mut connect(&pki, &server.url("/mcp"), &client)).await;
        assert_eq!(error["data"]["code"], code, "{error:#}");
        assert!(error["data"]["why"].to_string().contains(words), "{words}: {error:#}");
        server.stop().await;
    }
}

/// An answer that a careless proxy has compressed.
fn compressed() -> http::Response<reply::Body> {
    let mut response = reply::json(200, "\u{1f}\u{8b}");
    response.headers_mut().insert("content-encoding", http::HeaderValue::from_static("gzip"));
    response
}

#[tokio::test]
async fn b13_a_json_rpc_error_with_an_http_error_is_the_answer() {
    let pki = Pki::new();
    let body = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no","data":{"x":1.0}},"id":null}"#;
    let server = TlsServer::builder(&pki).handler(move |_, _| std::future::ready(reply::json(400, body))).start().await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    host.send(&json!({ "jsonrpc": "2.0", "id": "i1", "method": "initialize", "params": hello(LATEST) })).await;
    assert_eq!(host.recv_raw().await, body.replace("null", "\"i1\""));
}

#[tokio::test]
async fn e1_a_server_cut_in_the_middle_of_an_answer_is_told_and_the_next_call_works() {
    let mut staged = staged(answered_by(Answers::Sse)).await;
    let call = staged.host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
    staged.server.wait_for_waiting(1).await;
    staged.server.server().cut().await;
    let answer = staged.host.answer_to(call).await;
    assert_eq!(answer["error"]["data"]["code"], "connection-lost", "{answer}");
    assert_eq!(whoami(&mut staged.host).await, staged.server.verified()[0]);
}

#[tokio::test]
async fn e7_events_are_read_however_they_are_split() {
    let pki = Pki::new();
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"text":"é€😀"}}"#;
    let stream = format!(
        ": hello\r\n\r\nid: 1\r\ndata:\r\n\r\nevent: message\rdata: {answer}\r\rdata: {{\"jsonrpc\":\"2.0\",\ndata: \"method\":\"late\"}}\n\n"
    );
    let server = RawServer::start(&pki, move |mut io, _| {
        let stream = stream.clone();
        async move {
            use tokio::io::AsyncWriteExt as _;
            let _ = io.read_request().await;
            io.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await
                .expect("written");
            for byte in stream.bytes() {
                io.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await.expect("written");
                io.flush().await.expect("flushed");
            }
            io.write_all(b"0\r\n\r\n").await.expect("written");
            let _ = io.read_request().await;
        }
    })
    .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    host.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "x" })).await;
    assert_eq!(host.recv_raw().await, answer);
    assert_eq!(host.recv().await["method"], "late");
}

#[tokio::test]
async fn e17_an_early_refusal_of_a_large_message_is_the_answer() {
    let pki = Pki::new();
    let server = RawServer::start(&pki, |mut io, _| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = io.read_head().await;
        // The body is not read, and the connection is closed on it.
        let _ = io
            .write_all(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo big!")
            .await;
        let _ = io.shutdown().await;
    })
    .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    let text = "x".repeat(8 << 20);
    let answer = host.request("x", json!({ "text": text })).await;
    assert_eq!(answer["error"]["data"]["evidence"]["status"], 413, "{answer}");
}

#[tokio::test]
async fn words_in_a_stream_that_are_no_message_are_passed_over() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki)
        .handler(|request, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let (events, response) = reply::events();
            events.raw("event: ping\ndata: {}\n\ndata: keep-alive\n\n");
            events.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string());
            std::future::ready(response)
        })
        .start()
        .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    assert!(host.request("x", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn b1_a_stream_in_answer_to_a_notification_holds_up_nothing() {
    let pki = Pki::new();
    let open = std::sync::Mutex::new(Vec::new());
    let server = TlsServer::builder(&pki)
        .handler(move |request, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string();
            let response = if message["method"] == "notifications/initialized" {
                let (events, response) = reply::events();
                open.lock().expect("no panic").push(events);
                response
            } else {
                reply::json(200, answer)
            };
            std::future::ready(response)
        })
        .start()
        .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    host.initialize(LATEST).await;
    assert!(host.request("tools/list", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn a4_an_answer_given_twice_reaches_the_host_once() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki)
        .handler(|request, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string();
            let (events, response) = reply::events();
            events.send(&answer);
            events.send(&answer);
            // An answer to a request that was never made is none either.
            events.send(r#"{"jsonrpc":"2.0","id":"never","result":{}}"#);
            events.send(r#"{"jsonrpc":"2.0","method":"last"}"#);
            std::future::ready(response)
        })
        .start()
        .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    assert!(host.request("x", json!({})).await["result"].is_object());
    host.recv_method("last").await;
    assert_eq!(host.inbox().len(), 0, "{:?}", host.inbox());
}

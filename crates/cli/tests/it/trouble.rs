//! Servers and hosts that misbehave hold up nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Body, Events};
use mcp_mtls_testkit::server::{RawServer, ServerBuilder, TlsServer};
use serde_json::{Value, json};

use crate::stage::{LATEST, binary, connect, host, refusal, towards};

/// A server that initializes, accepts, and answers other requests by `answer`.
async fn server<F>(builder: ServerBuilder, answer: F) -> TlsServer
where
    F: Fn(&Value) -> http::Response<Body> + Send + Sync + 'static,
{
    let handler = move |request: Request<Bytes>, _| {
        let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        std::future::ready(match message["method"].as_str() {
            Some("initialize") => reply::json(200, result(&message, &json!({ "protocolVersion": LATEST }))),
            Some(_) if !message["id"].is_null() => answer(&message),
            _ => reply::empty(if request.method() == "GET" { 405 } else { 202 }),
        })
    };
    builder.handler(handler).start().await
}

fn result(request: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string()
}

/// Streams that stay open for as long as they are in here.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<Vec<Events>>>);

impl Open {
    fn keep(&self, events: Events) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(events);
    }

    fn take(&self) -> Option<Events> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
    }
}

async fn initialized(pki: &Pki, url: &str) -> Host {
    let mut host = connect(pki, url, &pki.client("alice"));
    host.initialize(LATEST).await;
    host
}

#[tokio::test]
async fn b11_an_answer_that_the_server_waits_for_finds_a_stream() {
    let pki = Pki::new();
    let open = Open::default();
    let (calls, answered) = (open.clone(), open.clone());
    let handler = move |request: Request<Bytes>, _| {
        let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        std::future::ready(match (request.method().as_str(), message["method"].as_str()) {
            ("GET", _) => {
                let (events, response) = reply::events();
                calls.keep(events);
                response
            }
            (_, Some("initialize")) => reply::json(200, result(&message, &json!({ "protocolVersion": LATEST }))),
            (_, Some("tools/call")) => {
                let (events, response) = reply::events();
                events.send(r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{}}"#);
                calls.keep(events);
                response
            }
            (_, None) => {
                let events = answered.take().map(|events| events.send(&result(&json!({ "id": 2 }), &json!({}))));
                reply::empty(if events.is_some() { 202 } else { 500 })
            }
            _ => reply::empty(202),
        })
    };
    // The server's own stream and the call take both streams of one connection.
    let server = TlsServer::builder(&pki).alpn(&["h2"]).max_streams(2).handler(handler).start().await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    server.wait_for_requests(3).await;
    host.send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {} })).await;
    let question = host.recv_method("elicitation/create").await;
    host.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": {} })).await;
    assert!(host.answer_to(2).await["result"].is_object());
}

#[tokio::test]
async fn requests_that_http2_did_not_process_are_sent_again() {
    let pki = Pki::new();
    let builder = TlsServer::builder(&pki).alpn(&["h2"]).max_streams(3);
    let server = builder
        .handler(async |request: Request<Bytes>, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(20)).await;
            reply::json(200, result(&message, &json!({})))
        })
        .start()
        .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    // A burst before the server has said how many streams it allows.
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(host.start_request("tools/list", json!({})).await);
    }
    for id in ids {
        let answer = host.answer_to(id).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(server.requests().len(), 12, "each was processed once");
}

#[tokio::test]
async fn a_connection_whose_answer_came_too_early_is_not_used_again() {
    let pki = Pki::new();
    let server = RawServer::start(&pki, |mut io, _| async move {
        use tokio::io::AsyncWriteExt as _;
        let Ok(head) = io.read_head().await else { return };
        if String::from_utf8_lossy(head.as_ref()).to_ascii_lowercase().contains("content-length: 8") {
            let _ = io.write_all(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        } else {
            let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = io.write_all(format!("{head}{body}").as_bytes()).await;
        }
        let _ = io.flush().await;
        // It neither reads on nor closes.
        std::future::pending::<()>().await;
    })
    .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    let text = "x".repeat(8_000_000);
    host.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "x", "params": { "text": text } })).await;
    assert_eq!(host.answer_to(0).await["error"]["data"]["evidence"]["status"], 413);
    host.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "x" })).await;
    assert!(host.answer_to(1).await["result"].is_object());
}

#[tokio::test]
async fn a_body_of_an_error_that_does_not_end_is_told_as_far_as_it_came() {
    let pki = Pki::new();
    let open = Open::default();
    let server = server(TlsServer::builder(&pki), move |_| {
        let (events, mut response) = reply::events();
        events.raw("the gateway is down");
        open.keep(events);
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        response
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let answer = host.request("tools/list", json!({})).await;
    assert!(answer["error"]["data"]["why"].to_string().contains("the gateway is down"), "{answer}");
}

#[tokio::test]
async fn a_stream_that_is_not_ended_after_its_answer_is_closed() {
    let pki = Pki::new();
    let open = Open::default();
    let kept = open.clone();
    let server = server(TlsServer::builder(&pki), move |message| {
        let (events, response) = reply::events();
        events.send(&result(message, &json!({})));
        kept.keep(events);
        response
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    assert!(host.request("tools/list", json!({})).await["result"].is_object());
    let events = open.take().expect("a stream was opened");
    tokio::time::timeout(Duration::from_secs(10), events.closed()).await.expect("the stream is closed");
}

#[tokio::test]
async fn b10_a_cancelled_call_is_given_up() {
    let pki = Pki::new();
    let open = Open::default();
    let kept = open.clone();
    let server = server(TlsServer::builder(&pki), move |_| {
        let (events, response) = reply::events();
        events.raw(": working\n\n");
        kept.keep(events);
        response
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let call = host.start_request("tools/call", json!({})).await;
    host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } })).await;
    assert_eq!(host.answer_to(call).await["error"]["data"]["code"], "cancelled");
    let events = open.take().expect("a stream was opened");
    tokio::time::timeout(Duration::from_secs(10), events.closed()).await.expect("the stream is closed");
    let began = Instant::now();
    host.close_stdin();
    host.wait_exit(Duration::from_secs(10)).await;
    assert!(began.elapsed() < Duration::from_secs(4), "the end does not wait for it: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_notification_that_is_not_accepted_holds_up_calls_for_a_time_only() {
    let pki = Pki::new();
    let builder = TlsServer::builder(&pki);
    let server = builder
        .handler(async |request: Request<Bytes>, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            if message["id"].is_null() {
                std::future::pending::<()>().await;
            }
            reply::json(200, result(&message, &json!({ "protocolVersion": LATEST })))
        })
        .start()
        .await;
    let mut host = towards(&pki, &server.url("/mcp"), &pki.client("alice")).args(["--timeout", "1500"]).spawn();
    host.initialize(LATEST).await;
    assert!(host.request("tools/list", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn a4_all_of_many_calls_in_flight_are_answered_at_the_end() {
    let pki = Pki::new();
    let open = Open::default();
    let server = server(TlsServer::builder(&pki).alpn(&["h2"]), move |_| {
        let (events, response) = reply::events();
        open.keep(events);
        response
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    for _ in 0..150 {
        host.start_request("tools/call", json!({})).await;
    }
    host.close_stdin();
    host.wait_exit(Duration::from_secs(10)).await;
    assert_eq!(host.drained_stdout().await.len(), 150);
}

#[cfg(unix)]
#[tokio::test]
async fn a3_a_signal_is_heard_behind_a_host_that_does_not_read() {
    use tokio::io::AsyncWriteExt as _;
    let pki = Pki::new();
    let filler = "y".repeat(20_000);
    let server =
        server(TlsServer::builder(&pki), move |message| reply::json(200, result(message, &json!({ "text": filler }))))
            .await;
    let client = pki.client("alice");
    let mut child = tokio::process::Command::new(binary())
        .args([
            "connect".as_ref(),
            server.url("/mcp").as_ref(),
            "--ca".as_ref(),
            std::path::Path::new(&pki.server_ca_file()).as_os_str(),
        ])
        .args(["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    for id in 0..200 {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call" });
        stdin.write_all(format!("{call}\n").as_bytes()).await.expect("the bridge reads");
    }
    stdin.write_all(b"no message\n").await.expect("the bridge reads");
    server.wait_for_requests(200).await;
    let pid = rustix::process::Pid::from_raw(child.id().expect("it runs").cast_signed()).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal can be sent");
    tokio::time::timeout(Duration::from_secs(5), child.wait()).await.expect("it ends").expect("it is reaped");
}

#[tokio::test]
async fn b3_the_good_members_of_a_batch_are_answered() {
    let pki = Pki::new();
    let server = server(TlsServer::builder(&pki), |message| reply::json(200, result(message, &json!({})))).await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    host.send_raw(r#"[{"jsonrpc":"2.0","id":77,"method":"ping"},{"jsonrpc":"2.0"}]"#).await;
    assert!(host.answer_to(77).await["result"].is_object());
    assert_eq!(host.inbox().iter().filter(|message| message["id"].is_null()).count(), 1);
}

#[tokio::test]
async fn an_https_proxy_that_wants_a_certificate_is_told_as_the_proxy() {
    let pki = Pki::new();
    let proxy = TlsServer::builder(&pki).tls12_only().start().await;
    let host = towards(&pki, "https://mcp.corp.test/", &pki.client("alice"));
    let mut host = host.env("HTTPS_PROXY", proxy.url("")).spawn();
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "proxy-failed", "{error:#}");
    assert!(!error.to_string().contains("alice"), "the certificate has nothing to do with it: {error:#}");
}

#[tokio::test]
async fn a_ca_that_was_made_anew_is_told_as_such() {
    let pki = Pki::new();
    let server = server(TlsServer::builder(&pki), |_| reply::empty(202)).await;
    let client = pki.client("alice");
    // Another PKI, whose CA has the same name and another key.
    let file = pki.write("old-ca.pem", Pki::new().server_ca_pem().as_bytes());
    let mut host = host([server.url("/mcp").as_ref(), "--ca".as_ref(), file.as_os_str()])
        .args(["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()])
        .spawn();
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "server-issuer-unknown", "{error:#}");
    assert!(error["data"]["why"].to_string().contains("likely the CA was made anew"), "{error:#}");
}

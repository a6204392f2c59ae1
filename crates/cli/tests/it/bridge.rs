//! Messages pass as they are, in both directions, and every request gets exactly one answer.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::{Answers, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

use crate::stage::{LATEST, connect, hello, host};

/// A staged server, a host that has initialized, and what keeps both alive.
pub(crate) struct Staged {
    pub(crate) server: McpServer,
    pub(crate) host: Host,
    _pki: Pki,
}

pub(crate) async fn staged(options: McpOptions) -> Staged {
    staged_over(options, &["http/1.1"]).await
}

async fn staged_over(options: McpOptions, protocols: &[&str]) -> Staged {
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).alpn(protocols), options).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    Staged { server, host, _pki: pki }
}

pub(crate) fn answered_by(answers: Answers) -> McpOptions {
    McpOptions { initialize: answers, answers, ..McpOptions::default() }
}

#[tokio::test]
async fn a1_answers_pass_byte_for_byte() {
    for answers in [Answers::Json, Answers::Sse] {
        for multiline in [false, true] {
            let mut staged = staged(McpOptions { multiline, ..answered_by(answers) }).await;
            let call = r#"{"jsonrpc":"2.0", "id":"\u0061 1","method":"tools/call","params":{"name":"echo","arguments":{"text":"é","n":50,"big":12345678901234567890123}},"unknown":[1.0]}"#;
            staged.host.send_raw(call).await;
            let line = staged.host.recv_raw().await;
            let sent = staged.server.sent().pop().expect("an answer was sent");
            let bare = |text: &str| text.replace(['\r', '\n'], " ").trim().to_owned();
            if multiline && answers == Answers::Sse {
                // A line break of the data may become CR LF on the way, so only white space may differ.
                let dense = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(dense(&line), dense(&sent));
            } else {
                assert_eq!(line, bare(&sent));
            }
            assert_eq!(staged.server.received().pop().as_deref(), Some(call));
        }
    }
}

#[tokio::test]
async fn unknown_methods_and_errors_of_the_server_pass() {
    let mut staged = staged(McpOptions::default()).await;
    let answer = staged.host.request("x/unheard-of", json!({ "a": 1 })).await;
    assert_eq!(answer["error"]["code"], -32601);
    assert!(answer["error"]["data"]["source"].is_null(), "it is the server's own error: {answer}");
}

#[tokio::test]
async fn b4_session_and_version_are_carried_and_the_session_is_ended() {
    let mut staged = staged(McpOptions::default()).await;
    staged.host.request("tools/list", json!({})).await;
    staged.host.close_stdin();
    assert!(staged.host.wait_exit(Duration::from_secs(5)).await.success());
    let ended = staged.server.wait_for_delete().await;
    let requests = staged.server.requests();
    let (first, later) = requests.split_first().expect("requests were made");
    assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), (None, None));
    assert!(later.len() >= 3, "initialized, tools/list, DELETE and perhaps GET");
    for request in later {
        let headers = (request.header("mcp-session-id"), request.header("mcp-protocol-version"));
        assert_eq!(headers, (Some(ended.as_str()), Some(LATEST)), "{} {}", request.method, request.text());
    }
    staged.host.stdout_is_pure();
}

#[tokio::test]
async fn b5_the_version_header_is_for_revisions_that_have_it() {
    let staged = staged(McpOptions { version: Some("2025-03-26"), ..McpOptions::default() }).await;
    let initialized = staged.server.server().wait_for_requests(2).await;
    assert_eq!(initialized[1].header("mcp-protocol-version"), None);
}

#[tokio::test]
async fn headers_of_the_entry_are_on_every_request_and_the_url_keeps_its_query() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let client = pki.client("alice");
    let text = json!({ "mcp": { "corp": {
        "url": format!("{}?tenant=7", server.url()),
        "headers": { "X-Team": "{env:TEAM}", "Authorization": "Bearer {file:token}" },
        "tls": { "cert": client.cert_file, "key": client.key_file, "ca": pki.server_ca_file() },
    } } });
    pki.write("token", b"s3cret\n");
    let config = pki.write("config.jsonc", text.to_string().as_bytes());
    let arguments = [std::path::Path::new("corp"), std::path::Path::new("--config"), &config];
    let mut host = host(arguments).env("TEAM", "blue").spawn();
    host.initialize(LATEST).await;
    host.request("tools/list", json!({})).await;
    host.close_stdin();
    host.wait_exit(Duration::from_secs(5)).await;
    let requests = server.requests();
    assert!(requests.len() >= 4);
    for request in requests {
        assert_eq!(request.header("x-team"), Some("blue"), "{} {}", request.method, request.text());
        assert_eq!(request.header("authorization"), Some("Bearer s3cret"));
        assert!(request.path.ends_with("?tenant=7"), "{}", request.path);
    }
}

#[tokio::test]
async fn e13_what_the_server_says_of_its_own_accord_reaches_the_host() {
    for protocols in [&["http/1.1"][..], &["h2"]] {
        let mut staged = staged_over(McpOptions::default(), protocols).await;
        let text = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","new":1.0}"#;
        staged.server.notify(text).await;
        assert_eq!(staged.host.recv_raw().await, text);
        // A stream that ends is opened again.
        staged.server.end_streams();
        staged.server.notify(text).await;
        assert_eq!(staged.host.recv_raw().await, text);
    }
}

#[tokio::test]
async fn e10_a_server_may_ask_during_a_call_and_have_no_stream_of_its_own() {
    let mut staged = staged(McpOptions { get_stream: false, ..answered_by(Answers::Sse) }).await;
    let call = staged.host.start_request("tools/call", json!({ "name": "ask", "arguments": {} })).await;
    let question = staged.host.recv_method("elicitation/create").await;
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "x": 1.0 } });
    staged.host.send(&answer).await;
    assert!(staged.host.answer_to(call).await["result"].is_object());
    assert_eq!(staged.server.host_answers(), [answer.to_string()]);
}

#[tokio::test]
async fn b2_progress_comes_before_its_answer_and_in_order() {
    let mut staged = staged(answered_by(Answers::Sse)).await;
    let params = json!({ "name": "progress", "arguments": { "steps": 5 }, "_meta": { "progressToken": "t" } });
    let answer = staged.host.request("tools/call", params).await;
    assert!(answer["result"].is_object(), "{answer}");
    let steps = staged.host.inbox().iter().filter(|message| message["method"] == "notifications/progress");
    let steps: Vec<_> = steps.map(|message| message["params"]["progress"].as_u64()).collect();
    assert!(steps.len() > 1 && steps.is_sorted(), "{steps:?}");
}

#[tokio::test]
async fn many_calls_run_at_once() {
    for protocols in [&["http/1.1"][..], &["h2"]] {
        let mut staged = staged_over(McpOptions::default(), protocols).await;
        let mut waiting = Vec::new();
        for _ in 0..8 {
            waiting.push(staged.host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await);
        }
        staged.server.wait_for_waiting(8).await;
        // A quick call is not held up by slow ones.
        assert!(staged.host.call("echo", json!({ "text": "hi" })).await["result"].is_object());
        staged.server.release().await;
        for id in waiting {
            assert!(staged.host.answer_to(id).await["result"].is_object());
        }
        staged.host.stdout_is_pure();
    }
}

#[tokio::test]
async fn b10_a_cancel_goes_out_while_the_call_runs() {
    for answers in [Answers::Sse, Answers::Json] {
        let mut staged = staged(answered_by(answers)).await;
        let call = staged.host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
        staged.server.wait_for_waiting(1).await;
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } });
        staged.host.send(&cancel).await;
        staged.server.wait_for_method("notifications/cancelled").await;
        // The server ends the response without an answer; the id has one all the same, which says why.
        let answer = staged.host.answer_to(call).await;
        assert_eq!(answer["error"]["data"]["source"], "mcp-mtls", "{answer}");
        assert_eq!(answer["error"]["data"]["code"], "cancelled", "{answer}");
    }
}

#[tokio::test]
async fn e4_initialized_is_delivered_before_what_follows_it() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    // All at once, as no host should.
    let initialize = host.start_request("initialize", hello(LATEST)).await;
    host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let list = host.start_request("tools/list", json!({})).await;
    assert!(host.answer_to(initialize).await["result"].is_object());
    assert!(host.answer_to(list).await["result"].is_object());
    let methods = server
        .received()
        .into_iter()
        .filter_map(|text| serde_json::from_str::<Value>(&text).ok()?["method"].as_str().map(str::to_owned));
    assert_eq!(methods.collect::<Vec<_>>(), ["initialize", "notifications/initialized", "tools/list"]);
}

#[tokio::test]
async fn c11_a_probe_gets_the_answer_of_a_legacy_server_at_once_and_then_initialize_works() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.send_raw(
        r#"{"jsonrpc":"2.0","id":"server-discover-probe-1","method":"server/discover","params":{"_meta":{}}}"#,
    )
    .await;
    let answer = host.recv().await;
    assert_eq!(answer["id"], "server-discover-probe-1");
    assert_eq!(answer["error"]["code"], -32000, "{answer}");
    assert!(host.initialize(LATEST).await["result"].is_object());
}

#[tokio::test]
async fn e14_sequential_calls_share_one_connection() {
    for answers in [Answers::Json, Answers::Sse] {
        let mut staged = staged(McpOptions { get_stream: false, ..answered_by(answers) }).await;
        let mut times = Vec::new();
        for _ in 0..200 {
            let began = Instant::now();
            staged.host.call("echo", json!({ "text": "hi" })).await;
            times.push(began.elapsed());
        }
        // A body that is not read to its end costs 40 ms of each call (a delayed ACK), or a handshake.
        times.sort();
        assert!(times[100] < Duration::from_millis(20), "{:?} with {answers:?}", times[100]);
        // One more for the GET that learns, beside the first call, that there is no stream.
        let connections = staged.server.server().connections().len();
        assert!(connections <= 2, "{connections} connections with {answers:?}");
    }
}

#[tokio::test]
async fn simultaneous_first_requests_open_one_connection_over_http2() {
    let pki = Pki::new();
    let server =
        McpServer::on(TlsServer::builder(&pki).alpn(&["h2"]), McpOptions { session: false, ..McpOptions::default() })
            .await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(host.start_request("tools/list", json!({})).await);
    }
    for id in ids {
        host.answer_to(id).await;
    }
    assert_eq!(server.server().connections().len(), 1);
}

#[tokio::test]
async fn a1_large_messages_pass_in_both_directions() {
    for answers in [Answers::Json, Answers::Sse] {
        let mut staged = staged(answered_by(answers)).await;
        let size = 5 << 20;
        let answer = staged.host.call("big", json!({ "bytes": size })).await;
        assert_eq!(answer["result"]["content"][0]["text"].as_str().map(str::len), Some(size));
        let text = "x".repeat(size);
        let answer = staged.host.call("echo", json!({ "text": text })).await;
        assert!(answer["result"].is_object());
        assert!(staged.server.received().iter().any(|received| received.len() > size));
    }
}

#[tokio::test]
async fn a6_broken_lines_are_told_once_and_the_bridge_lives_on() {
    let mut staged = staged(McpOptions::default()).await;
    staged.host.send_raw("this is no JSON").await;
    staged.host.send_raw("{\"neither\":\"is this\"}").await;
    let error = staged.host.recv().await;
    assert_eq!((&error["id"], &error["error"]["data"]["code"]), (&Value::Null, &json!("host-message-invalid")));
    let answer = staged.host.call("echo", json!({ "text": "hi" })).await;
    assert!(answer["result"].is_object());
    assert_eq!(staged.host.inbox().len(), 0, "no second error");
}

#[tokio::test]
async fn b3_members_of_a_batch_are_answered_each() {
    let mut staged = staged(McpOptions::default()).await;
    staged
        .host
        .send_raw(r#"[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]"#)
        .await;
    let mut ids = [staged.host.recv().await["id"].clone(), staged.host.recv().await["id"].clone()];
    ids.sort_by_key(ToString::to_string);
    assert_eq!(ids, ["a", "b"]);
}

//! What hosts do: nonsense, requests too early, cancelled ones, and an end in the middle.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::{HttpSse, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

use super::case::{Case, case};
use crate::stage::LATEST;

/// A host that has initialized, and is served.
async fn served(case: &Case, options: McpOptions) -> (McpServer, Host) {
    let client = case.pki.client("alice");
    let server = McpServer::with(&case.pki, options).await;
    let mut host = case.towards(&server.url(), Some(&client)).spawn();
    host.initialize(LATEST).await;
    (server, host)
}

/// A line that is answered by an error without an id.
async fn line(name: &'static str, code: Code, line: &str) {
    let mut case = case(name, code, Side::Host);
    let (_server, mut host) = served(&case, McpOptions::default()).await;
    host.send_raw(line).await;
    let answer = host.recv().await;
    assert!(answer["id"].is_null(), "{answer}");
    case.answered("a line", &mut host, &answer).await;
    case.end();
}

#[tokio::test]
async fn a_line_that_is_no_json() {
    line("host-line-no-json", Code::HostMessageInvalid, "hello?").await;
}

#[tokio::test]
async fn a_line_that_is_no_message() {
    line("host-line-no-message", Code::HostMessageInvalid, r#"{"method":1}"#).await;
}

#[tokio::test]
async fn a_call_that_is_cancelled() {
    let mut case = case("cancelled", Code::Cancelled, Side::Host);
    let client = case.pki.client("alice");
    // A server that begins an answer, and never ends it.
    let server = TlsServer::builder(&case.pki)
        .handler(|request, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let result = json!({ "protocolVersion": LATEST, "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
            std::future::ready(match message["method"].as_str() {
                Some("initialize") => reply::json(200, answer),
                Some("tools/call") => reply::endless(": working\n\n"),
                _ => reply::empty(202),
            })
        })
        .start()
        .await;
    let mut host = case.towards(&server.url("/mcp"), Some(&client)).spawn();
    host.initialize(LATEST).await;
    let call = host.start_request("tools/call", json!({})).await;
    server.wait_for_requests(3).await;
    host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } })).await;
    let answer = host.answer_to(call).await;
    case.answered("a call", &mut host, &answer).await;
    case.verified("a call", &server.verified(), Some(&client));
    case.end();
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_at_the_end() {
    let mut case = case("stopped", Code::Stopped, Side::Host);
    let (server, mut host) = served(&case, McpOptions::default()).await;
    let call = host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
    server.wait_for_waiting(1).await;
    host.signal("TERM");
    let answer = host.answer_to(call).await;
    case.answered("SIGTERM", &mut host, &answer).await;
    case.end();
}

#[tokio::test]
async fn a_modern_request_to_a_server_of_http_sse() {
    let mut case = case("method-unsupported", Code::MethodUnsupported, Side::Host);
    let options = McpOptions { http_sse: Some(HttpSse::default()), ..McpOptions::default() };
    let server = McpServer::with(&case.pki, options).await;
    let client = case.pki.client("alice");
    let mut host = case.entry(&of_http_sse(&case.pki, &server, &client)).spawn();
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let answer = host.request("server/discover", json!({ "_meta": meta })).await;
    case.answered("server/discover", &mut host, &answer).await;
    case.end();
}

fn of_http_sse(pki: &Pki, server: &McpServer, client: &mcp_mtls_testkit::pki::Client) -> String {
    format!(
        r#"{{ "type": "sse", "url": "{}", "tls": {{ "cert": "{}", "key": "{}", "ca": "{}" }} }}"#,
        server.url(),
        client.cert_file.display(),
        client.key_file.display(),
        pki.server_ca_file().display()
    )
}

#[tokio::test]
async fn a_request_before_initialize() {
    let mut case = case("session-not-begun", Code::HostMessageInvalid, Side::Host);
    let options = McpOptions { http_sse: Some(HttpSse::default()), ..McpOptions::default() };
    let server = McpServer::with(&case.pki, options).await;
    let client = case.pki.client("alice");
    let mut host = case.entry(&of_http_sse(&case.pki, &server, &client)).spawn();
    let answer = host.request("tools/list", json!({})).await;
    case.answered("tools/list", &mut host, &answer).await;
    case.end();
}

//! The stateless revision (2026-07-28): what the server got, to the header, and what the host got, to the byte.

mod eras;
mod failures;
mod headers;
mod lists;
mod opaque;
mod parameters;
mod posts;
mod retries;
mod streams;
mod subscriptions;

use std::time::Duration;

use http::Response;
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::{Era, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Body};
use mcp_mtls_testkit::server::{SeenRequest, TlsServer};
use serde_json::Value;

use crate::stage::connect;

/// A modern server, a host that has sent nothing yet, and what keeps both alive.
struct Stage {
    server: McpServer,
    host: Host,
    _pki: Pki,
}

async fn staged(options: McpOptions) -> Stage {
    staged_over("http/1.1", options).await
}

async fn staged_over(protocol: &str, options: McpOptions) -> Stage {
    staged_at(protocol, McpOptions { era: Era::Modern, ..options }).await
}

async fn staged_at(protocol: &str, options: McpOptions) -> Stage {
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).alpn(&[protocol]), options).await;
    let host = connect(&pki, &server.url(), &pki.client("alice"));
    Stage { server, host, _pki: pki }
}

/// A server that answers each message by a script, a host, and what keeps both alive.
struct Scripted {
    server: TlsServer,
    host: Host,
    _pki: Pki,
}

async fn scripted(script: impl Fn(&Value) -> Response<Body> + Send + Sync + 'static) -> Scripted {
    scripted_over("http/1.1", script).await
}

async fn scripted_over(protocol: &str, script: impl Fn(&Value) -> Response<Body> + Send + Sync + 'static) -> Scripted {
    let pki = Pki::new();
    let answer = move |request: http::Request<bytes::Bytes>, _| {
        let message = serde_json::from_slice(request.body()).unwrap_or_default();
        std::future::ready(script(&message))
    };
    let server = TlsServer::builder(&pki).alpn(&[protocol]).handler(answer).start().await;
    let host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    Scripted { server, host, _pki: pki }
}

/// A request with these parameters behind its metadata.
fn request(id: &str, method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{{META}}}{comma}{params}}}}}"#)
}

/// A call of a tool.
fn call(id: &str, tool: &str, arguments: &str) -> String {
    request(id, "tools/call", &format!(r#""name":"{tool}","arguments":{arguments}"#))
}

fn cancel(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

/// The answer that a script gives when any will do.
fn empty_result(message: &Value) -> Response<Body> {
    answer(message, "{}")
}

fn answer(message: &Value, result: &str) -> Response<Body> {
    reply::json(200, answer_text(message, result))
}

fn answer_text(message: &Value, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, message["id"])
}

/// Sends a line and returns the next one that comes.
async fn exchange(host: &mut Host, line: &str) -> String {
    host.send_raw(line).await;
    host.recv_raw().await
}

/// Lets the host end. Nothing may be left on stdout; returns stderr.
async fn end(host: &mut Host) -> String {
    host.close_stdin();
    host.wait_exit(Duration::from_secs(10)).await;
    let rest = host.drained_stdout().await;
    assert!(rest.is_empty(), "the host got more: {rest:#?}");
    host.stdout_is_pure();
    host.drained_stderr().await
}

/// The texts of the requests, each of which must be a POST of the stateless revisions: no session, nothing resumed.
fn posts(requests: &[SeenRequest]) -> Vec<&str> {
    let text = |request| {
        said(request);
        SeenRequest::text(request)
    };
    requests.iter().map(text).collect()
}

/// What the headers of a modern POST say beyond HTTP itself, sorted: `name: value`.
fn said(request: &SeenRequest) -> Vec<String> {
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/mcp"), "{}", request.text());
    assert_eq!(request.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    for absent in ["mcp-session-id", "last-event-id"] {
        assert_eq!(request.header(absent), None, "{absent} on {}", request.text());
    }
    let of_http = ["host", "content-length", "accept", "content-type", "user-agent"];
    let of_mcp = request.headers.iter().filter(|(name, _)| !of_http.contains(&name.as_str()));
    let mut lines: Vec<_> =
        of_mcp.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("(not ASCII)"))).collect();
    lines.sort();
    lines
}

/// What the headers of a request say that names its tool and has these parameters.
fn said_of_call(tool: &str, parameters: &[&str]) -> Vec<String> {
    let mut lines = vec!["mcp-method: tools/call".to_owned(), format!("mcp-name: {tool}"), VERSION.to_owned()];
    lines.extend(parameters.iter().map(|line| format!("mcp-param-{line}")));
    lines.sort();
    lines
}

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{},"x-odd":1.0"#;
const VERSION: &str = "mcp-protocol-version: 2026-07-28";
const PROTOCOLS: [&str; 2] = ["http/1.1", "h2"];

//! What the bridge mends by itself: lost sessions, streams that end, and the transport of old servers.

mod fallback;
mod http_sse;
mod lost;
mod resume;
mod session;
mod stream;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Body};
use mcp_mtls_testkit::server::{SeenRequest, TlsServer};
use serde_json::{Value, json};

use crate::stage::{LATEST, connect, ours, parsed};

/// A server, a host that has begun its session, and what keeps both alive.
struct Bridged<S> {
    server: S,
    host: Host,
    /// The fingerprint of the client certificate.
    certificate: String,
    _pki: Pki,
}

/// The server of the testkit and a host whose `notifications/initialized` has arrived.
async fn bridged(options: McpOptions) -> Bridged<McpServer> {
    let pki = Pki::new();
    let server = McpServer::with(&pki, options).await;
    let client = pki.client("alice");
    let mut host = connect(&pki, &server.url(), &client);
    begin(&mut host).await;
    server.wait_for_session("its beginning", |session| session.initialized).await;
    Bridged { server, host, certificate: client.fingerprint, _pki: pki }
}

/// The same with a server of which `script` answers what it wants to. All else is answered as by a plain server of
/// Streamable HTTP: a session for each `initialize`, an empty result, 405 for GET.
async fn scripted(script: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static) -> Bridged<TlsServer> {
    let pki = Pki::new();
    let server = scripted_server(&pki, script).await;
    let client = pki.client("alice");
    let mut host = connect(&pki, &server.url("/mcp"), &client);
    begin(&mut host).await;
    wait_for(&server, "its beginning", |asked| asked.contains("initialized")).await;
    Bridged { server, host, certificate: client.fingerprint, _pki: pki }
}

async fn scripted_server(
    pki: &Pki,
    script: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static,
) -> TlsServer {
    let sessions = AtomicUsize::new(0);
    let answer = move |request: http::Request<bytes::Bytes>| {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let asked = Asked {
            http: request.method().to_string(),
            path: request.uri().to_string(),
            session: header("mcp-session-id"),
            last_id: header("last-event-id"),
            message: serde_json::from_slice(request.body()).unwrap_or_default(),
        };
        script(&asked).unwrap_or_else(|| plain(&asked, &sessions))
    };
    TlsServer::builder(pki).handler(move |request, _| std::future::ready(answer(request))).start().await
}

/// What a script is asked.
struct Asked {
    http: String,
    path: String,
    session: Option<String>,
    last_id: Option<String>,
    /// The message that was POSTed.
    message: Value,
}

impl Asked {
    fn is(&self, method: &str) -> bool {
        self.message["method"] == method
    }

    /// An answer to what was POSTed.
    fn result(&self, result: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": self.message["id"], "result": result }).to_string()
    }
}

fn plain(asked: &Asked, sessions: &AtomicUsize) -> Response<Body> {
    if asked.http == "GET" {
        return reply::empty(405);
    }
    if !asked.is("initialize") {
        let has_answer = asked.message.get("id").is_some() && asked.message.get("method").is_some();
        return if has_answer { reply::json(200, asked.result(&json!({}))) } else { reply::empty(202) };
    }
    let number = sessions.fetch_add(1, Ordering::Relaxed) + 1;
    let mut response = reply::json(200, asked.result(&welcome(LATEST)));
    response.headers_mut().extend(format!("session-{number}").parse().ok().map(|id| (SESSION_ID, id)));
    response
}

/// The result of `initialize`.
fn welcome(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": {}, "serverInfo": { "name": "scripted", "version": "1" } })
}

async fn begin(host: &mut Host) {
    host.send_raw(INITIALIZE).await;
    let answer = host.recv().await;
    assert!(answer["id"] == "i1" && answer["result"].is_object(), "{answer}");
    host.send_raw(INITIALIZED).await;
}

impl<S: Seen> Bridged<S> {
    /// Sends a line and returns the next line of the bridge.
    async fn ask(&mut self, line: &str) -> String {
        self.host.send_raw(line).await;
        self.host.recv_raw().await
    }

    /// The POSTs so far, in the words of [`told`].
    fn posts(&self) -> Vec<String> {
        told(&self.server.seen()).into_iter().filter(|told| !told.starts_with("GET ")).collect()
    }

    /// The GETs so far.
    fn gets(&self) -> Vec<SeenRequest> {
        self.server.seen().into_iter().filter(|request| request.method == "GET").collect()
    }

    /// Ends the host. It was told nothing but what the test has read, every request came on a connection with its
    /// certificate, and with the headers that belong to it.
    async fn over(mut self) {
        self.host.close_stdin();
        assert!(self.host.wait_exit(Duration::from_secs(10)).await.success());
        assert_eq!((self.host.drained_stdout().await, self.host.inbox()), (vec![], [].as_slice()));
        for request in self.server.seen() {
            assert_eq!(request.fingerprint.as_deref(), Some(self.certificate.as_str()));
            let version = (request.header("mcp-session-id").is_some()).then_some(LATEST);
            assert_eq!(request.header("mcp-protocol-version"), version, "{} {}", request.method, request.text());
        }
    }
}

/// What a server saw.
trait Seen {
    fn seen(&self) -> Vec<SeenRequest>;
}

impl Seen for McpServer {
    fn seen(&self) -> Vec<SeenRequest> {
        self.requests()
    }
}

impl Seen for TlsServer {
    fn seen(&self) -> Vec<SeenRequest> {
        self.requests()
    }
}

/// Requests in short: the method of the message, or else of HTTP, and the number of the session that it names.
fn told(requests: &[SeenRequest]) -> Vec<String> {
    let session = |request: &SeenRequest| {
        let named = request.header("mcp-session-id").unwrap_or(&request.path).to_owned();
        named.rsplit_once("session-").map_or("-".to_owned(), |(_, number)| number.to_owned())
    };
    let message = |request: &SeenRequest| serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    let method = |request: &SeenRequest| message(request)["method"].as_str().map(str::to_owned);
    let word = |request: &SeenRequest| method(request).unwrap_or_else(|| request.method.to_string());
    requests.iter().map(|request| format!("{} {}", word(request), session(request))).collect()
}

/// Waits until one of the requests, in the words of [`told`], is as the test wants it.
async fn wait_for(server: &TlsServer, what: &str, ready: impl Fn(&str) -> bool) {
    wait_for_many(server, what, 1, ready).await;
}

/// Waits until as many are.
async fn wait_for_many(server: &TlsServer, what: &str, n: usize, ready: impl Fn(&str) -> bool) -> Vec<SeenRequest> {
    let enough = |requests: &[SeenRequest]| told(requests).iter().filter(|told| ready(told)).count() >= n;
    server.record().requests.wait_until(what, enough).await
}

/// A call of a tool.
fn call(id: usize, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
}

/// A request with one parameter.
fn request(id: usize, method: &str, name: &str, value: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"{name}":"{value}"}}}}"#)
}

fn notification(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#)
}

const SESSION_ID: http::HeaderName = http::HeaderName::from_static("mcp-session-id");
/// The host's own words, written as no serializer writes them.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0", "id":"\u00691","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t\u00e9st","version":"1"}},"x":[1.0]}"#;
const INITIALIZED: &str = r#"{"method":"notifications/initialized", "jsonrpc":"2.0","x":1e0}"#;

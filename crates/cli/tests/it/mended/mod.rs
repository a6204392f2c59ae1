//! Races between host and server, and values that are rare and allowed: each was wrong once.

mod sessions;
mod streams;
mod values;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Response;
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Body, Events};
use mcp_mtls_testkit::server::{SeenRequest, TlsServer};
use serde_json::{Value, json};

use crate::stage::{LATEST, hello, ours, parsed, towards};

/// A scripted server, a host, and what keeps both alive.
struct Stage {
    server: TlsServer,
    host: Host,
    _pki: Pki,
}

/// A server of which `script` answers what it wants to, [`plain`] all else; and a host with these flags that has sent
/// nothing yet.
async fn staged<F, Answer>(flags: &[&str], script: F) -> Stage
where
    F: Fn(Asked) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let pki = Pki::new();
    let server = serve(&pki, script).await;
    let host = towards(&pki, &server.url("/mcp"), &pki.client("alice")).args(flags).spawn();
    Stage { server, host, _pki: pki }
}

/// The same with a host whose `notifications/initialized` has arrived.
async fn begun<F, Answer>(script: F) -> Stage
where
    F: Fn(Asked) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    begun_with(&[], script).await
}

/// The same with these flags.
async fn begun_with<F, Answer>(flags: &[&str], script: F) -> Stage
where
    F: Fn(Asked) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let mut stage = staged(flags, script).await;
    stage.begin().await;
    stage.wait_for(1, "notifications/initialized").await;
    stage
}

async fn serve<F, Answer>(pki: &Pki, script: F) -> TlsServer
where
    F: Fn(Asked) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let sessions = AtomicUsize::new(0);
    let handler = move |request: http::Request<bytes::Bytes>, _| {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let opens = usize::from(message["method"] == "initialize");
        let asked = Asked {
            http: request.method().to_string(),
            path: request.uri().path().to_owned(),
            session: header("mcp-session-id"),
            last_id: header("last-event-id"),
            sessions: sessions.fetch_add(opens, Ordering::Relaxed) + opens,
            message,
        };
        let answer = script(asked.clone());
        async move { answer.await.unwrap_or_else(|| plain(&asked)) }
    };
    TlsServer::builder(pki).handler(handler).start().await
}

/// What a script is asked.
#[derive(Clone)]
struct Asked {
    http: String,
    path: String,
    session: Option<String>,
    last_id: Option<String>,
    /// How many `initialize` there were, with this one.
    sessions: usize,
    /// The message that was POSTed.
    message: Value,
}

impl Asked {
    fn is(&self, method: &str) -> bool {
        self.message["method"] == method
    }

    /// Whether it is this in the session of this number.
    fn is_in(&self, session: usize, method: &str) -> bool {
        self.is(method) && self.session.as_deref() == Some(format!("session-{session}").as_str())
    }

    /// An answer to what was POSTed.
    fn result(&self, result: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": self.message["id"], "result": result }).to_string()
    }

    /// The answer to `initialize`, with this text and the next session.
    fn welcome(&self, text: String) -> Response<Body> {
        let mut response = reply::json(200, text);
        let id = format!("session-{}", self.sessions).parse().ok();
        response.headers_mut().extend(id.map(|id| (http::HeaderName::from_static("mcp-session-id"), id)));
        response
    }

    fn has_answer(&self) -> bool {
        self.message.get("id").is_some() && self.message.get("method").is_some()
    }
}

/// The answers of a plain server: a session for each `initialize`, an empty result, 405 for GET.
fn plain(asked: &Asked) -> Response<Body> {
    match asked.http.as_str() {
        "GET" => reply::empty(405),
        _ if asked.is("initialize") => asked.welcome(asked.result(&welcome(LATEST))),
        _ if asked.has_answer() => reply::json(200, asked.result(&json!({}))),
        _ => reply::empty(202),
    }
}

/// The result of `initialize`.
fn welcome(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": {}, "serverInfo": { "name": "scripted", "version": "1" } })
}

/// A server of HTTP+SSE: its one stream, and what it says there.
#[derive(Clone, Default)]
struct Old(Arc<Mutex<Option<Events>>>);

impl Old {
    fn answer(&self, asked: &Asked) -> Response<Body> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.http == "GET" {
            let (events, response) = reply::events();
            events.raw("event: endpoint\ndata: /messages\n\n");
            *stream = Some(events);
            return response;
        }
        if asked.path == "/mcp" {
            return reply::empty(405);
        }
        if let Some(events) = stream.as_ref().filter(|_| asked.has_answer()) {
            let result = if asked.is("initialize") { welcome("2024-11-05") } else { json!({}) };
            events.send(&asked.result(&result));
        }
        reply::empty(202)
    }

    fn end_stream(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Stage {
    /// Sends a line and returns the next line of the bridge.
    async fn ask(&mut self, line: &str) -> String {
        self.host.send_raw(line).await;
        self.host.recv_raw().await
    }

    async fn begin(&mut self) {
        begin(&mut self.host).await;
    }

    /// What the server saw so far, in the words of [`told`].
    fn told(&self) -> Vec<String> {
        told(&self.server.requests())
    }

    /// Waits until so many requests begin with these words of [`told`].
    async fn wait_for(&self, n: usize, words: &str) {
        let begins = |told: &&String| told.starts_with(words);
        let enough = |requests: &[SeenRequest]| told(requests).iter().filter(begins).count() >= n;
        self.server.record().requests.wait_until(words, enough).await;
    }

    /// Lets the host end, and tells what the server saw until then.
    async fn over(mut self) -> Vec<String> {
        self.host.close_stdin();
        assert!(self.host.wait_exit(Duration::from_secs(10)).await.success());
        self.told()
    }
}

async fn begin(host: &mut Host) {
    host.send(&json!({ "jsonrpc": "2.0", "id": "i", "method": "initialize", "params": hello(LATEST) })).await;
    // Not every answer that passes is one that this test could parse.
    let answer = host.recv_raw().await;
    assert!(answer.contains(r#""id":"i""#) && answer.contains(r#""result":{"#), "{answer}");
    host.send_raw(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
}

/// Requests in short: the method of the message, or else of HTTP, then the session that it names.
fn told(requests: &[SeenRequest]) -> Vec<String> {
    let message = |request: &SeenRequest| serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    let method = |request: &SeenRequest| message(request)["method"].as_str().map(str::to_owned);
    let word = |request: &SeenRequest| method(request).unwrap_or_else(|| request.method.to_string());
    let session = |request: &SeenRequest| request.header("mcp-session-id").unwrap_or("-").to_owned();
    requests.iter().map(|request| format!("{} {}", word(request), session(request))).collect()
}

/// A call of a tool, in a session.
fn call(id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x","arguments":{{}}}}}}"#)
}

fn cancel(id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

/// A request of the stateless revision, with these parameters before its metadata.
fn modern(id: usize, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{{META}}}}}}}"#)
}

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;

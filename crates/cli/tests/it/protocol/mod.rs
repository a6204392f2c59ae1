//! The lines of `docs/protocol.md`, each as what the server got and what the host got.
#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

mod a;
mod a_end;
mod b_messages;
mod b_order;
mod b_slow;
mod e;
mod e_streams;

use std::collections::HashMap;
use std::future::Future;
use std::process::Stdio;

use bytes::Bytes;
use http::{Request, Response};
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Body};
use mcp_mtls_testkit::server::{SeenRequest, ServerBuilder, TlsServer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::stage::{LATEST, binary, connect};

/// A server that answers as the script says, and where that says nothing, as the simplest server does.
pub(super) async fn scripted<F, Answer>(builder: ServerBuilder, script: F) -> TlsServer
where
    F: Fn(Request<Bytes>) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Option<Response<Body>>> + Send + 'static,
{
    let handler = move |request: Request<Bytes>, _| {
        let usual = usual(&request);
        let answer = script(request);
        async move { answer.await.unwrap_or(usual) }
    };
    builder.handler(handler).start().await
}

fn usual(request: &Request<Bytes>) -> Response<Body> {
    let part = |name: &str| part(request.body(), name);
    match (request.method().as_str(), method_of(request.body()).as_str(), part("id")) {
        ("GET", _, _) => reply::empty(405),
        ("POST", "initialize", Some(id)) => reply::json(200, result(&id, &welcome(LATEST))),
        ("POST", method, Some(id)) if !method.is_empty() => reply::json(200, result(&id, "{}")),
        _ => reply::empty(202),
    }
}

/// A member of a message, as it is written.
pub(super) fn part(message: &[u8], name: &str) -> Option<String> {
    let members: HashMap<String, &RawValue> = serde_json::from_slice(message).ok()?;
    members.get(name).map(|member| member.get().to_owned())
}

/// The method of a message; empty for one that has none.
pub(super) fn method_of(message: &[u8]) -> String {
    part(message, "method").and_then(|method| serde_json::from_str(&method).ok()).unwrap_or_default()
}

/// The answer to the request of this id, which is written as it stands.
pub(super) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The result of `initialize`.
pub(super) fn welcome(version: &str) -> String {
    json!({ "protocolVersion": version, "capabilities": {}, "serverInfo": { "name": "script", "version": "1" } })
        .to_string()
}

/// A host that has initialized.
pub(super) async fn initialized(pki: &Pki, url: &str) -> Host {
    let mut host = connect(pki, url, &pki.client("alice"));
    let answer = host.initialize(LATEST).await;
    assert!(answer["result"].is_object(), "{answer}");
    host
}

/// The program with pipes that the test reads and writes itself, at its own pace.
pub(super) fn piped(pki: &Pki, url: &str) -> (Child, ChildStdin, ChildStdout) {
    let client = pki.client("alice");
    let mut child = Command::new(binary())
        .args(["connect".as_ref(), url.as_ref(), "--ca".as_ref(), pki.server_ca_file().as_os_str()])
        .args(["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let stdin = child.stdin.take().expect("stdin is a pipe");
    let stdout = child.stdout.take().expect("stdout is a pipe");
    (child, stdin, stdout)
}

/// Asserts that nothing waits to be read: what came before the answer to this request is all there was.
pub(super) async fn says_nothing_more(host: &mut Host) {
    let answer = host.request("ping", json!({})).await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(host.inbox(), [Value::Null; 0]);
    host.stdout_is_pure();
}

/// The POSTs with this method of MCP.
pub(super) fn posts<'a>(requests: &'a [SeenRequest], method: &str) -> Vec<&'a SeenRequest> {
    requests.iter().filter(|request| request.method == "POST" && method_of(&request.body) == method).collect()
}

/// `notifications/cancelled` for the request of this id, which is written as it stands.
pub(super) fn cancellation(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}, "reason":"\u00e9"}}}}"#
    )
}

//! The library as an application uses it.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_mtls_core::config::{Entry, EntrySettings};
use mcp_mtls_core::error::{Code, Failure};
use mcp_mtls_core::remote::Remote;
use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply::{self, Events};
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_call_is_made_with_the_certificate() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let settings =
        EntrySettings::new(&server.url()).identity(&client.cert_pem, &client.key_pem).ca(&pki.server_ca_pem());
    let remote = Remote::new(&Entry::new(settings).resolve().unwrap()).unwrap();
    remote.initialize("test", "1").await.unwrap();
    // A server may ask meanwhile; an application without an answer does not block it.
    let asked = remote.call("tools/call", json!({ "name": "ask", "arguments": {} })).await.unwrap();
    assert!(asked.is_object());
    let result = remote.call("tools/call", json!({ "name": "whoami", "arguments": {} })).await.unwrap();
    assert_eq!(result["content"][0]["text"], client.fingerprint.as_str());
    let failure = remote.call("x/unheard-of", json!({})).await.unwrap_err();
    assert_eq!(failure.code(), Code::ServerError);
    assert_eq!(failure.facts().evidence["error"]["code"], -32601);
    remote.close().await;
    server.wait_for_delete().await;
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));
}

#[tokio::test]
async fn a_refusal_is_a_failure_with_its_code() {
    let pki = Pki::new();
    let stranger = pki.stranger_client();
    let server = McpServer::start(&pki).await;
    let settings =
        EntrySettings::new(&server.url()).identity(&stranger.cert_pem, &stranger.key_pem).ca(&pki.server_ca_pem());
    let remote = Remote::new(&Entry::new(settings).resolve().unwrap()).unwrap();
    assert_eq!(remote.initialize("test", "1").await.unwrap_err().code(), Code::CertificateRefused);
}

#[tokio::test]
async fn b12_a_call_over_http_sse_is_answered_after_what_nobody_reads() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let stream: Arc<Mutex<Option<Events>>> = Arc::default();
    let server = TlsServer::builder(&pki)
        .handler(move |request, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            let response = match (request.method().as_str(), request.uri().path()) {
                ("GET", _) => {
                    let (events, response) = reply::events();
                    events.raw("event: endpoint\ndata: /messages\n\n");
                    *stream = Some(events);
                    response
                }
                (_, "/mcp") => reply::empty(405),
                _ => {
                    if let Some(events) = stream.as_ref().filter(|_| message.get("id").is_some()) {
                        events.send(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
                        let result = json!({ "protocolVersion": "2024-11-05", "capabilities": {} });
                        events.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string());
                    }
                    reply::empty(202)
                }
            };
            std::future::ready(response)
        })
        .start()
        .await;
    let settings =
        EntrySettings::new(&server.url("/mcp")).identity(&client.cert_pem, &client.key_pem).ca(&pki.server_ca_pem());
    let remote = Remote::new(&Entry::new(settings).resolve().unwrap()).unwrap();
    remote.initialize("test", "1").await.unwrap();
    for _ in 0..2 {
        let call = remote.call("tools/call", json!({ "name": "x", "arguments": {} }));
        let result = tokio::time::timeout(Duration::from_secs(5), call).await.expect("an answer in time");
        assert_eq!(result.unwrap()["protocolVersion"], "2024-11-05");
    }
}

/// The example of the README, as it stands there.
#[tokio::test]
async fn the_example_runs() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    // `cargo test` builds the examples beside the tests.
    let built = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/client");
    let mut command = Command::new(built.with_extension(std::env::consts::EXE_EXTENSION));
    command.arg(server.url()).arg(&client.cert_file).arg(&client.key_file).arg(pki.server_ca_file());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("whoami"), "{text}");
    assert_eq!(server.verified()[0], client.fingerprint);
}

#[test]
fn a_failure_in_one_line_has_one_full_stop_after_each_sentence() {
    let failure = || Failure::new(Code::ExecFailed, "It failed");
    assert_eq!(failure().fix("Run it.").to_string(), "It failed. Run it.");
    let because = |why: &str| failure().because(why).fix("Run it.").to_string();
    assert_eq!(because("It ended."), "It failed: It ended. Run it.");
    assert_eq!(because("no route to host"), "It failed: no route to host. Run it.");
}

//! Caps on what a peer may send, and what is told when one is passed.

use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

use crate::stage::{LATEST, connect, hello};

#[tokio::test]
async fn headers_beyond_the_cap_are_told_as_such() {
    let pki = Pki::new();
    for protocol in ["http/1.1", "h2"] {
        for (many, size, code) in
            [(1, 1 << 20, "message-too-large"), (1000, 1000, "message-too-large"), (100, 1000, "")]
        {
            let server = TlsServer::builder(&pki)
                .alpn(&[protocol])
                .handler(move |request, _| {
                    let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
                    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string();
                    let mut response = reply::json(200, answer);
                    for n in 0..many {
                        let name: http::HeaderName = format!("x-padding-{n}").parse().expect("a name");
                        response.headers_mut().insert(name, "x".repeat(size).parse().expect("a value"));
                    }
                    std::future::ready(response)
                })
                .start()
                .await;
            let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
            let answer = host.request("initialize", hello("2025-11-25")).await;
            let told = answer["error"]["data"]["code"].as_str().unwrap_or_default();
            assert_eq!(told, code, "{protocol}, {many} of {size}: {answer:#}");
        }
    }
}

#[tokio::test]
async fn a4_a_request_beyond_the_cap_is_answered_and_the_next_one_works() {
    let beginning = r#"{"jsonrpc":"2.0","id":"large","method":"tools/call","params":{"text":""#;
    is_answered_beyond_the_cap("large", beginning, "\"}}").await;
}

#[tokio::test]
async fn a4_a_request_beyond_the_cap_is_answered_also_when_its_id_comes_last() {
    let end = r#""},"jsonrpc":"2.0","id":"last"}"#;
    is_answered_beyond_the_cap("last", r#"{"method":"m","params":{"text":""#, end).await;
}

async fn is_answered_beyond_the_cap(id: &str, beginning: &str, end: &str) {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    host.send_bytes(beginning.as_bytes()).await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..257 {
        host.send_bytes(&piece).await;
    }
    host.send_raw(end).await;
    let answer = host.recv().await;
    assert_eq!(answer["id"], id, "{answer:#}");
    assert_eq!(answer["error"]["data"]["code"], "host-message-invalid", "{answer:#}");
    assert!(host.request("ping", json!({})).await["result"].is_object());
}

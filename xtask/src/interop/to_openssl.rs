//! Hosts that reach an `openssl s_server` which demands a client certificate, with the case as its MCP server.

use mcp_mtls_testkit::pki::Client;
use serde_json::{Value, json};

use super::openssl::SServer;
use super::{Case, Stage, end, expect_refusal, tool_text};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for tls in ["1.3", "1.2"] {
        let name = |what: &str| format!("openssl s_server, TLS {tls}: {what}");
        cases.push(Case::new(name("a session"), move |stage| Box::pin(session(stage, tls))));
        cases.push(Case::new(name("no certificate"), move |stage| Box::pin(no_certificate(stage, tls))));
        cases.push(Case::new(name("a CA that it does not know"), move |stage| Box::pin(unknown_ca(stage, tls))));
    }
    cases
}

async fn session(stage: &Stage, tls: &str) {
    let server = SServer::start(stage, tls, &stage.pki.client_ca_file()).await;
    let alice = stage.pki.client("alice");
    let args = stage.flags(&server.url(), Some(&alice));
    talk(stage, server, &args, &alice).await;
}

/// A whole session by these arguments, in which the server verifies this client.
pub(super) async fn talk(stage: &Stage, mut server: SServer, args: &[String], client: &Client) {
    let mut host = stage.connect(args.iter().map(String::as_str));
    let talk = async {
        let answer = host.initialize("2025-11-25").await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "s_server", "{answer:#}");
        assert_eq!(tool_text(&host.call("echo", json!({})).await), "by hand");
        end(host).await;
    };
    let serve = async { while !serve_one(&mut server).await.starts_with("DELETE") {} };
    // The bridge ends the session before it exits, so both come to their end.
    tokio::join!(talk, serve);
    server.expect_verified(client);
}

/// Answers one request as an MCP server would, and returns it.
async fn serve_one(server: &mut SServer) -> String {
    let request = server.next_request().await;
    let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "s_server", "version": "1"},
        }),
        Some("tools/call") => json!({"content": [{"type": "text", "text": "by hand"}]}),
        Some(_) => {
            server.answer("202 Accepted", "").await;
            return request;
        }
        None => {
            let head = if request.starts_with("DELETE") { "200 OK" } else { "405 Method Not Allowed" };
            server.answer(head, "").await;
            return request;
        }
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
    server.answer("200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: by-hand", &answer).await;
    request
}

async fn no_certificate(stage: &Stage, tls: &str) {
    let server = SServer::start(stage, tls, &stage.pki.client_ca_file()).await;
    let args = stage.flags(&server.url(), None);
    let host = stage.connect(args.iter().map(String::as_str));
    expect_refusal(host, "certificate-required", &["client certificate"]).await;
    server.expect_failure("peer did not return a certificate").await;
}

async fn unknown_ca(stage: &Stage, tls: &str) {
    // It believes the CA of the servers about clients, as happens when two files are mixed up.
    let server = SServer::start(stage, tls, &stage.pki.server_ca_file()).await;
    let args = stage.flags(&server.url(), Some(&stage.pki.client("alice")));
    let host = stage.connect(args.iter().map(String::as_str));
    let told = expect_refusal(host, "certificate-refused", &["refused", "certificate"]).await;
    assert_eq!(told["evidence"]["alert"], "unknown_ca", "{told:#}");
    server.expect_failure("verify error").await;
}

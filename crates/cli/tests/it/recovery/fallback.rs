//! B12: which refusals of `initialize` mean a server of HTTP+SSE (2024-11-05), and what is told when it is none.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{Endpoint, HttpSse, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::json;

use super::{INITIALIZE, INITIALIZED, Seen as _, begin, bridged, call, parsed, scripted_server, told};
use crate::stage::{connect, host, towards};

#[tokio::test]
async fn b12_what_old_servers_say_to_initialize_falls_back() {
    let legacy = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: no session id"},"id":null}"#;
    let unknown = r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":null}"#;
    for post in [
        (400, "Bad Request"),
        (404, "<html><title>Not Found</title></html>"),
        (405, "Method Not Allowed"),
        (405, ""),
        (404, r#"{"detail":"Not Found"}"#),
        (400, legacy),
        (404, legacy),
        (405, legacy),
        (400, unknown),
    ] {
        let mut bridged = bridged(old(HttpSse { post, ..HttpSse::default() })).await;
        let line = bridged.ask(&call(7, "whoami")).await;
        assert_eq!(Some(&line), bridged.server.sent().last(), "{post:?}");
        assert!(parsed(&line)["id"] == 7 && line.contains(&bridged.certificate), "{line}");
        // Whatever the answer of the POST, its connection and that of the stream have the certificate; see `over`.
        let words = ["initialize -", "GET -", "initialize 1", "notifications/initialized 1", "tools/call 1"];
        assert_eq!(told(&bridged.server.seen()), words, "{post:?}");
        assert_eq!(bridged.server.received(), [INITIALIZE, INITIALIZED, &call(7, "whoami")]);
        bridged.over().await;
    }
}

#[tokio::test]
async fn b12_other_refusals_are_told_and_nothing_else_is_asked() {
    let error = |code: i32| format!(r#"{{"jsonrpc":"2.0", "error":{{"code":{code},"message":"no"}},"id":null}}"#);
    let words = |text: &str| text.to_owned();
    let page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
    for (status, body, code) in [
        (401, words("who are you?"), Some("http-unauthorized")),
        (403, words("not you"), Some("http-forbidden")),
        (500, words("oh"), Some("http-server-error")),
        (503, words("later"), Some("http-server-error")),
        (400, error(-32020), None),
        (400, error(-32021), None),
        (400, error(-32022), None),
        (404, error(-32601), None),
        (400, words(page), Some("certificate-refused")),
        (400, words("<title>400 The SSL certificate error</title>"), Some("certificate-refused")),
    ] {
        let pki = Pki::new();
        let client = pki.client("alice");
        let answer = body.clone();
        let server = scripted_server(&pki, move |asked| {
            let json = answer.starts_with('{');
            let refusal =
                || if json { reply::json(status, answer.clone()) } else { reply::text(status, answer.clone()) };
            (asked.http == "POST").then(refusal)
        })
        .await;
        let mut host = connect(&pki, &server.url("/mcp"), &client);
        host.send_raw(INITIALIZE).await;
        let line = host.recv_raw().await;
        match code {
            Some(code) => assert_eq!(parsed(&line)["error"]["data"]["code"], code, "{status} {line}"),
            None => assert_eq!(line, body.replace("null", r#""\u00691""#)),
        }
        host.close_stdin();
        host.wait_exit(Duration::from_secs(10)).await;
        assert_eq!(told(&server.requests()), ["initialize -"], "{status} {body}");
    }
}

#[tokio::test]
async fn b12_when_the_fallback_fails_the_refusal_of_the_post_is_told_in_time() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let elsewhere = TlsServer::builder(&pki).start().await;
    let other = elsewhere.url("{path}");
    for endpoint in [
        Endpoint::Text(other.clone()),
        Endpoint::Text("//elsewhere.example{path}".to_owned()),
        Endpoint::Text("https://[nonsense".to_owned()),
        Endpoint::Never,
    ] {
        let options = old(HttpSse { endpoint: endpoint.clone(), post: (405, "not this way") });
        let server = McpServer::with(&pki, options).await;
        let began = Instant::now();
        let mut host = towards(&pki, &server.url(), &client).args(["--timeout", "1500"]).spawn();
        host.send_raw(INITIALIZE).await;
        let answer = host.recv().await;
        assert_eq!(answer["error"]["data"]["evidence"]["status"], 405, "{endpoint:?}: {answer}");
        assert!(answer["error"]["data"]["why"].to_string().contains("not this way"), "{answer}");
        assert!(began.elapsed() < Duration::from_millis(1500), "{endpoint:?}: {:?}", began.elapsed());
        assert_eq!(told(&server.requests()), ["initialize -", "GET -"], "{endpoint:?}");
        assert_eq!(server.received(), Vec::<String>::new(), "nothing is POSTed where messages go");
    }
    assert_eq!(elsewhere.connections().len(), 0, "nothing goes to the other origin");
}

#[tokio::test]
async fn b12_a_server_of_neither_transport_is_told_by_its_first_words() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for get in [404, 405, 500, 200, 201] {
        let server = scripted_server(&pki, move |asked| {
            Some(match (asked.http.as_str(), get) {
                ("GET", 200) => reply::json(200, "{}"),
                // A stream that ends before it says where messages go.
                ("GET", 201) => reply::events().1,
                ("GET", status) => reply::text(status, "no stream"),
                _ => reply::text(404, "no such page"),
            })
        })
        .await;
        let mut host = connect(&pki, &server.url("/mcp"), &client);
        host.send_raw(INITIALIZE).await;
        let answer = host.recv().await;
        assert_eq!(answer["error"]["data"]["evidence"]["status"], 404, "{get}: {answer}");
        assert!(answer["error"]["data"]["why"].to_string().contains("no such page"), "{get}: {answer}");
        assert_eq!(told(&server.requests()), ["initialize -", "GET -"]);
    }
}

#[tokio::test]
async fn b12_an_entry_of_type_sse_is_never_asked_the_new_way() {
    let pki = Pki::new();
    let server = McpServer::with(&pki, old(HttpSse::default())).await;
    let client = pki.client("alice");
    let text = json!({ "mcp": { "corp": {
        "url": server.url(),
        "type": "sse",
        "tls": { "cert": client.cert_file, "key": client.key_file, "ca": pki.server_ca_file() },
    } } });
    let config = pki.write("config.jsonc", text.to_string().as_bytes());
    let mut host = host([std::path::Path::new("corp"), std::path::Path::new("--config"), &config]).spawn();
    // A probe of the modern revision, and what comes before its time, are answered here.
    let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
    host.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{meta}}}"#)).await;
    super::ours(&host.recv_raw().await, 1, "method-unsupported");
    host.send_raw(r#"{"jsonrpc":"2.0","id":2,"method":"server/discover"}"#).await;
    super::ours(&host.recv_raw().await, 2, "method-unsupported");
    host.send_raw(&call(3, "echo")).await;
    super::ours(&host.recv_raw().await, 3, "host-message-invalid");
    assert_eq!(told(&server.requests()), Vec::<String>::new());
    begin(&mut host).await;
    host.send_raw(&call(7, "whoami")).await;
    assert!(host.recv_raw().await.contains(&client.fingerprint));
    let first = ["GET -", "initialize 1", "notifications/initialized 1", "tools/call 1"];
    assert_eq!(told(&server.requests()), first);
    // Nor when the stream has to be opened anew.
    server.end_streams();
    server.wait_for_session("the second session", |session| session.id.ends_with('2') && session.initialized).await;
    let second = ["GET -", "initialize 2", "notifications/initialized 2"];
    assert_eq!(told(&server.requests())[4..], second);
    assert!(server.requests().iter().all(|request| request.fingerprint.as_ref() == Some(&client.fingerprint)));
}

#[tokio::test]
async fn b12_an_entry_of_type_sse_is_told_what_its_stream_lacks() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let elsewhere = TlsServer::builder(&pki).start().await;
    for (endpoint, code) in
        [(Endpoint::Never, "timed-out"), (Endpoint::Text(elsewhere.url("{path}")), "redirect-refused")]
    {
        let options = old(HttpSse { endpoint, post: (405, "not this way") });
        let server = McpServer::with(&pki, options).await;
        let text = json!({ "mcp": { "corp": {
            "url": server.url(),
            "type": "sse",
            "timeout": 1500,
            "tls": { "cert": client.cert_file, "key": client.key_file, "ca": pki.server_ca_file() },
        } } });
        let config = pki.write("config.jsonc", text.to_string().as_bytes());
        let mut host = host([std::path::Path::new("corp"), std::path::Path::new("--config"), &config]).spawn();
        host.send_raw(INITIALIZE).await;
        let answer = host.recv().await;
        assert_eq!(answer["error"]["data"]["code"], code, "{answer}");
        assert_eq!(told(&server.requests()), ["GET -"]);
    }
    assert_eq!(elsewhere.connections().len(), 0, "nothing goes to the other origin");
}

/// A server of HTTP+SSE.
pub(super) fn old(http_sse: HttpSse) -> McpOptions {
    McpOptions { http_sse: Some(http_sse), ..McpOptions::default() }
}

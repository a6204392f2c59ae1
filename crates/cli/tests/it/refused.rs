//! What a host is told when TLS fails: on whose side, with the evidence, and what to do.

use mcp_mtls_testkit::pki::{Client, Pki};
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{ClientAuth, RawServer, ServerBuilder, TlsServer};
use serde_json::Value;

use crate::stage::{anonymous, connect, refusal};

/// Each of the ways a server may be set up in which a refusal looks different.
fn variants(pki: &Pki) -> [ServerBuilder; 4] {
    [
        TlsServer::builder(pki).tls13_only().alpn(&["http/1.1"]),
        TlsServer::builder(pki).tls13_only().alpn(&["h2"]),
        TlsServer::builder(pki).tls12_only().alpn(&["http/1.1"]),
        TlsServer::builder(pki).tls12_only().alpn(&["h2"]),
    ]
}

async fn served(builder: ServerBuilder) -> TlsServer {
    builder.handler(async |_, _| reply::text(200, "unreachable")).start().await
}

/// The error for this client, at a server of each variant; the code must be the same at all.
async fn refusals(pki: &Pki, client: Option<&Client>, code: &str) -> Value {
    let mut last = Value::Null;
    for builder in variants(pki) {
        let server = served(builder).await;
        // A refusal races with the request; one try would prove little.
        for _ in 0..TRIES {
            let url = server.url("/mcp");
            let mut host = client.map_or_else(|| anonymous(pki, &url), |client| connect(pki, &url, client));
            last = refusal(&mut host).await;
            assert_eq!(last["data"]["code"], code, "{last:#}");
        }
        assert_eq!(server.verified(), Vec::<String>::new());
        assert_eq!(server.requests().len(), 0, "no request reaches a server that refuses");
        server.stop().await;
    }
    last
}

fn why(error: &Value) -> String {
    let lines = error["data"]["why"].as_array().into_iter().flatten();
    lines.map(|line| line.as_str().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn without_a_certificate() {
    let pki = Pki::new();
    let error = refusals(&pki, None, "certificate-required").await;
    assert!(
        error["message"].as_str().is_some_and(|m| m.contains("requires a client certificate. Set `cert` and `key`")),
        "{error:#}"
    );
    assert!(why(&error).contains("The server accepts certificates of"), "{error:#}");
}

#[tokio::test]
async fn with_a_certificate_of_a_stranger() {
    let pki = Pki::new();
    let stranger = pki.stranger_client();
    let error = refusals(&pki, Some(&stranger), "certificate-refused").await;
    assert!(why(&error).contains("the issuer of ours is not among them"), "{error:#}");
    assert_eq!(error["data"]["evidence"]["certificate"], stranger.fingerprint);
    assert_eq!(error["data"]["evidence"]["alert"], "unknown_ca");
}

#[tokio::test]
async fn with_an_expired_certificate() {
    let pki = Pki::new();
    let error = refusals(&pki, Some(&pki.expired_client()), "certificate-expired").await;
    assert!(
        error["message"].as_str().is_some_and(|m| m.starts_with("Your client certificate expired on 20")),
        "{error:#}"
    );
}

#[tokio::test]
async fn with_a_certificate_for_another_purpose() {
    let pki = Pki::new();
    let error = refusals(&pki, Some(&pki.server_auth_only_client()), "certificate-refused").await;
    assert!(why(&error).contains("for serverAuth only"), "{error:#}");
}

#[tokio::test]
async fn the_servers_own_certificate() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for (identity, code) in [
        (pki.expired_server_identity(), "server-certificate-expired"),
        (pki.not_yet_valid_server_identity(), "server-certificate-not-yet-valid"),
        (pki.server_identity_for("other.example"), "server-name-mismatch"),
        (pki.stranger_server_identity(), "server-issuer-unknown"),
        (pki.self_signed_server_identity(), "server-issuer-unknown"),
        (pki.client_auth_only_server_identity(), "server-certificate-invalid"),
    ] {
        for builder in [TlsServer::builder(&pki).tls12_only(), TlsServer::builder(&pki).tls13_only()] {
            let server = served(builder.identity(&identity)).await;
            let error = refusal(&mut connect(&pki, &server.url("/mcp"), &client)).await;
            assert_eq!(error["data"]["code"], code, "{error:#}");
            assert_eq!(error["data"]["evidence"]["server_certificate"], identity.fingerprint, "{error:#}");
            assert_eq!(server.verified(), Vec::<String>::new(), "nothing is shown to a server that is not trusted");
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_without_a_word() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = RawServer::start(&pki, async |stream, _| drop(stream)).await;
    let error = refusal(&mut connect(&pki, &server.url("/mcp"), &client)).await;
    assert_eq!(error["data"]["code"], "certificate-refused", "{error:#}");
    assert!(why(&error).contains("likely"), "{error:#}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls() {
    let pki = Pki::new();
    let server = RawServer::start_plain(async |mut stream, _| {
        use tokio::io::AsyncWriteExt as _;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let url = format!("https://localhost:{}/mcp", server.addr().port());
    let error = refusal(&mut connect(&pki, &url, &pki.client("alice"))).await;
    assert_eq!(error["data"]["code"], "not-tls", "{error:#}");
    server.stop().await;
}

#[tokio::test]
async fn the_words_of_nginx() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for (page, client, code) in [
        ("400 No required SSL certificate was sent", None, "certificate-required"),
        ("400 The SSL certificate error", Some(&client), "certificate-refused"),
    ] {
        let body = format!("<html>\r\n<head><title>{page}</title></head>\r\n<body></body></html>");
        let builder = TlsServer::builder(&pki).client_auth(ClientAuth::Requested);
        let server = builder.handler(move |_, _| std::future::ready(reply::text(400, body.clone()))).start().await;
        let url = server.url("/mcp");
        let mut host = client.map_or_else(|| anonymous(&pki, &url), |client| connect(&pki, &url, client));
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], code, "{error:#}");
        assert!(why(&error).contains(page), "{error:#}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_never_asked_and_forbids() {
    let pki = Pki::new();
    let builder = TlsServer::builder(&pki).client_auth(ClientAuth::None);
    let server = builder.handler(async |_, _| reply::text(403, "no certificate")).start().await;
    let error = refusal(&mut connect(&pki, &server.url("/mcp"), &pki.client("alice"))).await;
    assert_eq!(error["data"]["code"], "http-status");
    assert!(why(&error).contains("did not ask for the client certificate"), "{error:#}");
    server.stop().await;
}

#[tokio::test]
async fn an_address_where_nobody_listens() {
    let pki = Pki::new();
    let server = served(TlsServer::builder(&pki)).await;
    let url = server.url("/mcp");
    server.stop().await;
    let error = refusal(&mut connect(&pki, &url, &pki.client("alice"))).await;
    assert_eq!(error["data"]["code"], "connect-failed", "{error:#}");
    assert!(
        error["message"].as_str().is_some_and(|message| message.contains("refuses connections. Check")),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let pki = Pki::new();
    let error = refusal(&mut connect(&pki, "https://surely-not-there.invalid/mcp", &pki.client("alice"))).await;
    assert_eq!(error["data"]["code"], "name-unresolved", "{error:#}");
}

/// How often a refusal that races with the request is tried.
const TRIES: usize = 4;

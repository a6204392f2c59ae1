//! What a host is told when TLS fails: on whose side, with the evidence, and what to do.

use mcp_mtls_testkit::pki::{Client, Pki};
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{ClientAuth, RawServer, ServerBuilder, TlsServer};
use serde_json::Value;

use crate::stage::{anonymous, connect, host, refusal, towards};

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
    let error = refusals(&pki, Some(&pki.server_auth_only_client()), "certificate-not-for-clients").await;
    assert!(why(&error).contains("for serverAuth only"), "{error:#}");
}

#[tokio::test]
async fn with_a_certificate_that_is_not_valid_yet() {
    let pki = Pki::new();
    let error = refusals(&pki, Some(&pki.not_yet_valid_client()), "certificate-not-yet-valid").await;
    assert!(error["message"].as_str().is_some_and(|m| m.contains("Check this machine's clock")), "{error:#}");
}

#[tokio::test]
async fn without_the_intermediate_between_the_certificate_and_an_accepted_ca() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate().leaf_only();
    let error = refusals(&pki, Some(&client), "certificate-chain-incomplete").await;
    let evidence = &error["data"]["evidence"];
    assert_eq!(evidence["issuer_accepted"], false, "{error:#}");
    assert!(evidence["accepted_cas"][0].as_str().is_some_and(|name| name.contains("Testkit Client CA")), "{error:#}");
    let fix = error["data"]["fix"][0].as_str().unwrap_or_default();
    assert!(fix.contains("Append") && fix.contains("Testkit Client Intermediate"), "{error:#}");
    // With `ca` that holds the link it is proved.
    let whole = pki.client_of_intermediate();
    let link = whole.cert_pem.replace(&whole.leaf_only().cert_pem, "");
    let authorities = pki.write("authorities.pem", pki.server_ca_pem() + &link);
    let server = served(TlsServer::builder(&pki)).await;
    let leaf = whole.leaf_only();
    let mut host = host([server.url("/mcp").as_ref(), "--ca".as_ref(), authorities.as_os_str()])
        .args(["--cert".as_ref(), leaf.cert_file.as_os_str(), "--key".as_ref(), leaf.key_file.as_os_str()])
        .spawn();
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "certificate-chain-incomplete", "{error:#}");
    assert!(why(&error).contains("authorities.pem) holds that issuer"), "{error:#}");
    // And with the whole chain nobody is refused.
    let mut host = connect(&pki, &server.url("/mcp"), &whole);
    assert_eq!(refusal(&mut host).await["data"]["code"], "not-mcp");
    assert_eq!(server.verified().len(), 1);
}

#[tokio::test]
async fn every_refusal_names_the_setting_the_server_and_what_it_accepts() {
    let pki = Pki::new();
    let server = served(TlsServer::builder(&pki).tls13_only()).await;
    let client = pki.stranger_client();
    let error = refusal(&mut connect(&pki, &server.url("/mcp"), &client)).await;
    let data = &error["data"];
    let place = data["where"].to_string();
    for part in ["stranger.pem", "--cert on the command line", &server.addr().to_string()] {
        assert!(place.contains(part), "{part}: {error:#}");
    }
    let evidence = &data["evidence"];
    assert_eq!((&evidence["tls_version"], &evidence["issuer_accepted"]), (&"TLS 1.3".into(), &false.into()));
    assert_eq!(evidence["address"], server.addr().to_string());
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
        (pki.self_signed_server_identity(), "server-self-signed"),
        (pki.server_identity_of_intermediate().leaf_only(), "server-chain-incomplete"),
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
        ("495 SSL Certificate Error", Some(&client), "certificate-refused"),
    ] {
        let status = page[..3].parse().expect("a status");
        let body = format!("<html>\r\n<head><title>{page}</title></head>\r\n<body></body></html>");
        let builder = TlsServer::builder(&pki).client_auth(ClientAuth::Requested);
        let server = builder.handler(move |_, _| std::future::ready(reply::text(status, body.clone()))).start().await;
        let url = server.url("/mcp");
        let mut host = client.map_or_else(|| anonymous(&pki, &url), |client| connect(&pki, &url, client));
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], code, "{error:#}");
        assert!(why(&error).contains(page) && why(&error).contains("likely"), "{error:#}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_never_asked_and_forbids() {
    let pki = Pki::new();
    let builder = TlsServer::builder(&pki).client_auth(ClientAuth::None);
    let server = builder.handler(async |_, _| reply::text(403, "no certificate")).start().await;
    let error = refusal(&mut connect(&pki, &server.url("/mcp"), &pki.client("alice"))).await;
    assert_eq!(error["data"]["code"], "certificate-not-asked");
    assert_eq!(error["data"]["side"], "theirs");
    assert!(why(&error).contains("needs post-handshake authentication over TLS 1.3"), "{error:#}");
    assert!(why(&error).contains("\u{201c}no certificate\u{201d}"), "{error:#}");
    server.stop().await;
}

#[tokio::test]
async fn a_401_is_about_the_token_where_one_was_sent_or_asked_for() {
    let pki = Pki::new();
    for (challenge, token, code) in [
        (None, None, "certificate-not-asked"),
        (Some("Bearer"), None, "http-unauthorized"),
        (None, Some("Authorization: Bearer {env:TOKEN}"), "http-unauthorized"),
    ] {
        let answer = move |_, _| {
            let mut response = reply::text(401, "no");
            if let Some(challenge) = challenge {
                response.headers_mut().insert("www-authenticate", http::HeaderValue::from_static(challenge));
            }
            std::future::ready(response)
        };
        let server = TlsServer::builder(&pki).client_auth(ClientAuth::None).handler(answer).start().await;
        let host = towards(&pki, &server.url("/mcp"), &pki.client("alice")).env("TOKEN", "hunter2");
        let host = token.into_iter().fold(host, |host, token| host.args(["-H", token]));
        let error = refusal(&mut host.spawn()).await;
        assert_eq!(error["data"]["code"], code, "{error:#}");
        assert!(error["data"]["fix"].to_string().contains("on the whole host and port"), "{error:#}");
        server.stop().await;
    }
}

#[tokio::test]
async fn what_an_http_status_means() {
    let pki = Pki::new();
    for (status, code, side, words) in [
        (401, "http-unauthorized", "ours", "Bearer {env:TOKEN}"),
        (403, "http-forbidden", "theirs", "grant access to \u{201c}O=Testkit, CN=alice\u{201d}"),
        (404, "http-not-found", "ours", "the path of the URL"),
        (405, "http-not-found", "ours", "the path of the URL"),
        (410, "http-not-found", "ours", "the path of the URL"),
        (421, "http-misdirected", "ours", "the host of the URL"),
        (500, "http-server-error", "theirs", "the server's log"),
        (503, "http-server-error", "theirs", "Try again later"),
        (429, "http-status", "theirs", "Call again later"),
    ] {
        let answer = move |_, _| std::future::ready(reply::text(status, "words \u{1b}[31mof the proxy"));
        let server = TlsServer::builder(&pki).handler(answer).start().await;
        let error = refusal(&mut connect(&pki, &server.url("/mcp?token=hunter2"), &pki.client("alice"))).await;
        let data = &error["data"];
        assert_eq!((&data["code"], &data["side"]), (&code.into(), &side.into()), "{error:#}");
        assert_eq!(data["evidence"]["status"], status);
        assert!(data["fix"].to_string().contains(words), "{words}: {error:#}");
        assert!(data["where"].to_string().contains(&format!("POST {}", server.url("/mcp"))), "{error:#}");
        assert!(why(&error).contains("\u{201c}words [31mof the proxy\u{201d}"), "{error:#}");
        assert!(!error.to_string().contains("hunter2"), "{error:#}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_told_by_the_name_of_its_header() {
    let pki = Pki::new();
    let answer = |_, _| {
        let mut response = reply::text(401, "expired");
        let challenge = "Bearer resource_metadata=\"https://corp.example/.well-known/x\"";
        response.headers_mut().insert("www-authenticate", http::HeaderValue::from_static(challenge));
        std::future::ready(response)
    };
    let server = TlsServer::builder(&pki).handler(answer).start().await;
    let mut host = towards(&pki, &server.url("/mcp"), &pki.client("alice"))
        .args(["-H", "Authorization: Bearer {env:TOKEN}"])
        .env("TOKEN", "hunter2-hunter2")
        .spawn();
    let error = refusal(&mut host).await;
    let data = &error["data"];
    assert_eq!(data["code"], "http-unauthorized", "{error:#}");
    assert!(
        error["message"].as_str().is_some_and(|m| m.contains("the credentials in the header Authorization")),
        "{error:#}"
    );
    assert!(data["where"].to_string().contains("-H Authorization on the command line"), "{error:#}");
    assert!(why(&error).contains("Likely that is OAuth. There is no login"), "{error:#}");
    assert!(!error.to_string().contains("hunter2"), "{error:#}");
    server.stop().await;
}

#[tokio::test]
async fn another_server_name_than_the_host_is_the_likely_cause_of_a_misdirected_request() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).handler(|_, _| std::future::ready(reply::text(421, "no"))).start().await;
    let url = server.url("/mcp").replace("localhost", "127.0.0.1");
    let mut host = towards(&pki, &url, &pki.client("alice")).args(["--server-name", "localhost"]).spawn();
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "http-misdirected", "{error:#}");
    assert!(error["data"]["where"].to_string().contains("--server-name on the command line"), "{error:#}");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("Remove `serverName`")), "{error:#}");
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

//! Servers that are well: what is known of them, over every version, protocol, era and way.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{Answers, Era, HttpSse, McpOptions, McpServer, Pages, ToolList};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::proxy::{ConnectProxy, Socks5Proxy};
use mcp_mtls_testkit::server::TlsServer;

use super::{config, doctor, entry, flags, towards};

#[tokio::test]
async fn the_certificate_that_the_server_verified_is_the_one_that_is_told() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for (protocols, version, http) in [
        (&["h2", "http/1.1"][..], "TLS 1.3", "HTTP/2"),
        (&["http/1.1"], "TLS 1.2", "HTTP/1.1"),
        (&["h2"], "TLS 1.2", "HTTP/2"),
    ] {
        let builder = TlsServer::builder(&pki).alpn(protocols);
        let builder = if version == "TLS 1.2" { builder.tls12_only() } else { builder.tls13_only() };
        let server = McpServer::on(builder, McpOptions::default()).await;
        let found = towards(&pki, &server.url(), &client).examined().await;
        found.is_well();
        assert_eq!(server.verified(), [client.fingerprint.as_str()], "one connection is enough");
        assert_eq!(found.fact("identity", "certificate")["sha256"], client.fingerprint);
        assert_eq!(found.fact("identity", "place"), &*client.cert_file.to_string_lossy());
        assert_eq!(found.fact("tls", "version"), version);
        let seen = &server.server().connections()[0];
        assert_eq!(found.fact("tls", "keyExchange").as_str(), seen.key_exchange.as_deref());
        assert_eq!(found.fact("tls", "alpn").as_str(), seen.alpn.as_deref());
        assert!(found.fact("tls", "cipherSuite").as_str().is_some_and(|suite| suite.starts_with("TLS")));
        assert_eq!(found.fact("tls", "certificateAsked"), true);
        assert_eq!(found.fact("tls", "certificatePresented"), true);
        assert_eq!(found.fact("tls", "certificateAccepted"), true);
        assert_eq!(found.fact("tls", "issuerAmongAcceptable"), true);
        assert_eq!(found.fact("tls", "acceptableCas")[0], "O=Testkit, CN=Testkit Client CA");
        assert_eq!(found.fact("http", "version"), http);
        assert_eq!(found.fact("http", "status"), 200);
        assert_eq!(found.fact("connection", "address"), &server.server().addr().to_string());
    }
}

#[tokio::test]
async fn a_healthy_server_is_examined_in_well_under_two_seconds() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let began = Instant::now();
    towards(&pki, &server.url(), &pki.client("alice")).examined().await.is_well();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_legacy_server_is_asked_to_initialize_and_its_session_is_ended() {
    let pki = Pki::new();
    for answers in [Answers::Json, Answers::Sse] {
        let options = McpOptions { answers, initialize: answers, ..McpOptions::default() };
        let server = McpServer::with(&pki, options).await;
        let found = towards(&pki, &server.url(), &pki.client("alice")).examined().await;
        found.is_well();
        assert_eq!(found.fact("mcp", "era"), "legacy");
        assert_eq!(found.fact("mcp", "revision"), "2025-11-25");
        assert_eq!(found.fact("mcp", "transport"), "streamable-http");
        assert_eq!(found.fact("mcp", "server")["name"], "testkit");
        assert_eq!(found.fact("mcp", "tools")["count"], 6);
        assert_eq!(server.initializes(), 1);
        assert_eq!(server.received_of("notifications/initialized").len(), 1);
        assert_eq!(server.ended_sessions().len(), 1, "no session stays behind");
    }
}

#[tokio::test]
async fn a_stateless_server_is_asked_to_discover_and_its_tools_are_counted_over_all_pages() {
    let pki = Pki::new();
    for (pages, more) in [(Pages::One, false), (Pages::Of(2), false), (Pages::Endless, true)] {
        let options =
            McpOptions { era: Era::Modern, tools: ToolList { pages, invalid: false }, ..McpOptions::default() };
        let server = McpServer::with(&pki, options).await;
        let found = towards(&pki, &server.url(), &pki.client("alice")).examined().await;
        found.is_well();
        assert_eq!(found.fact("mcp", "era"), "modern");
        assert_eq!(found.fact("mcp", "revision"), "2026-07-28");
        assert_eq!(found.fact("mcp", "server")["name"], "testkit");
        assert_eq!(found.fact("mcp", "tools")["more"], more);
        if !more {
            assert_eq!(found.fact("mcp", "tools")["count"], 9);
        }
        assert_eq!(server.initializes(), 0);
    }
}

#[tokio::test]
async fn a_server_of_http_sse_is_recognised_and_named() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let options = || McpOptions { http_sse: Some(HttpSse::default()), session: false, ..McpOptions::default() };
    let server = McpServer::with(&pki, options()).await;
    let found = towards(&pki, &server.url(), &client).examined().await;
    found.is_well();
    assert_eq!(found.fact("mcp", "transport"), "http-sse");

    let server = McpServer::with(&pki, options()).await;
    let written = entry(&pki, "corp", &server.url(), &client).replace("\"url\"", "\"type\": \"sse\", \"url\"");
    let file = config(&pki, &written);
    let found = doctor(&pki, ["corp".as_ref(), "--config".as_ref(), file.as_os_str()]).examined().await;
    found.is_well();
    assert_eq!(found.fact("configuration", "transport"), "http-sse");
    assert_eq!(found.fact("mcp", "transport"), "http-sse");
    assert_eq!(server.received_of("server/discover").len(), 0);
}

#[tokio::test]
async fn the_proxy_is_a_step_of_its_own() {
    let pki = Pki::new();
    let name = "mcp.corp.test";
    let identity = pki.server_identity_for(name);
    let server = McpServer::on(TlsServer::builder(&pki).identity(&identity), McpOptions::default()).await;
    let client = pki.client("alice");
    let url = format!("https://{name}:7443/mcp");
    let route = format!("{name}:7443");
    let proxy =
        ConnectProxy::options().route(&route, server.server().addr()).credentials("me", "hunter2").start().await;
    let found = towards(&pki, &url, &client).env("HTTPS_PROXY", proxy.url_with("me", "hunter2")).examined().await;
    found.is_well();
    assert_eq!(found.step("proxy")["state"], "ok");
    assert_eq!(found.fact("proxy", "proxy"), proxy.url().trim_end_matches('/'));
    assert_eq!(found.fact("configuration", "proxy")["origin"], "the environment variable HTTPS_PROXY");
    assert_eq!(found.fact("connection", "address"), &proxy.addr().to_string());
    assert!(!found.answer.to_string().contains("hunter2"));

    let socks = Socks5Proxy::options().route(&route, server.server().addr()).start().await;
    let found = towards(&pki, &url, &client).args(["--proxy", &socks.url("socks5h")]).examined().await;
    found.is_well();
    assert_eq!(server.verified(), [client.fingerprint.as_str(), client.fingerprint.as_str()]);

    // A proxy that is not for this host is told as one that is not used.
    let found = towards(&pki, &url, &client).env("HTTPS_PROXY", proxy.url()).env("NO_PROXY", name).examined().await;
    assert_eq!(found.broken_at("name")["code"], "name-unresolved");
    assert_eq!(found.fact("configuration", "proxy")["excepted"], true);
}

#[tokio::test]
async fn plain_http_on_loopback_does_without_identity_trust_and_tls() {
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).plain(), McpOptions::default()).await;
    let found = doctor(&pki, [server.url()]).examined().await;
    found.is_well();
    for step in ["identity", "trust", "name", "proxy", "tls"] {
        assert_eq!(found.step(step)["state"], "not-used", "{step}");
    }
    assert_eq!(found.fact("http", "version"), "HTTP/1.1");
}

#[tokio::test]
async fn every_setting_is_told_with_its_origin() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let file = config(&pki, &entry(&pki, "corp", &server.url(), &alice));
    let arguments = ["corp".as_ref(), "--config".as_ref(), file.as_os_str(), "-H".as_ref(), "X-Team: red".as_ref()];
    let found = doctor(&pki, arguments).args(&flags(&pki, "", &bob)[3..]).examined().await;
    found.is_well();
    assert_eq!(found.entry()["name"], "corp");
    assert_eq!(found.entry()["url"], server.url());
    let settings = found.fact("configuration", "settings").as_array().unwrap();
    let origin = |name: &str| {
        let setting = settings.iter().find(|setting| setting["setting"] == name).unwrap();
        setting["origin"].as_str().unwrap().to_owned()
    };
    let file = file.display();
    assert_eq!(origin("url"), format!("{file}:2, mcp.corp.url"));
    assert_eq!(origin("tls.ca"), format!("{file}:2, mcp.corp.tls.ca"));
    assert_eq!(origin("tls.cert"), "--cert on the command line");
    assert_eq!(origin("headers.X-Team"), "-H X-Team on the command line");
    assert_eq!(server.verified(), [bob.fingerprint.as_str()], "the flag is what counts");
}

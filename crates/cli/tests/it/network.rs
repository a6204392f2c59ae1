//! The way to the server: proxies, redirects, and plain HTTP on loopback.

use std::path::Path;
use std::time::{Duration, Instant};

use mcp_mtls_testkit::host::HostBuilder;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::proxy::{ConnectProxy, Socks5Proxy};
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{RawServer, TlsServer};
use serde_json::{Value, json};

use crate::stage::{LATEST, connect, hello, host, refusal, whoami};

/// A server whose name only the proxies know, so that a connection around them fails.
const NAME: &str = "mcp.corp.test";

struct Corp {
    pki: Pki,
    server: McpServer,
    fingerprint: String,
    arguments: Vec<std::ffi::OsString>,
}

async fn corp() -> Corp {
    let pki = Pki::new();
    let identity = pki.server_identity_for(NAME);
    let server = McpServer::on(TlsServer::builder(&pki).identity(&identity), McpOptions::default()).await;
    let client = pki.client("alice");
    let arguments = [
        format!("https://{NAME}:7443/mcp").into(),
        "--cert".into(),
        client.cert_file.clone().into(),
        "--key".into(),
        client.key_file.clone().into(),
        "--ca".into(),
        Path::new(&pki.server_ca_file()).as_os_str().to_owned(),
    ];
    Corp { server, fingerprint: client.fingerprint, arguments: arguments.into(), pki }
}

impl Corp {
    fn host(&self) -> HostBuilder {
        host(&self.arguments)
    }

    async fn works(&self, host: HostBuilder) {
        let mut host = host.spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, self.fingerprint);
    }

    fn route(&self) -> (String, std::net::SocketAddr) {
        (format!("{NAME}:7443"), self.server.server().addr())
    }
}

#[tokio::test]
async fn through_an_http_proxy_named_by_each_setting() {
    let corp = corp().await;
    let (name, address) = corp.route();
    let proxy = ConnectProxy::options().route(&name, address).start().await;
    corp.works(corp.host().args(["--proxy", &proxy.url()])).await;
    corp.works(corp.host().env("HTTPS_PROXY", proxy.url())).await;
    corp.works(corp.host().env("https_proxy", proxy.url())).await;
    corp.works(corp.host().env("ALL_PROXY", proxy.url().trim_start_matches("http://"))).await;
    assert!(
        proxy.targets().len() >= 4 && proxy.targets().iter().all(|target| *target == name),
        "{:?}",
        proxy.targets()
    );
}

#[tokio::test]
async fn around_the_proxy_when_no_proxy_says_so() {
    let corp = corp().await;
    let (name, address) = corp.route();
    let proxy = ConnectProxy::options().route(&name, address).start().await;
    for except in ["mcp.corp.test", ".corp.test", "other.example, corp.test", "*"] {
        let mut host = corp.host().env("HTTPS_PROXY", proxy.url()).env("NO_PROXY", except).spawn();
        assert_eq!(refusal(&mut host).await["data"]["code"], "name-unresolved", "{except}");
    }
    // What does not match, and a proxy of the entry itself, goes through.
    corp.works(corp.host().env("HTTPS_PROXY", proxy.url()).env("NO_PROXY", "otherp.corp.test,10.0.0.0/8")).await;
    corp.works(corp.host().args(["--proxy", &proxy.url()]).env("NO_PROXY", "*")).await;
    // A server on loopback needs no exception.
    let local = McpServer::start(&corp.pki).await;
    let mut direct = host([local.url()]).args(&corp.arguments[1..]).env("HTTPS_PROXY", "http://127.0.0.1:9").spawn();
    direct.initialize(LATEST).await;
}

#[tokio::test]
async fn credentials_of_a_proxy_are_sent_and_never_told() {
    let corp = corp().await;
    let (name, address) = corp.route();
    let proxy = ConnectProxy::options().credentials("me", "p@ss:word").route(&name, address).start().await;
    corp.works(corp.host().env("HTTPS_PROXY", proxy.url_with("me", "p@ss:word"))).await;
    let wrong = "wr0ng-secret";
    let mut host = corp.host().env("HTTPS_PROXY", proxy.url_with("me", wrong)).spawn();
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "proxy-unauthorized", "{error:#}");
    assert!(error["data"]["why"].to_string().contains("407"), "{error:#}");
    assert!(error["data"]["fix"][0].as_str().is_some_and(|fix| fix.contains("Correct the user name")), "{error:#}");
    assert!(!error.to_string().contains(wrong));
    host.close_stdin();
    assert!(!host.drained_stderr().await.contains(wrong));
    let error = refusal(&mut corp.host().env("HTTPS_PROXY", proxy.url()).spawn()).await;
    assert!(error["data"]["fix"][0].as_str().is_some_and(|fix| fix.contains("USER:PASSWORD")), "{error:#}");
}

#[tokio::test]
async fn an_https_proxy_never_sees_the_client_certificate() {
    let corp = corp().await;
    let (name, address) = corp.route();
    let identity = corp.pki.server_identity();
    let proxy = ConnectProxy::options().tls(&corp.pki, &identity).route(&name, address).start().await;
    corp.works(corp.host().args(["--proxy", &proxy.url()])).await;
    let tunnels = proxy.wait_for_tunnels(1).await;
    assert!(tunnels.iter().all(|tunnel| tunnel.certificate.is_none()), "it asked, and was shown one");
}

#[tokio::test]
async fn through_socks5_with_the_name_resolved_by_the_proxy() {
    let corp = corp().await;
    let (name, address) = corp.route();
    let proxy = Socks5Proxy::options().credentials("me", "secret").route(&name, address).start().await;
    corp.works(corp.host().env("ALL_PROXY", proxy.url_with("socks5h", "me", "secret"))).await;
    assert!(proxy.wait_for_targets(1).await[0].by_name);
    // Resolved here, the name is not known.
    let error = refusal(&mut corp.host().env("ALL_PROXY", proxy.url_with("socks5", "me", "secret")).spawn()).await;
    assert_eq!(error["data"]["code"], "name-unresolved", "{error:#}");
    let error = refusal(&mut corp.host().env("ALL_PROXY", proxy.url_with("socks5h", "me", "wr0ng")).spawn()).await;
    assert_eq!(error["data"]["code"], "proxy-unauthorized", "{error:#}");
    assert!(!error.to_string().contains("wr0ng"));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_an_error() {
    let corp = corp().await;
    for (proxy, code) in [
        ("ftp://proxy:21", "config-invalid-value"),
        ("http://", "config-invalid-value"),
        ("http://127.0.0.1:9", "connect-failed"),
    ] {
        let error = refusal(&mut corp.host().env("HTTPS_PROXY", proxy).spawn()).await;
        assert_eq!(error["data"]["code"], code, "{proxy}: {error:#}");
        assert!(error["data"]["where"].to_string().contains("HTTPS_PROXY"), "{error:#}");
    }
}

#[tokio::test]
async fn what_a_proxy_answers_is_told_with_what_to_do() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let corp = corp().await;
    for (scheme, answer, code, words, fix) in [
        (
            "http",
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "proxy-failed",
            "HTTP 403",
            "Have the proxy allow mcp.corp.test:7443.",
        ),
        ("http", "HTTP/1.1 404 Not Found\r\n\r\n", "proxy-failed", "no proxy", "Check the proxy's address."),
        (
            "http",
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "proxy-failed",
            "did not reach the server",
            "that the server runs.",
        ),
        ("http", "HTTP/1.1 503 Busy\r\n\r\n", "proxy-failed", "too busy", "try again later."),
        ("http", "SSH-2.0-OpenSSH_9.9\r\n", "proxy-failed", "not valid HTTP", "no HTTP proxy."),
        ("http", "HTTP/1.1 407 No\r\n\r\n", "proxy-unauthorized", "407", "http://USER:PASSWORD@HOST:PORT."),
        ("socks5h", "\u{5}\u{0}\u{5}\u{2}\u{0}\u{1}", "proxy-failed", "rules do not allow", "Have the proxy allow"),
        ("socks5h", "\u{5}\u{0}\u{5}\u{5}\u{0}\u{1}", "proxy-failed", "refuses connections", "that the server runs."),
        ("socks5h", "HTTP/1.1 400 Bad Request\r\n\r\n", "proxy-failed", "not SOCKS5", "Check the scheme"),
    ] {
        let proxy = RawServer::start_plain(move |mut stream, _| async move {
            // The first words of the client, which any of these waits for.
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.flush().await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        })
        .await;
        let url = format!("{scheme}://{}", proxy.addr());
        let error = refusal(&mut corp.host().args(["--proxy", &url]).spawn()).await;
        let data = &error["data"];
        assert_eq!(data["code"], code, "{answer}: {error:#}");
        assert!(data["why"].to_string().contains(words) || words == "407", "{words}: {error:#}");
        assert!(data["fix"][0].as_str().is_some_and(|told| told.contains(fix)), "{fix}: {error:#}");
        assert!(data["where"].to_string().contains("--proxy on the command line"), "{error:#}");
        proxy.stop().await;
    }
}

#[tokio::test]
async fn redirects_are_followed_within_the_origin_alone() {
    let pki = Pki::new();
    let other = TlsServer::builder(&pki).handler(|_, _| std::future::ready(reply::empty(200))).start().await;
    let elsewhere = other.url("/mcp?token=abc");
    let server = TlsServer::builder(&pki)
        .handler(move |request, _| {
            std::future::ready(match request.uri().path() {
                "/307" => reply::redirect(307, "/308"),
                "/308" => reply::redirect(308, "there"),
                "/there" => {
                    assert_eq!(request.method(), "POST");
                    reply::json(200, request_echo(request.body()))
                }
                "/loop" => reply::redirect(307, "/loop"),
                "/302" => reply::redirect(302, "/there"),
                "/nowhere" => reply::empty(307),
                _ => reply::redirect(307, &elsewhere),
            })
        })
        .start()
        .await;
    let client = pki.client("alice");
    let mut host = connect(&pki, &server.url("/307"), &client);
    assert!(host.request("x", json!({})).await["result"].is_object());
    for (path, words) in [
        ("/loop", "more than 3 times"),
        ("/302", "into a GET"),
        ("/away", "another origin"),
        ("/nowhere", "without a target"),
    ] {
        let error = refusal(&mut connect(&pki, &server.url(path), &client)).await;
        assert_eq!(error["data"]["code"], "redirect-refused", "{error:#}");
        assert!(error["data"]["why"].to_string().contains(words), "{error:#}");
        assert!(!error.to_string().contains("abc"), "the query is told: {error}");
    }
    assert_eq!(other.connections().len(), 0, "nothing goes to the other origin");
}

/// The answer to the request in this body.
fn request_echo(body: &[u8]) -> String {
    let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    json!({ "jsonrpc": "2.0", "id": request["id"], "result": {} }).to_string()
}

#[tokio::test]
async fn without_tls_on_loopback() {
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).plain(), McpOptions::default()).await;
    let url = server.url();
    assert!(url.starts_with("http://"), "{url}");
    let mut host = host([url.as_str()]).spawn();
    assert!(host.initialize(LATEST).await["result"].is_object());
    // A plain request on a TLS port gets an answer that names the cause.
    let tls = McpServer::start(&pki).await;
    let mut host = crate::stage::host([tls.url().replace("https://", "http://").as_str()]).spawn();
    assert!(host.request("initialize", hello(LATEST)).await["error"]["data"]["source"] == "mcp-mtls");
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_the_server_closes_it() {
    let pki = Pki::new();
    let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
    let server = RawServer::start(&pki, move |mut io, _| {
        let ended = ended.clone();
        async move {
            use tokio::io::AsyncWriteExt as _;
            while let Ok((_, body)) = io.read_request().await {
                let message: Value = serde_json::from_slice(&body).unwrap_or_default();
                let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nKeep-Alive: timeout=2";
                let response = format!("{head}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
                io.write_all(response.as_bytes()).await.expect("written");
                io.flush().await.expect("flushed");
            }
            let _ = ended.send(Instant::now());
        }
    })
    .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    assert!(host.request("x", json!({})).await["result"].is_object());
    let answered = Instant::now();
    let ended = end.recv().await.expect("an end");
    let idle = ended.duration_since(answered);
    assert!(idle > Duration::from_millis(700) && idle < Duration::from_secs(2), "{idle:?}");
    assert!(host.request("x", json!({})).await["result"].is_object());
}

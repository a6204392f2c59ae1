//! Proxies that refuse, or are none.

use std::time::Duration;

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::proxy::{ConnectProxy, Socks5Proxy};
use mcp_mtls_testkit::server::{RawServer, TlsServer};
use tokio::io::AsyncWriteExt as _;

use super::case::{Case, Pace, case};

const TARGET: &str = "https://mcp.corp.test/mcp";

/// `initialize` through this proxy, which is set as a flag.
async fn through(case: &mut Case, way: &str, proxy: &str) {
    let client = case.pki.client("alice");
    let host = case.towards(TARGET, Some(&client)).args(["--proxy", "{env:PROXY}"]).env("PROXY", proxy);
    case.refused(way, host).await;
}

/// A proxy that answers CONNECT with these bytes.
async fn answers(name: &'static str, code: Code, side: Side, answer: &'static str) {
    let mut case = case(name, code, side);
    let proxy = RawServer::start_plain(async |mut stream, _| {
        let _ = stream.read_head().await;
        // Whether it could be written is seen by the client.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.flush().await;
    })
    .await;
    through(&mut case, "a proxy", &format!("http://{}", proxy.addr())).await;
    case.end();
}

#[tokio::test]
async fn a_proxy_that_wants_a_password() {
    let mut case = case("proxy-unauthorized", Code::ProxyUnauthorized, Side::Ours);
    let proxy = ConnectProxy::options().credentials("alice", "secret").start().await;
    through(&mut case, "without one", &proxy.url()).await;
    let wrong = case.secret("hunter2");
    through(&mut case, "with another", &proxy.url_with("alice", &wrong)).await;
    case.end();
}

#[tokio::test]
async fn a_proxy_that_wants_kerberos() {
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n\
        Proxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
    answers("proxy-unauthorized-by-kerberos", Code::ProxyUnauthorized, Side::Ours, answer).await;
}

#[tokio::test]
async fn a_proxy_that_does_not_reach_the_server() {
    let mut case = case("proxy-bad-gateway", Code::ProxyFailed, Side::Between);
    let proxy = ConnectProxy::start().await;
    through(&mut case, "HTTP 502", &proxy.url()).await;
    case.end();
}

#[tokio::test]
async fn a_proxy_that_forbids() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    answers("proxy-forbidden", Code::ProxyFailed, Side::Between, answer).await;
}

#[tokio::test]
async fn a_proxy_that_has_no_time() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    answers("proxy-unavailable", Code::ProxyFailed, Side::Between, answer).await;
}

#[tokio::test]
async fn what_is_no_proxy() {
    answers("proxy-is-none", Code::ProxyFailed, Side::Between, "SSH-2.0-OpenSSH_9.2\r\n").await;
}

#[tokio::test]
async fn a_proxy_that_hangs_up() {
    answers("proxy-hangs-up", Code::ProxyFailed, Side::Between, "").await;
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let mut case = case("proxy-not-there", Code::ConnectFailed, Side::Between);
    let proxy = ConnectProxy::start().await;
    proxy.stop().await;
    through(&mut case, "as a flag", &proxy.url()).await;
    case.end();
}

#[tokio::test]
async fn a_proxy_that_says_nothing() {
    let mut case = case("proxy-silent", Code::TimedOut, Side::Between);
    let proxy = RawServer::start_plain(async |stream, _| {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let url = format!("http://{}", proxy.addr());
    let host = case.towards(TARGET, None).args(["--proxy", &url, "--timeout", "1200"]);
    case.refused_at(Pace::After(Duration::from_millis(1200)), "as a flag", host).await;
    case.end();
}

#[tokio::test]
async fn a_proxy_of_the_environment_that_wants_a_certificate() {
    let mut case = case("proxy-wants-a-certificate", Code::ProxyFailed, Side::Between);
    let client = case.pki.client("alice");
    for (way, proxy) in [
        ("TLS 1.2", TlsServer::builder(&case.pki).tls12_only()),
        ("TLS 1.3", TlsServer::builder(&case.pki).tls13_only()),
    ] {
        let proxy = proxy.start().await;
        let host = case.towards(TARGET, Some(&client)).env("HTTPS_PROXY", proxy.url(""));
        case.refused(way, host).await;
        case.verified(way, &proxy.verified(), None);
    }
    case.end();
}

#[tokio::test]
async fn socks_proxies() {
    let mut wants = case("socks-wants-a-password", Code::ProxyUnauthorized, Side::Ours);
    let proxy = Socks5Proxy::options().credentials("alice", "secret").start().await;
    through(&mut wants, "without one", &proxy.url("socks5h")).await;
    let wrong = wants.secret("hunter2");
    through(&mut wants, "with another", &proxy.url_with("socks5h", "alice", &wrong)).await;
    wants.end();

    let mut unreachable = case("socks-unreachable", Code::ProxyFailed, Side::Between);
    let proxy = Socks5Proxy::start().await;
    through(&mut unreachable, "host unreachable", &proxy.url("socks5h")).await;
    unreachable.end();
}

#[tokio::test]
async fn an_http_proxy_as_socks() {
    let mut case = case("socks-is-http", Code::ProxyFailed, Side::Between);
    let proxy = RawServer::start_plain(async |mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        let _ = stream.flush().await;
        std::future::pending::<()>().await;
    })
    .await;
    through(&mut case, "as socks5h", &format!("socks5h://{}", proxy.addr())).await;
    case.end();
}

#[tokio::test]
async fn a_name_that_we_shall_resolve_for_a_socks_proxy() {
    let mut case = case("socks-name-unresolved", Code::NameUnresolved, Side::Between);
    let proxy = Socks5Proxy::start().await;
    let host = case.towards("https://surely-not-there.invalid/mcp", None).args(["--proxy", &proxy.url("socks5")]);
    case.refused("as socks5", host).await;
    case.end();
}

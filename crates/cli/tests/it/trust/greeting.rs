//! `minVersion` and `keyExchange`: what the greeting offers, as a server sees it.

use std::time::Duration;

use mcp_mtls_testkit::host::HostBuilder;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::told;
use crate::stage::{LATEST, hello, refusal, towards};

#[tokio::test]
async fn nothing_older_than_the_least_version_is_spoken() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for (version, server) in [("1.2", "1.2"), ("1.2", "1.3"), ("1.3", "1.3")] {
        let builder = TlsServer::builder(&pki);
        let builder = if server == "1.2" { builder.tls12_only() } else { builder.tls13_only() };
        let server = McpServer::on(builder, McpOptions::default()).await;
        let mut host = towards(&pki, &server.url(), &client).args(["--min-version", version]).spawn();
        host.initialize(LATEST).await;
        server.stop().await;
    }
    let server = McpServer::on(TlsServer::builder(&pki).tls12_only(), McpOptions::default()).await;
    let mut host = towards(&pki, &server.url(), &client).args(["--min-version", "1.3"]).spawn();
    let data = refusal(&mut host).await["data"].take();
    assert_eq!(data["code"], "tls-version-unsupported", "{data:#}");
    assert!(told(&data, "why").contains("`minVersion` is 1.3"), "{data:#}");
    assert_eq!(server.requests().len(), 0);
    server.stop().await;
}

#[tokio::test]
async fn classical_key_exchange_makes_the_greeting_fit_into_a_packet() {
    let pki = Pki::new();
    let hybrid = greeting(&pki, &[]).await;
    let classical = greeting(&pki, &["--key-exchange", "classical"]).await;
    assert!(groups(&hybrid).contains(&X25519MLKEM768), "{:x?}", groups(&hybrid));
    assert!(hybrid.len() > 1400, "{}", hybrid.len());
    assert_eq!(groups(&classical).iter().filter(|group| **group > 0x0100).count(), 0, "{:x?}", groups(&classical));
    assert!(!groups(&classical).is_empty());
    assert!(classical.len() < 600, "{}", classical.len());

    let server = McpServer::on(TlsServer::builder(&pki).tls13_only(), McpOptions::default()).await;
    for (arguments, exchange) in [(&[][..], "X25519MLKEM768"), (&["--key-exchange", "classical"], "X25519")] {
        let mut host = towards(&pki, &server.url(), &pki.client("alice")).args(arguments.iter().copied()).spawn();
        host.initialize(LATEST).await;
        let connections = server.server().connections();
        assert_eq!(connections.last().and_then(|seen| seen.key_exchange.as_deref()), Some(exchange));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_dies_in_silence_is_told_with_what_to_try() {
    let pki = Pki::new();
    for hold in [false, true] {
        for (classical, answer) in [(false, false), (true, false), (false, true)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
            let port = listener.local_addr().expect("an address").port();
            let serve = async {
                let Ok((mut tcp, _)) = listener.accept().await else { return };
                record(&mut tcp).await;
                if answer {
                    // The beginning of a record that never ends.
                    let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, &[22, 3, 3, 0]).await;
                }
                if hold {
                    std::future::pending::<()>().await;
                }
            };
            let ask = async {
                let exchange = if classical { &["--key-exchange", "classical"][..] } else { &[] };
                let host: HostBuilder = towards(&pki, &format!("https://127.0.0.1:{port}/mcp"), &pki.client("alice"));
                let mut host = host.args(["--timeout", "1500"]).args(exchange.iter().copied()).spawn();
                refusal(&mut host).await["data"].take()
            };
            let data = tokio::select! {
                data = ask => data,
                () = async { serve.await; std::future::pending().await } => unreachable!(),
            };
            assert_eq!(data["code"], if hold { "timed-out" } else { "connection-lost" }, "{data:#}");
            let suggested = told(&data, "fix").contains("`keyExchange` \"classical\" helps");
            assert_eq!(suggested, !classical && !answer, "hold {hold}: {data:#}");
        }
    }
}

/// The first record of a connection with these arguments.
async fn greeting(pki: &Pki, arguments: &[&str]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let url = format!("https://127.0.0.1:{}/mcp", listener.local_addr().expect("an address").port());
    let mut host = towards(pki, &url, &pki.client("alice")).args(arguments.iter().copied()).spawn();
    host.start_request("initialize", hello(LATEST)).await;
    let accepted = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await;
    let (mut tcp, _) = accepted.expect("a connection in time").expect("a connection");
    record(&mut tcp).await
}

/// One TLS record without its head.
pub(super) async fn record(tcp: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 5];
    tcp.read_exact(&mut head).await.expect("the head of a record");
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    tcp.read_exact(&mut body).await.expect("a record");
    body
}

/// The `supported_groups` of a greeting (RFC 8446, section 4.2.7).
pub(super) fn groups(hello: &[u8]) -> Vec<u16> {
    let number = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    // Type and length, version, random; then session, suites and compressions, each behind its length.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + number(at);
    at += 1 + usize::from(hello[at]);
    at += 2;
    while at < hello.len() {
        let (kind, length) = (number(at), number(at + 2));
        if kind == 10 {
            let list = &hello[at + 6..at + 4 + length];
            return list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        }
        at += 4 + length;
    }
    Vec::new()
}

pub(super) const X25519MLKEM768: u16 = 0x11ec;

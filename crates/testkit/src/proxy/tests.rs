//! Both proxies carry real TLS, and say where they were asked to go.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ConnectProxy, Socks5Proxy, SocksTarget};
use crate::pki::Pki;
use crate::plain::PlainClient;
use crate::server::{Outcome, TlsServer};

#[tokio::test]
async fn connect_carries_mutual_tls_to_a_name_that_only_the_proxy_knows() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = TlsServer::builder(&pki).identity(&pki.server_identity_for("mcp.example")).start().await;
    let proxy = ConnectProxy::options().route("mcp.example:443", server.addr()).start().await;

    let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(ask(&mut tcp, "CONNECT mcp.example:443 HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    PlainClient::with(&pki, &alice).handshake(tcp, "mcp.example").await.unwrap();

    assert_eq!(server.wait_for_connections(1).await[0].fingerprint(), Some(alice.fingerprint.as_str()));
    assert_eq!(proxy.targets(), ["mcp.example:443"]);
}

#[tokio::test]
async fn connect_asks_for_credentials_and_takes_them_on_the_same_connection() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    let proxy = ConnectProxy::options().credentials("user", "pass word").start().await;
    let target = server.addr();

    let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    let refused = ask(&mut tcp, &format!("CONNECT {target} HTTP/1.1\r\n\r\n")).await;
    assert!(refused.starts_with("HTTP/1.1 407") && refused.contains("Proxy-Authenticate: Basic"), "{refused}");
    // base64 of "user:pass word"
    let granted = format!("CONNECT {target} HTTP/1.1\r\nproxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n");
    assert!(ask(&mut tcp, &granted).await.starts_with("HTTP/1.1 200"));
    assert_eq!(proxy.tunnels().iter().map(|tunnel| tunnel.status).collect::<Vec<_>>(), [407, 200]);
}

#[tokio::test]
async fn an_https_proxy_asks_for_a_certificate_and_says_whether_it_got_one() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = TlsServer::builder(&pki).start().await;
    let proxy = ConnectProxy::options().tls(&pki, &pki.server_identity()).start().await;
    let head = format!("CONNECT localhost:{} HTTP/1.1\r\n\r\n", server.addr().port());

    let mut outer = PlainClient::anonymous(&pki).connect(proxy.addr()).await.unwrap();
    assert!(ask(&mut outer, &head).await.starts_with("HTTP/1.1 200"));
    PlainClient::with(&pki, &alice).handshake(outer, "localhost").await.unwrap();
    assert_eq!(server.wait_for_connections(1).await[0].fingerprint(), Some(alice.fingerprint.as_str()));
    assert_eq!(proxy.connections()[0].outcome, Outcome::NoCertificate);
    assert_eq!(proxy.tunnels()[0].certificate, None);

    let mut outer = PlainClient::with(&pki, &alice).connect(proxy.addr()).await.unwrap();
    ask(&mut outer, &head).await;
    assert_eq!(proxy.tunnels()[1].certificate.as_deref(), Some(alice.fingerprint.as_str()), "a leak shows");
}

#[tokio::test]
async fn connect_answers_502_when_the_target_is_not_there() {
    let proxy = ConnectProxy::start().await;
    let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(ask(&mut tcp, "CONNECT no-such-host.invalid:443 HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn socks_carries_mutual_tls_by_name_and_by_address() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = TlsServer::builder(&pki).start().await;
    let proxy = Socks5Proxy::options().route("localhost:7777", server.addr()).start().await;

    let mut by_name = TcpStream::connect(proxy.addr()).await.unwrap();
    by_name.write_all(&[5, 1, 0]).await.unwrap();
    assert_eq!(take::<2>(&mut by_name).await, [5, 0]);
    by_name.write_all(&[&[5, 1, 0, 3, 9][..], b"localhost", &7777u16.to_be_bytes()].concat()).await.unwrap();
    assert_eq!(take::<10>(&mut by_name).await[1], 0);
    PlainClient::with(&pki, &alice).handshake(by_name, "localhost").await.unwrap();
    assert_eq!(server.wait_for_connections(1).await[0].fingerprint(), Some(alice.fingerprint.as_str()));

    let mut by_address = TcpStream::connect(proxy.addr()).await.unwrap();
    by_address.write_all(&[5, 1, 0]).await.unwrap();
    take::<2>(&mut by_address).await;
    let port = server.addr().port().to_be_bytes();
    by_address.write_all(&[&[5, 1, 0, 1, 127, 0, 0, 1][..], &port].concat()).await.unwrap();
    assert_eq!(take::<10>(&mut by_address).await[1], 0);

    let target = |target: String, by_name| SocksTarget { target, by_name, user: None, reached: true };
    let seen = [target("localhost:7777".to_owned(), true), target(server.addr().to_string(), false)];
    assert_eq!(proxy.targets(), seen);
}

#[tokio::test]
async fn socks_insists_on_its_credentials() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    let proxy = Socks5Proxy::options().credentials("user", "pass").start().await;

    let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
    tcp.write_all(&[5, 1, 0]).await.unwrap();
    assert_eq!(take::<2>(&mut tcp).await, [5, 0xff], "no method in common");

    for (password, verdict) in [("wrong", 1), ("pass", 0)] {
        let mut tcp = TcpStream::connect(proxy.addr()).await.unwrap();
        tcp.write_all(&[5, 2, 0, 2]).await.unwrap();
        assert_eq!(take::<2>(&mut tcp).await, [5, 2]);
        let length = u8::try_from(password.len()).unwrap();
        tcp.write_all(&[&[1, 4][..], b"user", &[length], password.as_bytes()].concat()).await.unwrap();
        assert_eq!(take::<2>(&mut tcp).await, [1, verdict]);
        if verdict == 0 {
            let port = server.addr().port().to_be_bytes();
            tcp.write_all(&[&[5, 1, 0, 1, 127, 0, 0, 1][..], &port].concat()).await.unwrap();
            assert_eq!(take::<10>(&mut tcp).await[1], 0);
            assert_eq!(proxy.targets()[0].user.as_deref(), Some("user"));
        }
    }
}

async fn ask(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn take<const N: usize>(tcp: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    tcp.read_exact(&mut bytes).await.unwrap();
    bytes
}

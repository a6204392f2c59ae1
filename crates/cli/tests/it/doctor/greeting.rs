//! A network that loses the larger greeting of post-quantum key exchange: tried once more without.

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::towards;

/// What a firewall does with a greeting that does not fit into a packet.
#[derive(Clone, Copy)]
enum Loss {
    Silence,
    Close,
    /// The first connection alone, by chance.
    Chance,
}

/// Passes small greetings on, and loses the others.
async fn firewall(listener: TcpListener, server: std::net::SocketAddr, way: Loss) {
    let (mut silent, mut lost) = (Vec::new(), false);
    loop {
        let Ok((mut client, _)) = listener.accept().await else { return };
        let mut head = [0; 5];
        if client.read_exact(&mut head).await.is_err() {
            continue;
        }
        let is_lost = match way {
            Loss::Chance => !lost,
            _ => u16::from_be_bytes([head[3], head[4]]) > 1000,
        };
        lost |= is_lost;
        match way {
            Loss::Silence if is_lost => {
                silent.push(client);
                continue;
            }
            _ if is_lost => continue,
            _ => {}
        }
        let mut server = TcpStream::connect(server).await.expect("the server");
        server.write_all(&head).await.expect("the server");
        tokio::spawn(async move {
            let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test]
async fn a_greeting_that_is_lost_is_tried_smaller_and_the_setting_is_named() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for (way, code) in [(Loss::Silence, "timed-out"), (Loss::Close, "connection-lost")] {
        let server = McpServer::on(TlsServer::builder(&pki).tls13_only(), McpOptions::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let url = format!("https://localhost:{}/mcp", listener.local_addr().expect("an address").port());
        let firewall = tokio::spawn(firewall(listener, server.server().addr(), way));
        let found = towards(&pki, &url, &client).args(["--timeout", "3000"]).examined().await;
        let failure = found.broken_at("tls");
        assert_eq!(failure["code"], code, "{failure:#}");
        assert_eq!(failure["fix"][0], "Set `keyExchange` to \"classical\" (--key-exchange classical).");
        assert_eq!(found.fact("tls", "answersClassicalKeyExchange"), true);
        assert_eq!(server.verified().len(), 0, "nothing but a greeting goes out in a way that was not set");
        assert_eq!(server.server().requests().len(), 0);
        let towards_it = towards(&pki, &url, &client).args(["--key-exchange", "classical"]);
        towards_it.examined().await.is_well();
        firewall.abort();
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_by_chance_is_not_blamed_on_the_greeting() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::on(TlsServer::builder(&pki).tls13_only(), McpOptions::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let url = format!("https://localhost:{}/mcp", listener.local_addr().expect("an address").port());
    let firewall = tokio::spawn(firewall(listener, server.server().addr(), Loss::Chance));
    let found = towards(&pki, &url, &client).args(["--timeout", "3000"]).examined().await;
    let failure = found.broken_at("tls");
    assert_eq!(failure["code"], "connection-lost", "{failure:#}");
    assert!(!failure["fix"].to_string().contains("keyExchange"), "{failure:#}");
    firewall.abort();
}

#[tokio::test]
async fn a_server_that_answers_neither_is_not_blamed_on_the_greeting() {
    let pki = Pki::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let url = format!("https://localhost:{}/mcp", listener.local_addr().expect("an address").port());
    let found = towards(&pki, &url, &pki.client("alice")).args(["--timeout", "1500"]).examined().await;
    let failure = found.broken_at("tls");
    assert_eq!(failure["code"], "timed-out");
    assert!(!failure["fix"].to_string().contains("keyExchange"), "it has just been tried: {failure:#}");
    assert_eq!(found.fact("tls", "answersClassicalKeyExchange"), false);
    drop(listener);
}

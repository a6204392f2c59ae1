//! Real handshakes, judged by what the server verified.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{ClientAuth, Outcome, RawServer, ServerBuilder, TlsServer};
use crate::log::LIMIT;
use crate::pki::{Client, KeyKind, Pki};
use crate::plain::PlainClient;
use crate::reply;

#[tokio::test]
async fn the_server_knows_the_client_on_tls_12_and_13_and_both_http_versions() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    for alpn in ["http/1.1", "h2"] {
        for (version, build) in [("1.2", tls12 as fn(_) -> _), ("1.3", tls13)] {
            let server = build(TlsServer::builder(&pki)).alpn(&["h2", "http/1.1"]).handler(hello).start().await;
            let response =
                PlainClient::with(&pki, &alice).alpn(&[alpn]).send(server.addr(), post(&server)).await.unwrap();
            assert_eq!(response.body(), "hello");

            assert_eq!(server.verified(), [alice.fingerprint.as_str()]);
            let connection = &server.connections()[0];
            assert_eq!((connection.number, connection.version), (1, Some(version)));
            assert_eq!(connection.alpn.as_deref(), Some(alpn));
            assert_eq!(connection.server_name.as_deref(), Some("localhost"));
            let request = &server.wait_for_requests(1).await[0];
            assert_eq!(request.fingerprint.as_deref(), Some(alice.fingerprint.as_str()));
            assert_eq!((request.path.as_str(), request.text()), ("/mcp?x=1", "question"));
        }
    }
}

#[tokio::test]
async fn every_kind_of_key_is_verified() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    for kind in KeyKind::ALL {
        let client = pki.client_with_key(&format!("{kind:?}"), kind);
        PlainClient::with(&pki, &client).send(server.addr(), post(&server)).await.unwrap();
        assert_eq!(server.verified().last(), Some(&client.fingerprint), "{kind:?}");
    }
}

#[tokio::test]
async fn each_fault_of_a_client_is_refused_for_its_own_reason() {
    let pki = Pki::new();
    expect_refused(&pki, &pki.stranger_client(), "UnknownIssuer").await;
    expect_refused(&pki, &pki.expired_client(), "expired").await;
    expect_refused(&pki, &pki.not_yet_valid_client(), "not valid yet").await;
    expect_refused(&pki, &pki.server_auth_only_client(), "extended key usage").await;
    expect_refused(&pki, &pki.client_of_intermediate().leaf_only(), "UnknownIssuer").await;
}

#[tokio::test]
async fn a_chain_over_an_intermediate_is_verified() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    let server = TlsServer::builder(&pki).start().await;
    PlainClient::with(&pki, &client).send(server.addr(), post(&server)).await.unwrap();
    assert_eq!(server.verified(), [client.fingerprint]);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_or_told_apart() {
    let pki = Pki::new();
    let anonymous = PlainClient::anonymous(&pki);

    let server = TlsServer::builder(&pki).start().await;
    anonymous.send(server.addr(), post(&server)).await.unwrap_err();
    assert!(server.wait_for_connections(1).await[0].refusal().unwrap().contains("certificate"));

    for client_auth in [ClientAuth::Requested, ClientAuth::None] {
        let server = TlsServer::builder(&pki).client_auth(client_auth).start().await;
        anonymous.send(server.addr(), post(&server)).await.unwrap();
        assert_eq!(server.connections()[0].outcome, Outcome::NoCertificate, "{client_auth:?}");
        assert_eq!(server.requests()[0].fingerprint, None);
    }

    let server = TlsServer::builder(&pki).client_auth(ClientAuth::None).start().await;
    PlainClient::with(&pki, &pki.client("alice")).send(server.addr(), post(&server)).await.unwrap();
    assert_eq!(server.connections()[0].outcome, Outcome::NoCertificate, "it did not ask");
}

#[tokio::test]
async fn each_fault_of_a_server_is_noticed_by_a_client() {
    let pki = Pki::new();
    let faults = [
        (pki.expired_server_identity(), "expired"),
        (pki.not_yet_valid_server_identity(), "not valid yet"),
        (pki.server_identity_for("other.example"), "not valid for name"),
        (pki.stranger_server_identity(), "UnknownIssuer"),
        (pki.self_signed_server_identity(), "UnknownIssuer"),
        (pki.client_auth_only_server_identity(), "extended key usage"),
        (pki.server_identity_of_intermediate().leaf_only(), "UnknownIssuer"),
    ];
    let client = PlainClient::with(&pki, &pki.client("alice"));
    for (identity, reason) in faults {
        let server = TlsServer::builder(&pki).identity(&identity).start().await;
        let error = client.connect(server.addr()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{}: {error}", identity.name);
        assert!(server.wait_for_connections(1).await[0].refusal().is_some());
    }
}

#[tokio::test]
async fn stopping_closes_what_is_open_and_cutting_leaves_the_door_open() {
    let pki = Pki::new();
    let client = PlainClient::with(&pki, &pki.client("alice"));
    let server = TlsServer::builder(&pki).start().await;

    let mut open = client.connect(server.addr()).await.unwrap();
    server.wait_for_connections(1).await;
    server.cut().await;
    expect_closed(&mut open).await;

    let mut open = client.connect(server.addr()).await.unwrap();
    server.wait_for_connections(2).await;
    server.stop().await;
    expect_closed(&mut open).await;
    expect_connection_refused(&client, server.addr()).await;

    let again = TlsServer::builder(&pki).at(server.addr()).start().await;
    client.connect(again.addr()).await.unwrap();
    let addr = again.addr();
    drop(again);
    let third = TlsServer::builder(&pki).at(addr).start().await;
    client.connect(third.addr()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_no_longer_accepts_still_answers_whom_it_knows() {
    let pki = Pki::new();
    let client = PlainClient::with(&pki, &pki.client("alice"));
    let server = TlsServer::builder(&pki).handler(hello).start().await;
    let mut open = client.open(server.addr()).await.unwrap();
    open.send(post(&server)).await.unwrap();
    server.stop_accepting().await;
    expect_connection_refused(&client, server.addr()).await;
    assert_eq!(open.send(post(&server)).await.unwrap().body(), "hello");
}

#[tokio::test]
async fn a_plain_server_speaks_http_in_clear() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).plain().handler(hello).start().await;
    assert!(server.url("/mcp").starts_with("http://127.0.0.1:"));
    let mut tcp = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    tcp.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("hello"), "{text}");
    assert_eq!(server.connections()[0].outcome, Outcome::Plain);
}

#[tokio::test]
async fn a_script_answers_bytes_that_no_library_would() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = RawServer::start(&pki, async |mut stream, _connection| {
        let (_head, body) = stream.read_request().await.unwrap();
        assert_eq!(body, b"question");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
        stream.flush().await.unwrap();
    })
    .await;
    let request = Request::post("/").body(Full::new(Bytes::from("question"))).unwrap();
    PlainClient::with(&pki, &alice).send(server.addr(), request).await.unwrap_err();
    assert_eq!(server.verified(), [alice.fingerprint]);

    let server = RawServer::start_plain(async |stream, _connection| stream.reset()).await;
    let mut tcp = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    assert_eq!(tcp.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

async fn expect_refused(pki: &Pki, client: &Client, reason: &str) {
    for build in [tls12 as fn(ServerBuilder) -> ServerBuilder, tls13] {
        let server = build(TlsServer::builder(pki)).start().await;
        PlainClient::with(pki, client).send(server.addr(), post(&server)).await.unwrap_err();
        let outcome = server.wait_for_connections(1).await[0].outcome.clone();
        let Outcome::Refused(text) = outcome else { panic!("{}: {outcome:?}", client.name) };
        assert!(text.contains(reason), "{}: {text}", client.name);
        assert!(server.verified().is_empty() && server.requests().is_empty());
    }
}

async fn expect_connection_refused(client: &PlainClient, addr: SocketAddr) {
    assert_eq!(client.connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

async fn expect_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // A cut TLS connection ends without close_notify, which rustls tells as an error.
    let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

async fn hello(_request: Request<Bytes>, _connection: std::sync::Arc<super::Connection>) -> Response<reply::Body> {
    reply::text(200, "hello")
}

fn post(server: &TlsServer) -> Request<Full<Bytes>> {
    Request::post(server.url("/mcp?x=1")).body(Full::new(Bytes::from("question"))).unwrap()
}

fn tls12(builder: ServerBuilder) -> ServerBuilder {
    builder.tls12_only()
}

fn tls13(builder: ServerBuilder) -> ServerBuilder {
    builder.tls13_only()
}

#[tokio::test]
async fn a_restarted_server_has_its_port_and_certificate_and_no_old_tls_sessions() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = TlsServer::builder(&pki).handler(hello).start().await;
    let client = PlainClient::with(&pki, &alice);
    client.send(server.addr(), post(&server)).await.unwrap();
    client.send(server.addr(), post(&server)).await.unwrap();
    server.restart().await;
    assert_eq!(client.send(server.addr(), post(&server)).await.unwrap().body(), "hello");
    let resumed: Vec<_> = server.connections().iter().map(|connection| connection.resumed).collect();
    assert_eq!(resumed, [false, true, false]);
}

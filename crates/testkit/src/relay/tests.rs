//! The relay passes real TLS, and stops it in each way.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Relay;
use crate::pki::{Client, Pki};
use crate::plain::PlainClient;
use crate::reply;
use crate::server::{RawServer, TlsServer};

#[tokio::test]
async fn bytes_pass_unchanged_and_the_certificate_reaches_the_server() {
    let (pki, alice, server) = staged().await;
    let relay = Relay::to(server.addr()).await;
    assert!(relay.url("/mcp").starts_with("https://localhost:"));
    let answer = PlainClient::with(&pki, &alice).send(relay.addr(), get("/big")).await.unwrap();
    assert_eq!(answer.body().len(), 300_000);
    assert_eq!(server.verified(), [alice.fingerprint]);
    assert_eq!(relay.accepted(), 1);
}

#[tokio::test]
async fn frozen_means_that_nothing_passes_and_nobody_is_told() {
    let (pki, alice, server) = staged().await;
    let relay = Relay::to(server.addr()).await;
    let client = PlainClient::with(&pki, &alice);
    let mut open = client.open(relay.addr()).await.unwrap();
    open.send(get("/before")).await.unwrap();
    relay.freeze();
    let old = tokio::spawn(async move { open.send(get("/old")).await });
    let fresh = {
        let (client, addr) = (client.clone(), relay.addr());
        tokio::spawn(async move { client.send(addr, get("/fresh")).await })
    };
    // Had the others passed, they would be there before a handshake that begins now.
    client.send(server.addr(), get("/direct")).await.unwrap();
    assert_eq!(paths(&server), ["/before", "/direct"]);
    assert!(!old.is_finished() && !fresh.is_finished(), "nobody is told");
    relay.thaw();
    assert_eq!(old.await.unwrap().unwrap().status(), 200);
    assert_eq!(fresh.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn an_answer_that_began_is_frozen_in_the_middle() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let (events, response) = reply::events();
    let response = std::sync::Mutex::new(Some(response));
    let server = TlsServer::builder(&pki)
        .handler(move |_, _| std::future::ready(response.lock().unwrap().take().unwrap()))
        .start()
        .await;
    let relay = Relay::to(server.addr()).await;
    let mut open = PlainClient::with(&pki, &alice).open(relay.addr()).await.unwrap();
    let mut body = open.start(get("/")).await.unwrap().into_body();
    events.raw("one");
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    relay.freeze();
    events.raw("two");
    let mut frame = Box::pin(body.frame());
    PlainClient::with(&pki, &alice).connect(server.addr()).await.unwrap();
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(frame.as_mut().poll(cx).is_pending())).await);
    relay.thaw();
    assert_eq!(frame.await.unwrap().unwrap().into_data().unwrap(), "two");
}

#[tokio::test]
async fn connections_are_cut_in_good_order_or_reset_also_when_frozen() {
    let echo = RawServer::start_plain(|mut stream, _| async move {
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
    })
    .await;
    let relay = Relay::to(echo.addr()).await;
    for frozen in [false, true] {
        let mut tcp = echoed(relay.addr()).await;
        if frozen {
            relay.freeze();
        }
        relay.cut().await;
        assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(relay.open(), 0);
        relay.thaw();

        let mut tcp = echoed(relay.addr()).await;
        if frozen {
            relay.freeze();
        }
        relay.reset().await;
        assert_eq!(tcp.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        relay.thaw();
    }
    assert_eq!(relay.accepted(), 4);
}

#[tokio::test]
async fn new_connections_are_refused_for_a_while() {
    let (pki, alice, server) = staged().await;
    let relay = Relay::to(server.addr()).await;
    let client = PlainClient::with(&pki, &alice);
    let mut open = client.open(relay.addr()).await.unwrap();
    relay.refuse().await;
    assert_eq!(client.connect(relay.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(open.send(get("/open")).await.unwrap().status(), 200, "open connections live on");
    relay.admit().await;
    client.connect(relay.addr()).await.unwrap();

    server.stop().await;
    let error = client.connect(relay.addr()).await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::ConnectionRefused, "the relay is there, what is behind it is not");
}

/// A connection that has carried a byte both ways.
async fn echoed(addr: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(b"x").await.unwrap();
    assert_eq!(tcp.read_u8().await.unwrap(), b'x');
    tcp
}

async fn staged() -> (Pki, Client, TlsServer) {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let answer = async |request: Request<Bytes>, _| {
        let length = if request.uri().path() == "/big" { 300_000 } else { 1 };
        reply::text(200, vec![b'x'; length])
    };
    let server = TlsServer::builder(&pki).handler(answer).start().await;
    (pki, alice, server)
}

fn paths(server: &TlsServer) -> Vec<String> {
    server.requests().into_iter().map(|request| request.path).collect()
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://localhost{path}")).body(Full::default()).unwrap()
}

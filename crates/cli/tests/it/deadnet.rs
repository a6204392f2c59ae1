//! A network that goes away without a word, as a VPN does that is disconnected.
#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::stage::{LATEST, binary, hello};

/// Passes bytes on between clients and a server until it is cut; then it keeps its sockets open
/// and says nothing.
struct Relay {
    port: u16,
    cut: watch::Sender<bool>,
    _work: JoinSet<()>,
}

impl Relay {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (cut, is_cut) = watch::channel(false);
        let mut work = JoinSet::new();
        work.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, server, is_cut.clone()));
            }
        });
        Self { port, cut, _work: work }
    }
}

async fn relay(mut client: TcpStream, server: SocketAddr, mut is_cut: watch::Receiver<bool>) {
    // A new connection gets as far as the relay, as it gets as far as a firewall that drops packets.
    let mut server = TcpStream::connect(server).await.expect("the server accepts");
    tokio::select! {
        _ = is_cut.wait_for(|cut| *cut) => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
    }
    if *is_cut.borrow() {
        std::future::pending::<()>().await;
    }
}

/// The one test that waits for real: over HTTP/2, whose pings are the bridge's own. What TCP does
/// for HTTP/1.1 is tested with a real network that goes away, in the interop run.
#[tokio::test]
async fn calls_over_http2_are_told_of_it_within_30_seconds() {
    let pki = Pki::new();
    let (open, response) = reply::events();
    let response = std::sync::Mutex::new(Some(response));
    let server = TlsServer::builder(&pki)
        .alpn(&["h2"])
        .handler(move |request: Request<Bytes>, _| {
            let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let answer = match message["method"].as_str() {
                Some("initialize") => {
                    let result = json!({ "protocolVersion": LATEST });
                    Some(reply::json(
                        200,
                        json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string(),
                    ))
                }
                // One call waits for its answer in a stream, the other for the head of a response.
                Some("stream") => response.lock().ok().and_then(|mut response| response.take()),
                _ => None,
            };
            async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        })
        .start()
        .await;
    let relay = Relay::to(server.addr()).await;
    let client = pki.client("alice");
    let mut child = tokio::process::Command::new(binary())
        .args(["connect", &format!("https://localhost:{}/mcp", relay.port), "--ca"])
        .arg(pki.server_ca_file())
        .args(["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // The testkit's host has less patience.
    let mut answers = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
    let mut say = async |id: usize, method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        stdin.write_all(format!("{request}\n").as_bytes()).await.expect("the bridge reads");
    };
    say(0, "initialize", hello(LATEST)).await;
    assert!(answers.next_line().await.expect("stdout is text").is_some_and(|line| line.contains("result")));
    say(1, "head", json!({})).await;
    say(2, "stream", json!({})).await;
    server.wait_for_requests(3).await;
    // What came on the stream shows that its head has come.
    assert!(open.send(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#));
    let line = answers.next_line().await.expect("stdout is text");
    assert!(line.is_some_and(|line| line.contains("notifications/message")));

    relay.cut.send_replace(true);
    let cut = Instant::now();
    for _ in 1..=2 {
        let answer = tokio::time::timeout(Duration::from_secs(30), answers.next_line()).await;
        let line = answer.expect("an answer within 30 s").expect("stdout is text").expect("an answer");
        assert!(cut.elapsed() < Duration::from_secs(30), "{:?}: {line}", cut.elapsed());
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        let data = &answer["error"]["data"];
        assert_eq!((&data["code"], &data["source"]), (&json!("connection-lost"), &json!("mcp-mtls")), "{answer:#}");
        assert!(data["why"].to_string().contains("likely a VPN was disconnected"), "{answer:#}");
    }
}

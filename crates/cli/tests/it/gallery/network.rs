//! Names, connections, silence.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::Relay;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Client;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{Break, BreakingServer, Moment, RawServer, Stream, TlsServer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::case::{Case, Pace, case, variants};
use crate::stage::LATEST;

const TIMEOUT: Duration = Duration::from_millis(1200);

/// Nothing answers.
async fn times_out(case: &mut Case, way: &str, url: &str, client: &Client) {
    let host = case.towards(url, Some(client)).args(["--timeout", "1200"]);
    case.refused_at(Pace::After(TIMEOUT), way, host).await;
}

async fn silence<T>(kept: T) {
    let _kept = kept;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let mut case = case("name-unresolved", Code::NameUnresolved, Side::Between);
    let client = case.pki.client("alice");
    let host = case.towards("https://surely-not-there.invalid/mcp", Some(&client));
    case.refused("by name", host).await;
    case.end();
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let mut case = case("connect-refused", Code::ConnectFailed, Side::Between);
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki).start().await;
    server.stop().await;
    let host = case.towards(&server.url("/mcp"), Some(&client));
    case.refused("by name", host).await;
    case.end();
}

#[tokio::test]
async fn a_server_that_says_nothing_to_the_greeting() {
    let mut case = case("timed-out-in-the-handshake", Code::TimedOut, Side::Between);
    let server = RawServer::start_plain(async |stream, _| silence(stream).await).await;
    let client = case.pki.client("alice");
    times_out(&mut case, "nothing answers the greeting", &server.url("/mcp"), &client).await;
    case.end();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_takes_no_connection() {
    let mut case = case("timed-out-connecting", Code::TimedOut, Side::Between);
    let client = case.pki.client("alice");
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let busy = socket.listen(1).unwrap();
    let addr = busy.local_addr().unwrap();
    // As many as wait to be taken; whoever comes after them hears nothing.
    let connect = || tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr));
    let mut waiting = Vec::new();
    while let Ok(Ok(connected)) = connect().await {
        waiting.push(connected);
    }
    times_out(&mut case, "nobody takes it", &format!("https://127.0.0.1:{}/mcp", addr.port()), &client).await;
    case.end();
}

#[tokio::test]
async fn a_network_that_loses_large_greetings() {
    let mut case = case("timed-out-for-its-size", Code::TimedOut, Side::Between);
    let client = case.pki.client("alice");
    let server = McpServer::on(TlsServer::builder(&case.pki).tls13_only(), McpOptions::default()).await;
    let addr = server.server().addr();
    let firewall = RawServer::start_plain(move |mut client, _| async move {
        let mut head = [0; 5];
        if client.read_exact(&mut head).await.is_err() || u16::from_be_bytes([head[3], head[4]]) > 1000 {
            return silence(client).await;
        }
        let mut server = TcpStream::connect(addr).await.expect("the server takes it");
        server.write_all(&head).await.expect("the server takes it");
        // How it ends is the client's business.
        let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    })
    .await;
    // Time enough for doctor, which tries a smaller one as well.
    let host = case.towards(&firewall.url("/mcp"), Some(&client)).args(["--timeout", "3000"]);
    case.refused_at(Pace::After(Duration::from_secs(3)), "larger than a packet", host).await;
    // Doctor greets in another way, and does no more.
    case.verified("larger than a packet", &server.verified(), None);
    case.end();
}

#[tokio::test]
async fn a_server_that_says_nothing_to_the_request() {
    let mut case = case("timed-out-waiting-for-the-answer", Code::TimedOut, Side::Between);
    let client = case.pki.client("alice");
    for (way, server) in variants(&case.pki) {
        let server = server.handler(async |_, _| std::future::pending().await).start().await;
        times_out(&mut case, way, &server.url("/mcp"), &client).await;
        case.verified(way, &server.verified(), Some(&client));
    }
    case.end();
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_does_not_come() {
    let mut case = case("timed-out-reading-files", Code::TimedOut, Side::Between);
    let client = case.pki.client("alice");
    let pipe = case.pki.dir().join("pipe.pem");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "a named pipe can be made");
    let host = super::run::host([super::files::NOWHERE, "--timeout", "1200", "--key"]).args([&client.key_file]);
    let host = host.args([std::path::Path::new("--cert"), &pipe]);
    case.refused_at(Pace::After(TIMEOUT), "a named pipe that nobody writes to", host).await;
    case.end();
}

#[tokio::test]
async fn a_connection_that_is_closed_at_the_greeting() {
    let mut case = case("closed-at-the-greeting", Code::ConnectionLost, Side::Between);
    case.ends_either_way();
    let client = case.pki.client("alice");
    let builder = TlsServer::builder(&case.pki);
    for (way, how) in [("closed", Break::Close), ("reset", Break::Reset)] {
        let server = BreakingServer::start(&builder, Moment::Greeting, how).await;
        let host = case.towards(&server.url("/mcp"), Some(&client));
        case.refused(way, host).await;
    }
    case.end();
}

/// A server that answers `initialize` on a connection, and treats the next request like this.
async fn breaks<F, Script>(case: &mut Case, way: &str, script: F)
where
    F: Fn(Stream) -> Script + Send + Sync + Clone + 'static,
    Script: Future<Output = ()> + Send + 'static,
{
    let client = case.pki.client("alice");
    let server = RawServer::start(&case.pki, move |mut stream, _| {
        let script = script.clone();
        async move {
            while let Ok((_, body)) = stream.read_request().await {
                let message: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let answer = match message["method"].as_str() {
                    Some("initialize") => {
                        let result = json!({ "protocolVersion": LATEST, "capabilities": {} });
                        json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string()
                    }
                    Some("tools/list") => return script(stream).await,
                    _ => String::new(),
                };
                let status =
                    if answer.is_empty() { "202 Accepted" } else { "200 OK\r\nContent-Type: application/json" };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
                if stream.write_all(head.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let mut host = case.towards(&server.url("/mcp"), Some(&client)).spawn();
    host.initialize(LATEST).await;
    let answer = host.request("tools/list", json!({})).await;
    case.answered(way, &mut host, &answer).await;
    case.verified(way, &server.verified(), Some(&client));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer() {
    let mut case = case("broken-before-the-answer", Code::ConnectionLost, Side::Between);
    case.ends_either_way();
    breaks(&mut case, "closed", async |stream| drop(stream)).await;
    breaks(&mut case, "reset", async |stream: Stream| stream.reset()).await;
    case.end();
}

#[tokio::test]
async fn a_connection_that_breaks_within_the_answer() {
    let mut case = case("broken-within-the-answer", Code::ConnectionLost, Side::Between);
    breaks(&mut case, "closed", async |mut stream: Stream| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\"";
        // Whether it could be written is seen by the client.
        let _ = stream.write_all(head).await;
        let _ = stream.flush().await;
    })
    .await;
    case.end();
}

#[tokio::test]
async fn an_answer_that_is_no_http() {
    let mut case = case("answer-is-no-http", Code::ConnectionLost, Side::Between);
    breaks(&mut case, "another protocol", async |mut stream: Stream| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        let _ = stream.flush().await;
        silence(stream).await;
    })
    .await;
    case.end();
}

#[tokio::test]
async fn a_server_that_goes_away_between_two_requests() {
    let mut case = case("server-gone", Code::ConnectFailed, Side::Between);
    let client = case.pki.client("alice");
    let server = McpServer::start(&case.pki).await;
    let mut host = case.towards(&server.url(), Some(&client)).spawn();
    host.initialize(LATEST).await;
    server.stop().await;
    let answer = host.request("tools/list", json!({})).await;
    case.answered("the next request", &mut host, &answer).await;
    case.verified("the next request", &server.verified(), Some(&client));
    case.end();
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_session_and_opens_no_other() {
    let mut case = case("session-lost", Code::SessionLost, Side::Theirs);
    let client = case.pki.client("alice");
    let first = AtomicBool::new(true);
    let server = TlsServer::builder(&case.pki)
        .handler(move |request, _| {
            let message: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let result = json!({ "protocolVersion": LATEST, "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
            std::future::ready(match message["method"].as_str() {
                Some("initialize") if first.swap(false, Ordering::Relaxed) => {
                    let mut response = reply::json(200, answer);
                    response.headers_mut().insert("mcp-session-id", "one".parse().expect("visible ASCII"));
                    response
                }
                Some("initialize") => reply::text(503, "The database is being migrated"),
                Some("tools/list") => reply::text(404, "Session not found"),
                _ => reply::empty(202),
            })
        })
        .start()
        .await;
    let mut host = case.towards(&server.url("/mcp"), Some(&client)).spawn();
    host.initialize(LATEST).await;
    let answer = host.request("tools/list", json!({})).await;
    case.answered("the next request", &mut host, &answer).await;
    case.verified("the next request", &server.verified(), Some(&client));
    case.end();
}

#[tokio::test]
async fn a_network_that_is_cut_by_a_relay() {
    let mut case = case("cut-in-the-handshake", Code::TimedOut, Side::Between);
    let server = TlsServer::builder(&case.pki).start().await;
    let relay = Relay::to(server.addr()).await;
    relay.freeze();
    let client = case.pki.client("alice");
    times_out(&mut case, "nothing passes", &relay.url("/mcp"), &client).await;
    case.end();
}

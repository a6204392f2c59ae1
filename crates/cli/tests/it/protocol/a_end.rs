//! Part A3 and its cases: how it ends.
#![cfg(unix)]

use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{Era, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use super::{initialized, method_of, part, piped, result, scripted};
use crate::stage::{LATEST, connect, hello};

#[tokio::test]
async fn a3_a_subscription_does_not_hold_up_the_end() {
    let pki = Pki::new();
    let server = McpServer::with(&pki, McpOptions { era: Era::Modern, ..McpOptions::default() }).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    host.start_request("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true }, "_meta": meta }))
        .await;
    host.recv_method("notifications/subscriptions/acknowledged").await;
    let began = Instant::now();
    host.close_stdin();
    assert!(host.wait_exit(Duration::from_secs(5)).await.success());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(host.drained_stdout().await, [""; 0], "its end has no answer");
    server.wait_for_closed_streams(1).await;
}

#[tokio::test]
async fn e8_a_host_that_asks_and_closes_gets_all_answers() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    for _ in 0..5 {
        let before = server.received().len();
        let mut host = connect(&pki, &server.url(), &pki.client("alice"));
        let mut input = vec![
            json!({ "jsonrpc": "2.0", "id": "i", "method": "initialize", "params": hello(LATEST) }).to_string(),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string(),
        ];
        input.extend((0..20).map(|id| {
            let params = json!({ "name": "echo", "arguments": { "text": format!("text {id}") } });
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
        }));
        // Like `echo … | mcp-mtls connect`, and the last line has no end.
        host.send_bytes(input.join("\n").as_bytes()).await;
        host.close_stdin();
        assert!(host.wait_exit(Duration::from_secs(10)).await.success());
        let lines = host.drained_stdout().await;
        assert_eq!(lines.len(), 21, "{lines:#?}");
        for id in 0..20 {
            let answered = |line: &&String| {
                let answer: serde_json::Value = serde_json::from_str(line).expect("JSON");
                answer["id"] == id && answer["result"]["content"][0]["text"] == format!("text {id}")
            };
            assert_eq!(lines.iter().filter(answered).count(), 1, "{id}: {lines:#?}");
        }
        let received = &server.received()[before..];
        let methods: Vec<_> = received.iter().map(|text| method_of(text.as_bytes())).collect();
        assert_eq!(methods[..2], ["initialize", "notifications/initialized"]);
        host.stdout_is_pure();
    }
    assert_eq!(server.ended_sessions().len(), 5);
}

#[tokio::test]
async fn e9_hosts_killed_in_the_middle_of_calls_leave_no_process() {
    const HOSTS: usize = 30;
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let client = pki.client("alice");
    let mut hosts = Vec::new();
    for _ in 0..HOSTS {
        hosts.push(connect(&pki, &server.url(), &client));
    }
    for host in &mut hosts {
        host.initialize(LATEST).await;
        host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
    }
    server.wait_for_waiting(HOSTS).await;
    // What is left of a host that was killed: all its pipes are closed at once.
    for host in &mut hosts {
        host.close_stdout().await;
        host.close_stderr().await;
        host.close_stdin();
    }
    let began = Instant::now();
    for host in &mut hosts {
        host.wait_exit(Duration::from_secs(10).saturating_sub(began.elapsed())).await;
    }
    assert_eq!(server.ended_sessions().len(), HOSTS, "the server has not been left alone with the sessions");
}

#[tokio::test]
async fn e18_stdout_is_whole_at_the_end_when_it_is_more_than_a_pipe_holds() {
    let pki = Pki::new();
    let (over, is_over) = watch::channel(false);
    let server = scripted(TlsServer::builder(&pki), move |request| {
        let over = over.clone();
        let body = request.into_body();
        let answer = match method_of(&body).as_str() {
            "large" => Some(reply::json(200, large(&part(&body, "id").unwrap_or_default()))),
            "subscriptions/listen" => {
                let (events, response) = reply::events();
                tokio::spawn(async move {
                    events.closed().await;
                    over.send_replace(true);
                });
                Some(response)
            }
            _ => None,
        };
        std::future::ready(answer)
    })
    .await;
    let (mut child, mut stdin, mut stdout) = piped(&pki, &server.url("/mcp"));
    let mut input = vec![r#"{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{}}"#.to_owned()];
    input.extend((0..3).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"large"}}"#)));
    let input = input.join("\n") + "\n";
    stdin.write_all(input.as_bytes()).await.expect("the bridge reads");
    server.wait_for_requests(4).await;
    drop(stdin);
    // It has seen the end of its input when it gives the subscription up; nobody has read a byte until then.
    let mut is_over = is_over;
    let seen = tokio::time::timeout(Duration::from_secs(4), is_over.wait_for(|over| *over)).await;
    assert!(seen.is_ok(), "the end of the input is seen");
    let mut output = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stdout.read_to_end(&mut output)).await;
    read.expect("stdout ends").expect("stdout can be read");
    assert!(child.wait().await.expect("it ends").success());
    let text = String::from_utf8(output).expect("UTF-8");
    let mut lines: Vec<_> = text.split_terminator('\n').collect();
    lines.sort_unstable();
    let expected: Vec<_> = (0..3).map(|id| large(&id.to_string())).collect();
    assert_eq!(lines.iter().map(|line| line.len()).collect::<Vec<_>>(), [expected[0].len(); 3]);
    assert!(lines == expected && text.ends_with('\n'));
}

/// An answer that no pipe holds.
fn large(id: &str) -> String {
    result(id, &format!("\"{}\"", "x".repeat(1 << 20)))
}

#[tokio::test]
async fn a3_a_signal_ends_the_session_and_answers_what_is_in_flight() {
    let pki = Pki::new();
    for signal in ["TERM", "INT"] {
        let server = McpServer::start(&pki).await;
        let mut host = initialized(&pki, &server.url()).await;
        let calls = [
            host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await,
            host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await,
        ];
        server.wait_for_waiting(2).await;
        host.signal(signal);
        assert!(host.wait_exit(Duration::from_secs(2)).await.success());
        for call in calls {
            assert_eq!(host.answer_to(call).await["error"]["data"]["code"], "stopped");
        }
        let ended = server.wait_for_delete().await;
        let last = server.requests().pop().expect("requests came");
        assert_eq!((last.method.as_str(), last.header("mcp-session-id")), ("DELETE", Some(ended.as_str())));
        host.stdout_is_pure();
    }
}

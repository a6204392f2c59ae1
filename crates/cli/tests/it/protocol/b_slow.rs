//! A host that does not read for a while.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::{RawServer, Stream};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::piped;

#[tokio::test]
async fn b2_a_host_that_pauses_makes_the_server_wait_and_gets_all_in_order() {
    let pki = Pki::new();
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let server = RawServer::start(&pki, move |io, _| {
        let count = count.clone();
        async move { say_much(io, &count).await }
    })
    .await;
    let (child, mut stdin, stdout) = piped(&pki, &server.url("/mcp"));
    stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}\n").await.expect("the bridge reads");
    // The server is stopped when for a while it can write nothing more; no event says that nothing happens.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = written.load(Ordering::Relaxed);
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert!(before < MESSAGES, "the server was never made to wait");
    let resident = resident_mib(child.id().expect("it runs"));
    assert!(resident < 128, "{resident} MiB are held for a host that does not read, after {before} messages");
    let mut lines = BufReader::with_capacity(1 << 20, stdout).lines();
    for number in 0..MESSAGES {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await;
        let line = line.expect("it goes on").expect("text").expect("a line");
        assert!(line == message(number), "message {number}: {line:.120}");
    }
    let line = lines.next_line().await.expect("text").expect("the answer");
    assert_eq!(line, ANSWER);
    let resident = resident_mib(child.id().expect("it runs"));
    assert!(resident < 128, "{resident} MiB");
}

#[tokio::test]
async fn b2_a_host_that_pauses_costs_no_memory_however_many_calls_are_answered() {
    const CALLS: u64 = 400;
    let pki = Pki::new();
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let server = RawServer::start(&pki, move |io, _| {
        let count = count.clone();
        async move { answer_much(io, &count).await }
    })
    .await;
    let (child, mut stdin, stdout) = piped(&pki, &server.url("/mcp"));
    for id in 0..CALLS {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"x\"}}\n");
        stdin.write_all(line.as_bytes()).await.expect("the bridge reads");
        if id % 20 == 19 {
            // As a host makes them: what is under way at once may be held, all that came before must not be.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    // As above: it has taken all that it takes when for a while nothing changes.
    let mut before = (0, 0);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let resident = resident_mib(child.id().expect("it runs"));
        // All the answers together have 400 MiB; on a busy machine more are under way at once.
        assert!(resident < 250, "{resident} MiB are held for a host that does not read");
        let now = (written.load(Ordering::Relaxed), resident);
        if now.0 > 0 && now == before {
            break;
        }
        before = now;
    }
    let mut lines = BufReader::with_capacity(1 << 20, stdout).lines();
    let mut ids = Vec::new();
    for _ in 0..CALLS {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await;
        let line = line.expect("it goes on").expect("text").expect("a line");
        let answer: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(answer["result"]["data"].as_str().map(str::len), Some(1 << 20), "{line:.120}");
        ids.push(answer["id"].as_u64().expect("a number"));
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..CALLS).collect::<Vec<_>>());
}

/// Answers the one request of a connection with a MiB, and counts the pieces that it could write.
async fn answer_much(mut io: Stream, count: &AtomicUsize) {
    let Ok((_, body)) = io.read_request().await else { return };
    let text = super::result(
        &super::part(&body, "id").unwrap_or_default(),
        &format!(r#"{{"data":"{}"}}"#, "x".repeat(1 << 20)),
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    let mut alive = io.write_all(head.as_bytes()).await.is_ok();
    for piece in text.as_bytes().chunks(1 << 16) {
        alive = alive && io.write_all(piece).await.is_ok();
        count.fetch_add(usize::from(alive), Ordering::Relaxed);
    }
    // The bridge may be gone when the test has failed.
    let _gone = io.shutdown().await;
}

async fn say_much(mut io: Stream, count: &AtomicUsize) {
    if io.read_request().await.is_err() {
        return;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let mut alive = io.write_all(head.as_bytes()).await.is_ok();
    for number in 0..MESSAGES {
        alive = alive && io.write_all(format!("data: {}\n\n", message(number)).as_bytes()).await.is_ok();
        count.fetch_add(usize::from(alive), Ordering::Relaxed);
    }
    // The bridge may be gone when the test has failed.
    let _gone = io.write_all(format!("data: {ANSWER}\n\n").as_bytes()).await;
    let _gone = io.shutdown().await;
}

fn message(number: usize) -> String {
    let filler = "x".repeat(1 << 20);
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"n":{number},"data":"{filler}"}}}}"#)
}

/// What the process holds in memory.
fn resident_mib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib >> 10
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
/// So many messages of a MiB each.
const MESSAGES: usize = 160;

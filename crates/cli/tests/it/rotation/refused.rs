//! A server that refuses the certificate has it read anew, at once; and so has whoever says so.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request};
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::{Client, Pki};
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;

use super::{exchange, until_the_next_look, with};
use crate::stage::{LATEST, hello, refusal, whoami};

/// A host whose certificate a program prints: none of its files is known.
fn by_program(pki: &Pki, url: &str, client: &Client) -> (Host, std::path::PathBuf) {
    let source = pki.write("printed.pem", client.combined_pem());
    let program = format!("{{command:cat {}}}", source.display());
    (with(pki, url, Path::new(&program), Path::new(&program)).spawn(), source)
}

#[tokio::test]
async fn a_refused_certificate_is_read_anew_and_the_request_sent_again_once() {
    let pki = Pki::new();
    let (alice, stranger) = (pki.client("alice"), pki.stranger_client());
    for builder in [
        TlsServer::builder(&pki).tls13_only().alpn(&["h2"]),
        TlsServer::builder(&pki).tls13_only().alpn(&["http/1.1"]),
        TlsServer::builder(&pki).tls12_only().alpn(&["h2"]),
    ] {
        let server = McpServer::on(builder, mcp_mtls_testkit::mcp::McpOptions::default()).await;
        let (mut host, source) = by_program(&pki, &server.url(), &stranger);
        // Read when it was started; renewed before the first request.
        tokio::time::sleep(Duration::from_millis(500)).await;
        exchange(&source, &alice.combined_pem());
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, alice.fingerprint);
        assert_eq!(server.initializes(), 1);
        let refused = server.server().connections().iter().filter(|connection| connection.refusal().is_some()).count();
        assert_eq!(refused, 1, "one try with the old one");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_refused_again_or_cannot_be_read_anew_is_told() {
    let pki = Pki::new();
    let stranger = pki.stranger_client();
    let server = McpServer::start(&pki).await;
    let (mut host, _source) = by_program(&pki, &server.url(), &stranger);
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "certificate-refused", "{error:#}");
    let (mut host, source) = by_program(&pki, &server.url(), &stranger);
    tokio::time::sleep(Duration::from_millis(500)).await;
    exchange(&source, "nothing");
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "certificate-refused", "{error:#}");
    let why = error["data"]["why"].to_string();
    assert!(why.contains("The certificate could not be read anew: "), "{why}");
    assert_eq!(server.initializes(), 0);
}

#[tokio::test]
async fn a_terminator_that_refuses_in_its_answer_is_asked_again_with_the_new_certificate() {
    let page = "<html><head><title>400 The SSL certificate error</title></head></html>";
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let posts = AtomicUsize::new(0);
    let handler = move |_: Request<Bytes>, _| {
        let first = posts.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let mut refusal = reply::text(400, page);
            refusal.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
            if first { refusal } else { reply::json(200, ANSWER) }
        }
    };
    let server = TlsServer::builder(&pki).handler(handler).start().await;
    let (mut host, source) = by_program(&pki, &server.url("/mcp"), &alice);
    tokio::time::sleep(Duration::from_millis(500)).await;
    exchange(&source, &bob.combined_pem());
    let answer = host.request("initialize", hello(LATEST)).await;
    assert!(answer["result"].is_object(), "{answer}");
    let shown: Vec<_> = server.requests().into_iter().map(|request| request.fingerprint.unwrap()).collect();
    assert_eq!(shown[..2], [alice.fingerprint, bob.fingerprint]);
    server.stop().await;
}

#[tokio::test]
async fn a_hangup_signal_has_everything_read_anew() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let server = McpServer::start(&pki).await;
    let (mut host, source) = by_program(&pki, &server.url(), &alice);
    host.initialize(LATEST).await;
    exchange(&source, &bob.combined_pem());
    until_the_next_look().await;
    assert_eq!(whoami(&mut host).await, alice.fingerprint, "a program is not run on a mere look");
    host.signal("HUP");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint);
    exchange(&source, "nothing");
    host.signal("HUP");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint);
    let told = host.stderr();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("those from before stay in use"), "{told}");
}

#[tokio::test]
async fn refusals_in_quick_succession_do_not_keep_a_program_from_being_asked_again() {
    let pki = Pki::new();
    let (alice, stranger) = (pki.client("alice"), pki.stranger_client());
    let server = McpServer::start(&pki).await;
    let (mut host, source) = by_program(&pki, &server.url(), &stranger);
    refusal(&mut host).await;
    exchange(&source, &alice.combined_pem());
    let began = Instant::now();
    while host.request("initialize", hello(LATEST)).await.get("error").is_some() {
        assert!(began.elapsed() < Duration::from_secs(6), "it is never asked again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn the_same_certificate_with_its_intermediate_is_another_answer_of_a_program() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    let server = McpServer::start(&pki).await;
    let (mut host, source) = by_program(&pki, &server.url(), &client.leaf_only());
    tokio::time::sleep(Duration::from_millis(500)).await;
    exchange(&source, &client.combined_pem());
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
}

#[tokio::test]
async fn a_program_that_names_another_file_each_time_is_not_run_without_end() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let combined = pki.write("combined.pem", alice.combined_pem());
    let runs = pki.dir().join("runs");
    let script = format!(
        "{{command:sh -c 'echo run >> {runs}; n=$(wc -l < {runs}); cp {file} {file}.$n; chmod 600 {file}.$n; echo {file}.$n'}}",
        runs = runs.display(),
        file = combined.display()
    );
    let mut host = with(&pki, &server.url(), Path::new(&script), Path::new(&script)).spawn();
    host.initialize(LATEST).await;
    host.signal("HUP");
    for _ in 0..4 {
        until_the_next_look().await;
        assert_eq!(whoami(&mut host).await, alice.fingerprint);
    }
    // For the certificate and for the key, at the start and once more.
    assert_eq!(std::fs::read_to_string(&runs).unwrap().lines().count(), 4);
}

#[tokio::test]
async fn a_file_that_hangs_keeps_nobody_from_the_answer() {
    let pki = Pki::new();
    let (alice, stranger) = (pki.client("alice"), pki.stranger_client());
    let server = McpServer::start(&pki).await;
    let pipe = pki.dir().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // From the start.
    let mut host = with(&pki, &server.url(), &alice.cert_file, &pipe).args(["--timeout", "1500"]).spawn();
    let began = Instant::now();
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "timed-out", "{error:#}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // And when a server refuses what was there before.
    let key = pki.write("current.key", &stranger.key_pem);
    let mut host = with(&pki, &server.url(), &stranger.cert_file, &key).spawn();
    refusal(&mut host).await;
    std::fs::rename(&pipe, &key).unwrap();
    until_the_next_look().await;
    for _ in 0..2 {
        let began = Instant::now();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], "certificate-refused", "{error:#}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#;

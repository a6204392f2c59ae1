//! How the bridge begins and ends: patience, end of input, signals, and hosts that vanish.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::{Answers, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{RawServer, TlsServer};
use serde_json::json;

use crate::stage::{LATEST, connect, hello, host, refusal, towards};

/// A host whose call, of this id, is being carried out.
async fn waiting(pki: &Pki, server: &McpServer) -> (Host, u64) {
    let mut host = connect(pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    let call = host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
    server.wait_for_waiting(1).await;
    (host, call)
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_in_time_with_the_step() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let held = async |stream: mcp_mtls_testkit::server::Stream, _| {
        let _stream = stream;
        std::future::pending::<()>().await;
    };
    for (server, step) in [
        (RawServer::start(&pki, held).await, "its answer did not come"),
        (RawServer::start_plain(held).await, "the TLS handshake was not finished"),
    ] {
        let url = format!("https://localhost:{}/mcp", server.addr().port());
        let began = Instant::now();
        let mut host = towards(&pki, &url, &client).args(["--timeout", "700"]).spawn();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], "timed-out", "{error:#}");
        assert!(error["data"]["why"].to_string().contains(step), "{error:#}");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        server.stop().await;
    }
}

#[tokio::test]
async fn a3_answers_in_flight_are_given_after_the_end_of_input() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let (mut host, call) = waiting(&pki, &server).await;
    host.close_stdin();
    server.release().await;
    assert!(host.answer_to(call).await["result"].is_object());
    assert!(host.wait_exit(Duration::from_secs(5)).await.success());
    server.wait_for_delete().await;
}

#[tokio::test]
async fn a3_a_call_that_does_not_end_is_answered_five_seconds_after_the_end_of_input() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let (mut host, call) = waiting(&pki, &server).await;
    host.close_stdin();
    assert_eq!(host.answer_to(call).await["error"]["data"]["code"], "stopped");
    assert!(host.wait_exit(Duration::from_secs(5)).await.success());
    server.wait_for_delete().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a3_signals_end_it_within_eighty_milliseconds() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    for signal in ["TERM", "INT"] {
        let (mut host, call) = waiting(&pki, &server).await;
        let began = Instant::now();
        host.signal(signal);
        assert!(host.wait_exit(Duration::from_secs(5)).await.success());
        let took = began.elapsed();
        assert_eq!(host.answer_to(call).await["error"]["data"]["code"], "stopped");
        // The aim is 80 ms; the machine that runs the tests may be busy.
        assert!(took < Duration::from_millis(400), "{signal}: {took:?}");
        server.wait_for_delete().await;
    }
}

#[tokio::test]
async fn a3_a_host_that_does_not_read_any_more_ends_it() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    host.close_stdout().await;
    // The first write may still succeed, while another process is being started with the pipe open.
    for _ in 0..100 {
        if host.has_exited() {
            break;
        }
        host.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    host.wait_exit(Duration::from_secs(5)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a3_no_orphan_stays_when_the_host_is_killed() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let client = pki.client("alice");
    // A shell in the host's place, which can be killed without a word; the bridge is its child.
    let script = format!(
        "exec 3<&0; {} connect {} --ca {} --cert {} --key {} <&3 & echo $! >&2; wait",
        crate::stage::binary().display(),
        server.url(),
        std::path::Path::new(&pki.server_ca_file()).display(),
        client.cert_file.display(),
        client.key_file.display()
    );
    let mut shell =
        mcp_mtls_testkit::host::Host::builder(std::path::Path::new("/bin/sh")).args(["-c", &script]).spawn();
    assert!(shell.request("initialize", hello(LATEST)).await["result"].is_object());
    let child = shell.stderr().trim().to_owned();
    let child = rustix::process::Pid::from_raw(child.parse().expect("a process id")).expect("a process id");
    assert!(runs(child));
    shell.kill().await;
    shell.close_stdin();
    server.wait_for_delete().await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while runs(child) {
        assert!(Instant::now() < deadline, "it runs on without a host");
        tokio::task::yield_now().await;
    }
}

/// Whether a process runs. One that has ended and that nobody has waited for does not.
#[cfg(unix)]
fn runs(process: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    let ended = stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")));
    rustix::process::test_kill_process(process).is_ok() && !ended
}

#[tokio::test]
async fn an_unread_stderr_holds_up_nothing() {
    let pki = Pki::new();
    let options = McpOptions { answers: Answers::Json, ..McpOptions::default() };
    let server = McpServer::with(&pki, options).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    host.stall_stderr();
    // Each of these notifications fails, which is told on stderr.
    server.forget_sessions();
    for _ in 0..1000 {
        host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })).await;
    }
    let answer = host.request("server/discover", json!({})).await;
    assert!(answer["error"].is_object());
    host.close_stdin();
    host.wait_exit(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_arguments_is_told_to_the_host() {
    for (arguments, code, status) in [
        (&["corp", "--crt", "x"][..], "usage-invalid", 2),
        (&[], "usage-invalid", 2),
        (&["corp", "abc"], "usage-invalid", 2),
        (&["corp", "--timeout", "abc"], "usage-invalid", 2),
        (&["corp"], "config-unreadable", 1),
        (&["http://mcp.example/"], "config-invalid-value", 1),
        (&["https://mcp.example/", "-H", "Authorization: Bearer abc"], "secret-in-arguments", 2),
        (&["https://mcp.example/", "--cert", "/no/such/file", "--key", "/no/such/file"], "file-unreadable", 1),
    ] {
        let mut host = host(arguments).spawn();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], code, "{error:#}");
        assert!(!error.to_string().contains("abc"), "a secret is repeated: {error}");
        // The process lives on, since hosts ask more than once.
        assert!(host.request("ping", json!({})).await["error"].is_object());
        host.close_stdin();
        assert_eq!(host.wait_exit(Duration::from_secs(5)).await.code(), Some(status));
        assert!(host.drained_stderr().await.contains(&format!("code: {code}")));
    }
}

#[test]
fn arguments_that_may_be_secrets_are_not_repeated_to_a_person() {
    let folder = std::env::temp_dir();
    for arguments in [
        &["doctor", "https://mcp.example/", "hunter2"][..],
        &["doctor", "https://mcp.example/", "--key", "-----BEGIN PRIVATE KEY-----\nhunter2"],
        &["doctor", "https://mcp.example/", "--bearer=hunter2"],
        &["certs", "show", "a.pem", "--token=hunter2"],
    ] {
        let outcome = crate::run::mcp_mtls(&folder, arguments);
        assert_eq!(outcome.status, 2, "{}", outcome.stderr);
        let told = outcome.stdout + &outcome.stderr;
        assert!(told.contains("error: ") && !told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_on_stderr_too_and_ends_with_status_1() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = connect(&pki, &server.url(), &pki.stranger_client());
    refusal(&mut host).await;
    host.close_stdin();
    assert_eq!(host.wait_exit(Duration::from_secs(5)).await.code(), Some(1));
    assert!(host.drained_stderr().await.contains("code: certificate-refused"));
}

#[tokio::test]
async fn the_end_of_a_session_opens_no_stream() {
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).alpn(&["http/1.1"]), McpOptions::default()).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    host.initialize(LATEST).await;
    server.notify(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#).await;
    host.recv_method("notifications/tools/list_changed").await;
    host.close_stdin();
    assert!(host.wait_exit(Duration::from_secs(5)).await.success());
    server.wait_for_delete().await;
    // One for the stream, one for all else.
    assert_eq!(server.server().connections().len(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a3_a_signal_counts_while_answers_and_the_server_are_waited_for() {
    let pki = Pki::new();
    // A call that does not end.
    let server = McpServer::start(&pki).await;
    let (mut host, call) = waiting(&pki, &server).await;
    host.close_stdin();
    // That stdin has ended is seen by nobody; a moment is enough.
    tokio::time::sleep(Duration::from_millis(200)).await;
    expect_quick_end(&mut host).await;
    assert_eq!(host.answer_to(call).await["error"]["data"]["code"], "stopped");
    server.wait_for_delete().await;

    // A server that does not answer when the session ends.
    let (asked, mut ending) = tokio::sync::mpsc::unbounded_channel();
    let server = TlsServer::builder(&pki)
        .handler(move |request, _| {
            let deletes = request.method() == "DELETE";
            let message: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let result = json!({ "protocolVersion": LATEST, "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
            let mut response = reply::json(200, answer);
            response.headers_mut().insert("mcp-session-id", "s".parse().expect("visible ASCII"));
            let asked = asked.clone();
            async move {
                if deletes {
                    let _ = asked.send(());
                    std::future::pending::<()>().await;
                }
                response
            }
        })
        .start()
        .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    assert!(host.request("initialize", hello(LATEST)).await["result"].is_object());
    host.close_stdin();
    ending.recv().await.expect("the end of the session");
    expect_quick_end(&mut host).await;
}

#[cfg(unix)]
async fn expect_quick_end(host: &mut Host) {
    let began = Instant::now();
    host.signal("TERM");
    assert!(host.wait_exit(Duration::from_secs(10)).await.success());
    // The aim is 80 ms; the machine that runs the tests may be busy.
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
}

//! The log file: what it tells, and what it never does.

use std::path::Path;
use std::time::Duration;

use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

use crate::stage::{LATEST, refusal, towards};

const TOKEN: &str = "token-that-nobody-may-see";
const WORDS: &str = "words of the conversation";

/// A host that has made one call, with these flags beside the log file's; and the log.
async fn logged(server: &McpServer, pki: &Pki, log: &Path, flags: &[&str]) -> Vec<Value> {
    let mut host = towards(pki, &server.url(), &pki.client("alice"))
        .args([Path::new("--log-file"), log])
        .args(["-H", "Authorization: Bearer {env:TOKEN}"])
        .args(flags)
        .env("TOKEN", TOKEN)
        .spawn();
    host.initialize(LATEST).await;
    host.send_raw(&format!(
        r#"{{"jsonrpc":"2.0","id":"call \"1\"","method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{WORDS}"}}}}}}"#
    ))
    .await;
    host.recv().await;
    end(&mut host).await;
    lines(log)
}

async fn end(host: &mut Host) {
    host.close_stdin();
    assert!(host.wait_exit(Duration::from_secs(5)).await.success());
}

fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| panic!("no log file: {error}"));
    assert!(!text.contains(TOKEN), "{text}");
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
    text.lines().map(read).collect()
}

fn messages(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["event"] == "message").collect()
}

#[tokio::test]
async fn a_log_file_tells_nothing_of_messages_and_is_its_owners() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let log = pki.write("own.log", "");
    #[cfg(unix)]
    std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("permissions");
    let lines = logged(&server, &pki, &log, &[]).await;
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().expect("an event")).collect();
    assert_eq!(events, ["started", "ended"]);
    assert_eq!(lines[0]["url"], server.url());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(log.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_trace_has_a_line_for_each_message_without_its_content() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let log = pki.write("trace.log", "");
    let lines = logged(&server, &pki, &log, &["--trace"]).await;
    let text = std::fs::read_to_string(&log).expect("a log file");
    assert!(!text.contains(WORDS) && !text.contains("echo"), "{text}");
    let told: Vec<_> = messages(&lines)
        .into_iter()
        .map(|line| (line["to"].as_str(), line["kind"].as_str(), line["method"].as_str(), &line["id"], &line["status"]))
        .collect();
    let (null, ok, id) = (&Value::Null, &json!(200), &json!("call \"1\""));
    assert_eq!(
        told,
        [
            (Some("server"), Some("request"), Some("initialize"), &json!(1), ok),
            (Some("host"), Some("result"), None, &json!(1), null),
            (Some("server"), Some("notification"), Some("notifications/initialized"), null, &json!(202)),
            (Some("server"), Some("request"), Some("tools/call"), id, ok),
            (Some("host"), Some("result"), None, id, null),
        ]
    );
    let call = messages(&lines)[3];
    assert_eq!(call["bytes"], server.received().last().expect("a call").len());
    assert!(call["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{call}");
    let time = call["time"].as_str().expect("a time");
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
}

#[tokio::test]
async fn bodies_are_traced_only_when_asked_for() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let log = pki.write("bodies.log", "");
    let lines = logged(&server, &pki, &log, &["--trace", "--trace-bodies"]).await;
    let bodies: Vec<_> = messages(&lines).into_iter().map(|line| line["body"].as_str().expect("a body")).collect();
    assert_eq!(bodies[3], server.received().last().expect("a call"));
    assert_eq!(bodies[4], server.sent().last().expect("an answer"));
}

#[tokio::test]
async fn what_the_host_is_told_stands_in_the_log_file_too() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let log = pki.write("failure.log", "");
    let log_flag = ["--log-file", log.to_str().expect("UTF-8")];
    let mut host = towards(&pki, &server.url(), &pki.stranger_client()).args(log_flag).spawn();
    refusal(&mut host).await;
    host.close_stdin();
    host.wait_exit(Duration::from_secs(5)).await;
    let lines = lines(&log);
    assert_eq!((&lines[1]["event"], &lines[1]["failure"]["code"]), (&json!("failure"), &json!("certificate-refused")));
    assert_eq!((&lines[2]["event"], &lines[2]["failure"]["code"]), (&json!("ended"), &json!("certificate-refused")));
}

#[tokio::test]
async fn every_line_names_its_process() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let log = pki.write("shared.log", "");
    let mut pids = Vec::new();
    for client in [pki.client("alice"), pki.stranger_client()] {
        let flags = [Path::new("--log-file"), &log, Path::new("--trace")];
        let mut host = towards(&pki, &server.url(), &client).args(flags).spawn();
        host.initialize(LATEST).await;
        host.close_stdin();
        host.wait_exit(Duration::from_secs(5)).await;
        pids.push(host.pid());
    }
    let lines = lines(&log);
    assert!(lines.iter().any(|line| line["event"] == "failure"), "{lines:#?}");
    let mut named: Vec<_> = lines.iter().map(|line| line["process"].as_u64().unwrap_or_default()).collect();
    named.dedup();
    assert_eq!(named, pids.into_iter().map(u64::from).collect::<Vec<_>>(), "{lines:#?}");
}

#[tokio::test]
async fn a5_a_failure_names_the_id_as_it_was_written() {
    const ID: &str = "123456789012345678901234567890";
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).handler(async |_, _| reply::text(500, "no")).start().await;
    let log = pki.write("id.log", "");
    let log_flag = [Path::new("--log-file"), &log];
    let mut host = towards(&pki, &server.url("/mcp"), &pki.client("alice")).args(log_flag).spawn();
    host.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":{ID},"method":"tools/call","params":{{}}}}"#)).await;
    assert!(host.recv_raw().await.contains(ID));
    host.close_stdin();
    host.wait_exit(Duration::from_secs(5)).await;
    let text = std::fs::read_to_string(&log).expect("a log file");
    let failure = text.lines().find(|line| line.contains("\"failure\"")).expect("a failure");
    assert!(failure.contains(&format!("\"id\":{ID}")), "{failure}");
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written_is_told_to_the_host() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for (flags, code) in [
        (&["--log-file", "/no/such/folder/log"][..], "file-unwritable"),
        (&["--log-file", "/dev/null"], "file-unwritable"),
        (&["--trace"], "usage-invalid"),
        (&["--log-file", "~/no-such-folder/log"], "file-unwritable"),
        (&["--log-file", "x", "--trace-bodies"], "usage-invalid"),
    ] {
        let mut host = towards(&pki, "https://127.0.0.1:1/", &client).args(flags).spawn();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], code, "{error:#}");
        let told = error["message"].as_str().unwrap_or_default();
        assert!(flags != ["--trace"] || told.contains("`--trace` needs `--log-file FILE`. Add"), "{error:#}");
    }
}

#[tokio::test]
async fn a_log_file_may_be_in_the_home_folder() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = towards(&pki, &server.url(), &pki.client("alice"))
        .args(["--log-file", "~/at-home.log"])
        .home(pki.dir())
        .spawn();
    host.initialize(LATEST).await;
    end(&mut host).await;
    assert_eq!(lines(&pki.dir().join("at-home.log"))[0]["event"], "started");
}

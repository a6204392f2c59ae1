//! C11: `server/discover` and `initialize`, in either order, towards servers of every age.

use std::time::{Duration, Instant};

use mcp_mtls_testkit::mcp::{Era, HttpSse, McpOptions};
use mcp_mtls_testkit::pki::Pki;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{end, exchange, request, said, staged, staged_at};
use crate::stage::{LATEST, hello, towards};

fn discover(id: &str) -> String {
    request(id, "server/discover", "")
}

#[tokio::test]
async fn c11_a_legacy_server_says_no_at_once_and_then_initialize_works() {
    for probe in [discover("\"p\""), r#"{"jsonrpc":"2.0","id":"p","method":"server/discover"}"#.to_owned()] {
        let mut stage = staged_at("http/1.1", McpOptions::default()).await;
        let answer: Value = serde_json::from_str(&exchange(&mut stage.host, &probe).await).unwrap_or_default();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("p"), &json!(-32000)), "{answer}");
        assert_eq!(answer["error"]["data"]["fifty"], 50, "it is the server's own: {answer}");
        assert!(stage.host.initialize(LATEST).await["result"].is_object());
        assert!(stage.host.call("echo", json!({ "text": "hi" })).await["result"].is_object());
        end(&mut stage.host).await;
        assert_eq!(stage.server.ended_sessions().len(), 1);
        let requests = stage.server.requests();
        assert_eq!(requests[0].text(), probe);
        let said = said(&requests[0]);
        assert_eq!(said[0], "mcp-method: server/discover");
        assert_eq!(said.len(), 1 + usize::from(probe.contains("_meta")), "{said:?}");
    }
}

#[tokio::test]
async fn c11_a_server_without_sessions_may_answer_the_probe_as_an_unknown_method() {
    let mut stage = staged_at("h2", McpOptions { session: false, ..McpOptions::default() }).await;
    let answer: Value = serde_json::from_str(&exchange(&mut stage.host, &discover("1")).await).unwrap_or_default();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32601)), "{answer}");
    assert!(stage.host.initialize(LATEST).await["result"].is_object());
    end(&mut stage.host).await;
}

#[tokio::test]
async fn c11_discover_may_come_after_initialize_and_leaves_the_session_alone() {
    for era in [Era::Legacy, Era::Both] {
        let mut stage = staged_at("http/1.1", McpOptions { era, ..McpOptions::default() }).await;
        stage.host.initialize(LATEST).await;
        stage.server.wait_for_session("it to begin", |session| session.initialized).await;
        let answer: Value =
            serde_json::from_str(&exchange(&mut stage.host, &discover("\"d\"")).await).unwrap_or_default();
        assert_eq!(answer["id"], "d");
        assert_eq!(answer.get("result").is_some(), era == Era::Both, "{answer}");
        assert!(stage.host.call("echo", json!({ "text": "hi" })).await["result"].is_object());
        end(&mut stage.host).await;
        assert_eq!((stage.server.initializes(), stage.server.ended_sessions().len()), (1, 1));
        let requests = stage.server.requests();
        let Some(probe) = requests.iter().find(|request| request.text() == discover("\"d\"")) else {
            panic!("{requests:#?}")
        };
        said(probe);
    }
}

#[tokio::test]
async fn c11_a_modern_server_names_its_versions_to_a_host_that_initializes() {
    let mut stage = staged(McpOptions::default()).await;
    let answer = stage.host.request("initialize", hello(LATEST)).await;
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    assert_eq!(answer["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": LATEST }));
    assert!(exchange(&mut stage.host, &discover("7")).await.contains("supportedVersions"));
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    assert_eq!(requests.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["POST", "POST"]);
}

#[tokio::test]
async fn c11_a_server_of_http_and_sse_refuses_the_probe_and_initialize_falls_back() {
    for protocol in super::PROTOCOLS {
        let options = McpOptions { http_sse: Some(HttpSse::default()), ..McpOptions::default() };
        let mut stage = staged_at(protocol, options).await;
        let answer: Value =
            serde_json::from_str(&exchange(&mut stage.host, &discover("\"d\"")).await).unwrap_or_default();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("d"), &json!(-31000)), "{answer}");
        assert_eq!(answer["error"]["data"]["evidence"]["status"], 405, "{answer}");
        assert_eq!(stage.server.requests().len(), 1, "the probe opens nothing");
        assert!(stage.host.initialize("2024-11-05").await["result"].is_object());
        assert!(stage.host.call("echo", json!({ "text": "hi" })).await["result"].is_object());
        end(&mut stage.host).await;
        let ways: Vec<_> = stage.server.requests().iter().map(|request| request.method.to_string()).collect();
        assert_eq!(ways[..4], ["POST", "POST", "GET", "POST"], "the probe, initialize, the stream, initialize");
    }
}

#[tokio::test]
async fn c11_one_wait_for_a_server_that_does_not_answer_is_enough() {
    // It accepts, and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let pki = Pki::new();
    let url = format!("https://localhost:{port}/mcp");
    let timeout = Duration::from_millis(1500);
    let mut host = towards(&pki, &url, &pki.client("alice")).args(["--timeout", "1500"]).spawn();
    let began = Instant::now();
    let probed: Value = serde_json::from_str(&exchange(&mut host, &discover("\"d\"")).await).unwrap_or_default();
    let waited = began.elapsed();
    assert_eq!((&probed["id"], &probed["error"]["data"]["code"]), (&json!("d"), &json!("timed-out")), "{probed}");
    assert!(waited < timeout * 2, "{waited:?}");
    let began = Instant::now();
    let refused = host.request("initialize", hello(LATEST)).await;
    assert!(began.elapsed() < timeout / 2, "{:?}", began.elapsed());
    assert_eq!(refused["error"], probed["error"], "the same failure");
    // It holds for one beginning: the next one tries, and waits, anew.
    let began = Instant::now();
    let again = host.request("initialize", hello(LATEST)).await;
    assert_eq!(again["error"]["data"]["code"], "timed-out");
    assert!(began.elapsed() > timeout / 2, "{:?}", began.elapsed());
    host.close_stdin();
    host.wait_exit(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn c11_initialize_may_come_again_and_no_stream_opens_outside_a_session() {
    let mut stage = staged_at("http/1.1", McpOptions::default()).await;
    let own = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    for sessions in 1..=3 {
        stage.server.hold("initialize");
        let beginning = stage.host.start_request("initialize", hello(LATEST)).await;
        stage.server.wait_for_methods("initialize", sessions).await;
        // It takes its way beside initialize, so what the end of the last session set off is done by its answer.
        exchange(&mut stage.host, &discover("\"d\"")).await;
        stage.server.let_go("initialize");
        assert!(stage.host.answer_to(beginning).await["result"].is_object());
        stage.host.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        stage.server.wait_for_session("it to begin", |session| session.initialized).await;
        stage.server.notify(own).await;
        assert_eq!(stage.host.recv_raw().await, own);
    }
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    let streams: Vec<_> = requests.iter().filter(|request| request.method == "GET").collect();
    let sessions: Vec<_> = streams.iter().map(|request| request.header("mcp-session-id")).collect();
    assert_eq!(sessions, [Some("testkit-session-1"), Some("testkit-session-2"), Some("testkit-session-3")]);
}

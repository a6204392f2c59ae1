//! C9: subscriptions live as long as both ends want, and the host hears of every other end.

use std::time::Duration;

use mcp_mtls_testkit::mcp::{Era, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};

use super::{PROTOCOLS, Stage, call, end, exchange, posts, request, said, scripted, staged_over};
use crate::stage::towards;

fn listen(id: &str) -> String {
    request(
        id,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://\u00e9"]}"#,
    )
}

async fn subscribed(protocol: &str, id: &str) -> Stage {
    let mut stage = staged_over(protocol, McpOptions::default()).await;
    let acknowledged = exchange(&mut stage.host, &listen(id)).await;
    assert_eq!(stage.server.sent(), [acknowledged.as_str()]);
    assert!(acknowledged.contains("notifications/subscriptions/acknowledged"), "{acknowledged}");
    stage
}

#[tokio::test]
async fn c9_notifications_pass_unchanged_for_longer_than_any_timeout() {
    for protocol in PROTOCOLS {
        let pki = Pki::new();
        let options = McpOptions { era: Era::Modern, ..McpOptions::default() };
        let server = McpServer::on(TlsServer::builder(&pki).alpn(&[protocol]), options).await;
        let mut host = towards(&pki, &server.url(), &pki.client("alice")).args(["--timeout", "800"]).spawn();
        let id = "12345678901234567890123";
        exchange(&mut host, &listen(id)).await;
        // While this times out, the subscription has been silent for as long.
        server.hold("server/discover");
        let late = exchange(&mut host, &request("2", "server/discover", "")).await;
        assert!(late.contains(r#""code":"timed-out""#), "{late}");
        server.announce("notifications/tools/list_changed", &json!({})).await;
        server.announce("notifications/resources/updated", &json!({ "uri": "test://é" })).await;
        for method in ["notifications/tools/list_changed", "notifications/resources/updated"] {
            let line = host.recv_raw().await;
            assert!(server.sent().contains(&line), "{line}");
            assert!(line.contains(method) && line.contains(&format!(r#"subscriptionId":{id}}}"#)), "{line}");
        }
        server.end_subscriptions();
        let ended = host.recv_raw().await;
        assert_eq!(server.sent().last(), Some(&ended));
        assert!(ended.contains(&format!(r#""id":{id},"#)), "{ended}");
        end(&mut host).await;
        assert_eq!(server.requests().len(), 2, "nothing was asked for again");
        assert_eq!(said(&server.requests()[0]), ["mcp-method: subscriptions/listen", super::VERSION]);
    }
}

#[tokio::test]
async fn c9_an_end_without_an_answer_becomes_one_cancelled() {
    for protocol in PROTOCOLS {
        for id in ["7", "\"\\u0073-1\"", "18446744073709551615", "12345678901234567890123", "1.0"] {
            for cut in [false, true] {
                let mut stage = subscribed(protocol, id).await;
                if cut {
                    stage.server.server().cut().await;
                } else {
                    stage.server.cut_subscriptions();
                }
                let line = stage.host.recv_raw().await;
                let expected =
                    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"#);
                assert!(line.starts_with(&expected), "{line}");
                let told: Value = serde_json::from_str(&line).unwrap_or_default();
                assert!(told["params"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
                // The id is free again, and no answer to it follows.
                let echo = call(id, "echo", r#"{"text":"still here"}"#);
                assert!(exchange(&mut stage.host, &echo).await.contains("still here"));
                assert_eq!(end(&mut stage.host).await, "");
                assert_eq!(posts(&stage.server.requests()), [listen(id), echo]);
            }
        }
    }
}

#[tokio::test]
async fn c9_a_subscription_that_never_began_is_answered() {
    // With the server's own error, or with ours when there was no stream.
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no\u00e9"}}"#;
    let mut stage = scripted(move |message| match message["params"]["x"].as_i64() {
        Some(0) => reply::json(400, error),
        _ => reply::text(503, "busy"),
    })
    .await;
    let with = |x: u8| request("1", "subscriptions/listen", &format!(r#""x":{x}"#));
    assert_eq!(exchange(&mut stage.host, &with(0)).await, error);
    let answer: Value = serde_json::from_str(&exchange(&mut stage.host, &with(1)).await).unwrap_or_default();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-31000)), "{answer}");
    end(&mut stage.host).await;
    assert_eq!(stage.server.requests().len(), 2);
}

#[tokio::test]
async fn c9_a_host_that_leaves_does_not_wait_for_its_subscriptions() {
    for protocol in PROTOCOLS {
        let mut stage = subscribed(protocol, "1").await;
        exchange(&mut stage.host, &listen("\"2\"")).await;
        stage.host.close_stdin();
        assert!(stage.host.wait_exit(Duration::from_secs(2)).await.success());
        let mut closed = stage.server.wait_for_closed_streams(2).await;
        closed.sort();
        assert_eq!(closed, ["\"2\"", "1"]);
        assert_eq!(stage.host.drained_stdout().await, [""; 0]);
        assert_eq!(posts(&stage.server.requests()).len(), 2);
    }
}

#[tokio::test]
async fn c9_a_host_that_leaves_still_gets_its_answers() {
    let mut stage = subscribed("http/1.1", "1").await;
    stage.host.send_raw(&call("2", "wait", "{}")).await;
    stage.server.wait_for_waiting(1).await;
    stage.host.close_stdin();
    assert_eq!(stage.server.wait_for_closed_streams(1).await, ["1"]);
    stage.server.release().await;
    assert!(stage.host.wait_exit(Duration::from_secs(5)).await.success());
    let lines = stage.host.drained_stdout().await;
    assert_eq!(stage.server.sent().last(), lines.first());
    assert_eq!(lines.len(), 1);
}

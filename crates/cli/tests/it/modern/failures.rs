//! C10: what breaks is answered, and never sent again; errors of the server are answers.

use mcp_mtls_testkit::mcp::{Era, McpOptions};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::RawServer;
use serde_json::{Value, json};

use super::{
    PROTOCOLS, call, empty_result, end, exchange, posts, request, scripted, scripted_over, staged_at, staged_over,
};
use crate::stage::{LATEST, connect};

fn is_ours(line: &str, id: &Value, code: &str) {
    let answer: Value = serde_json::from_str(line).unwrap_or_default();
    let error = &answer["error"];
    assert_eq!((&answer["id"], &error["code"]), (id, &json!(-31000)), "{line}");
    assert_eq!((&error["data"]["source"], &error["data"]["code"]), (&json!("mcp-mtls"), &json!(code)), "{line}");
}

#[tokio::test]
async fn c10_a_stream_that_ends_is_answered_and_not_taken_up_again() {
    for protocol in PROTOCOLS {
        let mut stage = scripted_over(protocol, |message| {
            if message["params"]["name"] != "breaks" {
                return empty_result(message);
            }
            let (events, response) = reply::events();
            events.raw("id: e-1\nretry: 1\ndata:\n\n");
            events.raw("id: e-2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n");
            response
        })
        .await;
        let breaks = call("\"b\"", "breaks", "{}");
        let note = exchange(&mut stage.host, &breaks).await;
        assert_eq!(note, r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
        is_ours(&stage.host.recv_raw().await, &json!("b"), "connection-lost");
        let next = call("2", "echo", "{}");
        exchange(&mut stage.host, &next).await;
        assert_eq!(end(&mut stage.host).await, "");
        assert_eq!(posts(&stage.server.requests()), [breaks, next]);
    }
}

#[tokio::test]
async fn c10_a_cut_connection_is_answered_and_the_call_is_not_made_twice() {
    for protocol in PROTOCOLS {
        for answers in [mcp_mtls_testkit::mcp::Answers::Json, mcp_mtls_testkit::mcp::Answers::Sse] {
            let mut stage = staged_over(protocol, McpOptions { answers, ..McpOptions::default() }).await;
            // A connection that ends before a first word may mean a certificate that was refused.
            let first = call("0", "echo", "{}");
            exchange(&mut stage.host, &first).await;
            let waits = call("1", "wait", "{}");
            stage.host.send_raw(&waits).await;
            stage.server.wait_for_waiting(1).await;
            stage.server.server().cut().await;
            is_ours(&stage.host.recv_raw().await, &json!(1), "connection-lost");
            let next = call("2", "echo", "{}");
            exchange(&mut stage.host, &next).await;
            assert_eq!(end(&mut stage.host).await, "");
            assert_eq!(posts(&stage.server.requests()), [first, waits, next]);
        }
    }
}

#[tokio::test]
async fn c10_half_an_answer_is_none() {
    let pki = Pki::new();
    let server = RawServer::start(&pki, |mut io, _| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = io.read_request().await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
        io.write_all(head).await.expect("written");
        io.write_all(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await.expect("written");
        io.shutdown().await.expect("closed");
    })
    .await;
    let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
    is_ours(&exchange(&mut host, &call("1", "echo", "{}")).await, &json!(1), "connection-lost");
    end(&mut host).await;
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test]
async fn c10_errors_of_the_server_are_answers_with_the_id_of_the_request() {
    let of = |id: &str, code: i32| {
        format!(
            r#"{{"jsonrpc":"2.0", "id":{id},"error":{{"code":{code},"message":"Session not found","data":{{"x":1.0,"id":null}}}}}}"#
        )
    };
    for (status, code) in
        [(400, -32020), (400, -32022), (400, -32602), (404, -32601), (404, -32001), (403, -32600), (500, -32603)]
    {
        for given in ["\"\\u0061\"", "null", "\"other\""] {
            let sent = of(given, code);
            let mut stage = scripted(move |_| reply::json(status, sent.clone())).await;
            let line = request("\"\\u0061\"", "resources/list", "");
            assert_eq!(exchange(&mut stage.host, &line).await, of("\"\\u0061\"", code), "{status} {given}");
            assert_eq!(end(&mut stage.host).await, "");
            assert_eq!(posts(&stage.server.requests()), [line]);
        }
    }
}

#[tokio::test]
async fn c10_other_http_errors_are_told_and_nothing_is_sent_again() {
    for (status, body) in [(404, "not here"), (400, "bad"), (405, ""), (401, "who"), (502, "gateway"), (204, "")] {
        let mut stage = scripted(move |_| reply::text(status, body)).await;
        let line = call("1", "echo", "{}");
        let code = match status {
            204 => "not-mcp",
            401 => "http-unauthorized",
            404 | 405 => "http-not-found",
            502 => "http-server-error",
            _ => "http-status",
        };
        is_ours(&exchange(&mut stage.host, &line).await, &json!(1), code);
        end(&mut stage.host).await;
        assert_eq!(posts(&stage.server.requests()), [line]);
    }
}

#[tokio::test]
async fn c10_a_404_is_no_lost_session_even_beside_one() {
    let mut stage = staged_at("http/1.1", McpOptions { era: Era::Both, ..McpOptions::default() }).await;
    stage.host.initialize(LATEST).await;
    stage.server.wait_for_session("it to begin", |session| session.initialized).await;
    let own = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    stage.server.notify(own).await;
    assert_eq!(stage.host.recv_raw().await, own);
    stage.server.forget_sessions();
    let answer = exchange(&mut stage.host, &request("\"m\"", "x/unheard-of", "")).await;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("m"), &json!(-32601)));
    assert_eq!(answer["error"]["data"]["fifty"], 50, "it is the server's own: {answer}");
    assert_eq!(stage.server.initializes(), 1, "no new session");
    assert_eq!(stage.server.received_of("x/unheard-of").len(), 1);
}

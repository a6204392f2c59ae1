//! Part B: what messages and headers the server gets, and which answers it may give.

use http::HeaderValue;
use mcp_mtls_testkit::mcp::{Answers, McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{SeenRequest, TlsServer};
use serde_json::{Value, json};

use super::{initialized, method_of, part, posts, result, says_nothing_more, scripted, welcome};
use crate::stage::{LATEST, connect, hello};

#[tokio::test]
async fn b1_each_message_is_one_post_and_any_2xx_accepts_it() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let method = method_of(request.body());
        let kind = part(request.body(), "x-answer").unwrap_or_default();
        let response = match (method.as_str(), kind.as_str()) {
            (_, "200") => Some(reply::empty(200)),
            (_, "201") => Some(reply::text(201, "created")),
            (_, "204") => Some(reply::empty(204)),
            (_, "299") => Some(reply::json(299, result("\"nobody's\"", "{}"))),
            (_, "\"stream\"") => Some(reply::events().1),
            _ => None,
        };
        std::future::ready(response)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let mut sent = Vec::new();
    for kind in ["200", "201", "204", "299", "\"stream\"", "202"] {
        sent.push(format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","x-answer":{kind}}}"#));
        sent.push(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{ }},"x-answer":{kind}}}"#, sent.len()));
        sent.push(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{ }},"x-answer":{kind}}}"#, sent.len()));
    }
    for message in &sent {
        host.send_raw(message).await;
    }
    let came = |requests: &[SeenRequest]| requests.iter().filter(|one| one.text().contains("x-answer")).count();
    server.record().requests.wait_until("all messages", |requests| came(requests) >= sent.len()).await;
    says_nothing_more(&mut host).await;
    let requests = server.requests();
    for message in &sent {
        let of: Vec<_> = requests.iter().filter(|request| request.body == message.as_bytes()).collect();
        assert_eq!(of.len(), 1, "{message}");
    }
    for request in requests.iter().filter(|request| request.method == "POST") {
        assert_eq!(request.header("accept"), Some("application/json, text/event-stream"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("content-length"), Some(request.body.len().to_string().as_str()));
    }
    host.close_stdin();
    host.wait_exit(std::time::Duration::from_secs(5)).await;
    assert_eq!(host.drained_stderr().await, "", "what is accepted is no trouble");
}

#[tokio::test]
async fn b2_a_response_is_known_by_its_media_type_however_it_is_written() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let id = part(request.body(), "id").unwrap_or_default();
        let method = method_of(request.body());
        let response = method.contains('/').then(|| {
            let mut response = if method.to_ascii_lowercase().contains("json") {
                reply::json(200, result(&id, "[1]"))
            } else {
                let (events, response) = reply::events();
                events.send(r#"{"jsonrpc":"2.0","method":"before"}"#);
                events.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ask"}}"#));
                events.send(&result(&id, "[2]"));
                response
            };
            response.headers_mut().insert("content-type", HeaderValue::from_str(&method).unwrap());
            response
        });
        std::future::ready(response.filter(|_| !method.starts_with("notifications")))
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    for media_type in ["application/json; charset=utf-8", "Application/JSON"] {
        host.send(&json!({ "jsonrpc": "2.0", "id": 5, "method": media_type })).await;
        assert_eq!(host.recv_raw().await, result("5", "[1]"), "{media_type}");
    }
    for media_type in ["text/event-stream;charset=UTF-8", "TEXT/Event-Stream"] {
        host.send(&json!({ "jsonrpc": "2.0", "id": 6, "method": media_type })).await;
        for line in [r#"{"jsonrpc":"2.0","method":"before"}"#, r#"{"jsonrpc":"2.0","id":6,"method":"ask"}"#] {
            assert_eq!(host.recv_raw().await, line, "{media_type}");
        }
        assert_eq!(host.recv_raw().await, result("6", "[2]"), "{media_type}");
    }
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn b3_batches_of_the_server_and_of_the_host_are_whole() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let id = part(request.body(), "id").unwrap_or_default();
        let batch = format!(
            "[{{\"jsonrpc\":\"2.0\",\"method\":\"before\",\"n\":1.0}},\r\n {{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"ask\"}},{}]",
            result(&id, "[ ]")
        );
        let response = match method_of(request.body()).as_str() {
            "initialize" => Some(reply::json(200, result(&id, &welcome("2025-03-26")))),
            "body" => Some(reply::json(200, batch)),
            "event" => {
                let (events, response) = reply::events();
                events.send(&batch);
                Some(response)
            }
            _ => None,
        };
        std::future::ready(response)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    for (id, form) in [(8, "body"), (9, "event")] {
        host.send(&json!({ "jsonrpc": "2.0", "id": id, "method": form })).await;
        let mut lines = [host.recv_raw().await, host.recv_raw().await, host.recv_raw().await];
        lines.sort();
        let mut expected = [
            r#"{"jsonrpc":"2.0","method":"before","n":1.0}"#.to_owned(),
            r#"{"jsonrpc":"2.0","id":"q","method":"ask"}"#.to_owned(),
            result(&id.to_string(), "[ ]"),
        ];
        expected.sort();
        assert_eq!(lines, expected, "{form}");
    }
    let members = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list" }"#,
        r#"{"jsonrpc":"2.0","method":"notifications/x","one":1.0}"#,
        r#"{"jsonrpc":"2.0","id":"1","method":"prompts/list"}"#,
        r#"{"jsonrpc":"2.0","id":"q","result":{"roots":[ ]}}"#,
    ];
    host.send_raw(&format!("  [{} ]", members.join(" , "))).await;
    let mut lines = [host.recv_raw().await, host.recv_raw().await];
    lines.sort();
    assert_eq!(lines, [result("\"1\"", "{}"), result("1", "{}")]);
    let all = |requests: &[SeenRequest]| members.iter().all(|text| requests.iter().any(|one| one.body == *text));
    server.record().requests.wait_until("each member by itself, as it is written", all).await;
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn b4_each_beginning_has_its_own_session() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mut host = initialized(&pki, &server.url()).await;
    server.server().wait_for_requests(3).await;
    host.request("tools/list", json!({})).await;
    let begun = server.requests().len();
    assert!(host.initialize("2025-06-18").await["result"].is_object());
    server.wait_for_session("the second beginning", |session| session.initialized).await;
    host.request("tools/list", json!({})).await;
    let text = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    server.wait_for_session("a stream", |session| session.id == "testkit-session-2").await;
    server.server().record().requests.wait_until("a second GET", |all| gets(all).count() >= 2).await;
    server.notify(text).await;
    assert_eq!(host.recv_method("notifications/message").await["jsonrpc"], "2.0");
    host.close_stdin();
    host.wait_exit(std::time::Duration::from_secs(5)).await;
    let requests = server.requests();
    let of = |request: &SeenRequest| request.header("mcp-session-id").map(str::to_owned);
    for initialize in posts(&requests, "initialize") {
        assert_eq!((of(initialize), initialize.header("mcp-protocol-version")), (None, None));
    }
    let (ended, second): (Vec<_>, Vec<_>) =
        requests[begun..].iter().filter_map(of).partition(|session| session == "testkit-session-1");
    // The session before is ended, and nothing else is said in it.
    assert_eq!(ended.len(), 1);
    assert_eq!(second, vec!["testkit-session-2".to_owned(); second.len()]);
    assert_eq!(second.len() + 2, requests.len() - begun, "all but initialize and the end are in the second session");
    let ends = gets(&requests).map(of).collect::<Vec<_>>();
    assert_eq!(ends, [Some("testkit-session-1".to_owned()), Some("testkit-session-2".to_owned())]);
    assert_eq!(requests.last().map(|last| last.method.as_str()), Some("DELETE"));
}

fn gets(requests: &[SeenRequest]) -> impl Iterator<Item = &SeenRequest> {
    requests.iter().filter(|request| request.method == "GET")
}

#[tokio::test]
async fn b4_a_server_without_sessions_is_told_of_none() {
    let pki = Pki::new();
    let server = McpServer::with(&pki, McpOptions { session: false, ..McpOptions::default() }).await;
    let mut host = initialized(&pki, &server.url()).await;
    host.request("tools/list", json!({})).await;
    host.close_stdin();
    host.wait_exit(std::time::Duration::from_secs(5)).await;
    for request in server.requests() {
        assert_eq!(request.header("mcp-session-id"), None, "{}", request.method);
        assert_ne!(request.method, "DELETE", "there is no session to end");
    }
}

#[tokio::test]
async fn b5_the_revision_is_the_one_that_the_server_agreed_on() {
    let pki = Pki::new();
    for (asked, agreed, header) in [
        (LATEST, "2025-06-18", Some("2025-06-18")),
        ("2025-06-18", LATEST, Some(LATEST)),
        (LATEST, "2025-03-26", None),
        (LATEST, "2024-11-05", None),
        ("2025-03-26", "2099-01-01", Some("2099-01-01")),
    ] {
        let server = scripted(TlsServer::builder(&pki), move |request| {
            let id = part(request.body(), "id").unwrap_or_default();
            let begin = method_of(request.body()) == "initialize";
            std::future::ready(begin.then(|| reply::json(200, result(&id, &welcome(agreed)))))
        })
        .await;
        let mut host = connect(&pki, &server.url("/mcp"), &pki.client("alice"));
        let answer = host.initialize(asked).await;
        assert_eq!(answer["result"]["protocolVersion"], agreed);
        host.request("tools/list", json!({})).await;
        let requests = server.wait_for_requests(4).await;
        for (place, request) in requests.iter().enumerate() {
            let expected = if place == 0 { None } else { header };
            assert_eq!(request.header("mcp-protocol-version"), expected, "{asked}, {agreed}: {}", request.text());
        }
    }
}

#[tokio::test]
async fn b13_errors_of_json_rpc_pass_with_any_status_and_the_id_of_their_request() {
    let pki = Pki::new();
    let error = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"no","x":1.0}}}}"#);
    let server = scripted(TlsServer::builder(&pki), move |request| {
        let method = method_of(request.body());
        let response = method.split_once(' ').map(|(status, id)| {
            let (status, id) = (status.parse().unwrap(), id.replace("own", &part(request.body(), "id").unwrap()));
            // Some send it with a media type of no use.
            if status == 403 { reply::text(status, error(&id)) } else { reply::json(status, error(&id)) }
        });
        std::future::ready(response)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    for status in [400, 401, 403, 404, 406, 422, 429, 500, 503] {
        for id in ["null", "own", "\"server-error\""] {
            host.send(&json!({ "jsonrpc": "2.0", "id": "é 1", "method": format!("{status} {id}") })).await;
            assert_eq!(host.recv_raw().await, error("\"é 1\""), "{status} {id}");
        }
    }
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn b2_initialize_too_may_be_answered_by_a_stream_that_says_something_first() {
    let pki = Pki::new();
    let server = McpServer::with(&pki, McpOptions { initialize: Answers::Sse, ..McpOptions::default() }).await;
    let mut host = connect(&pki, &server.url(), &pki.client("alice"));
    let answer = host.request("initialize", hello(LATEST)).await;
    assert_eq!(answer["result"]["protocolVersion"], LATEST);
    assert_eq!(host.inbox(), [Value::Null; 0]);
}

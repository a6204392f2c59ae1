//! The modern server: strict about headers, stateless, and aware of streams that the client closes.

mod lists;

use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{Caller, Reader, initialize, stage, text};
use crate::mcp::{Answers, Era, McpOptions, McpServer};
use crate::pki::{Client, Pki};
use crate::server::TlsServer;

#[tokio::test]
async fn every_answer_is_complete_and_names_the_server() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let found = ask(&mut client, "server/discover", json!({}), &[]).await;
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(found["result"]["resultType"], "complete");
    assert_eq!(found["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "testkit");
    let who = ask(&mut client, "tools/call", json!({"name":"whoami"}), &[("mcp-name", "whoami")]).await;
    assert_eq!(who["result"]["content"][0]["text"], alice.fingerprint.as_str());
    let uri = json!({"uri":"test://é"});
    let read = ask(&mut client, "resources/read", uri, &[("mcp-name", "=?base64?dGVzdDovL8OpP?=")]).await;
    assert_eq!(read["error"]["code"], -32020, "that is not Base64");
    let read =
        ask(&mut client, "resources/read", json!({"uri":"test://é"}), &[("mcp-name", "=?base64?dGVzdDovL8Op?=")]);
    assert_eq!(read.await["result"]["contents"][0]["uri"], "test://é");
    let named = ask(&mut client, "tools/call", json!({"name":"naïve"}), &[("mcp-name", "=?base64?bmHDr3Zl?=")]).await;
    assert_eq!(named["result"]["content"][0]["text"], "naïve");

    let first = ask(&mut client, "tools/call", json!({"name":"ask"}), &[("mcp-name", "ask")]).await;
    assert_eq!(first["result"]["resultType"], "input_required");
    let again = json!({"name":"ask","inputResponses":{"name":{"action":"decline"}}});
    let second = ask(&mut client, "tools/call", again, &[("mcp-name", "ask")]).await;
    assert_eq!(second["result"]["content"][0]["text"], r#"{"name":{"action":"decline"}}"#);
    assert_eq!(server.sent().len(), 6, "results alone, no refusals");
}

#[tokio::test]
async fn headers_that_do_not_say_what_the_body_says_are_refused() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let call = message("tools/call", json!({"name":"echo","arguments":{}}));
    let (version, method, name) =
        (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo"));
    let mut bare = call.clone();
    bare["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion":"2026-07-28"});
    let mut unsaid = call.clone();
    unsaid["params"]["_meta"] = json!({});
    let mut newer = call.clone();
    newer["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
    let list = message("tools/list", json!({}));
    let unheard = message("x/unheard-of", json!({}));
    let unheard_of = ("mcp-method", "x/unheard-of");
    let answer = json!({"jsonrpc":"2.0","id":1,"result":{}});
    let batch = json!([call]);
    for (body, headers, status, code) in [
        (&call, vec![version, method, name], 200, None),
        (&call, vec![method, name], 400, Some(-32020)),
        (&call, vec![("mcp-protocol-version", "2025-11-25"), method, name], 400, Some(-32020)),
        (&call, vec![version, name], 400, Some(-32020)),
        (&call, vec![version, ("mcp-method", "Tools/Call"), name], 400, Some(-32020)),
        (&call, vec![version, method], 400, Some(-32020)),
        (&call, vec![version, method, ("mcp-name", "Echo")], 400, Some(-32020)),
        (&call, vec![version, method, name, ("mcp-session-id", "1")], 400, Some(-32600)),
        (&list, vec![version, ("mcp-method", "tools/list"), name], 400, Some(-32020)),
        (&bare, vec![version, method, name], 400, Some(-32602)),
        (&unsaid, vec![version, method, name], 400, Some(-32602)),
        (&newer, vec![("mcp-protocol-version", "2027-01-01"), method, name], 400, Some(-32022)),
        (&unheard, vec![version, unheard_of], 404, Some(-32601)),
        (&answer, vec![version], 400, Some(-32600)),
        (&batch, vec![version, method, name], 400, Some(-32600)),
    ] {
        let mut request = client.request("POST", &body.to_string());
        for (name, value) in &headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = client.connection.send(request).await.unwrap();
        assert_eq!(response.status(), status, "{headers:?} {}", text(&response));
        let answer: Value = serde_json::from_str(&text(&response)).unwrap();
        assert_eq!(answer["error"]["code"].as_i64(), code, "{headers:?} {answer}");
    }
    let mut twice = modern(&client, "tools/list", json!({}), &[]);
    twice.headers_mut().append("mcp-method", "tools/list".parse().unwrap());
    assert_eq!(client.connection.send(twice).await.unwrap().status(), 400);
    for method in ["GET", "DELETE"] {
        assert_eq!(client.send(method, "").await.status(), 405);
    }
}

#[tokio::test]
async fn annotated_arguments_are_repeated_in_headers() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let region = ("mcp-param-region", "eu");
    for (arguments, params, fine) in [
        (
            json!({"region":"eu","dry":true,"where":{"floor":-3},"note":"n"}),
            vec![region, ("mcp-param-dry-run", "true"), ("mcp-param-floor", "-3")],
            true,
        ),
        (json!({"region":"eu","where":{"floor":42.0}}), vec![region, ("mcp-param-floor", "42")], true),
        (json!({"region":"eu","dry":null}), vec![region, ("mcp-param-unknown", "x")], true),
        (json!({}), vec![], true),
        (json!({"region":" padded "}), vec![("mcp-param-region", "=?base64?IHBhZGRlZCA=?=")], true),
        (
            json!({"region":"=?base64?literal?="}),
            vec![("mcp-param-region", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=")],
            true,
        ),
        (json!({"region":"=?base64?literal?="}), vec![("mcp-param-region", "=?base64?literal?=")], false),
        (json!({"region":"eu"}), vec![], false),
        (json!({"region":"eu"}), vec![("mcp-param-region", "us")], false),
        (json!({"dry":true}), vec![("mcp-param-dry-run", "True")], false),
        (json!({"dry":null}), vec![("mcp-param-dry-run", "null")], false),
        (json!({"where":{"floor":42}}), vec![("mcp-param-floor", "43")], false),
        (json!({"floor":42}), vec![("mcp-param-floor", "42")], false),
    ] {
        let mut headers = vec![("mcp-name", "place")];
        headers.extend(params);
        let answer = ask(&mut client, "tools/call", json!({"name":"place","arguments":arguments}), &headers).await;
        if fine {
            let text =
                answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{headers:?} {answer}"));
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), arguments);
        } else {
            assert_eq!(answer["error"]["code"], -32020, "{headers:?} {answer}");
        }
    }
    let tricky = json!({"name":"tricky","arguments":{"properties":"a","x-mcp-header":"b","items":{"oneOf":"c"}}});
    let headers = [("mcp-name", "tricky"), ("mcp-param-props", "a"), ("mcp-param-one-of", "c")];
    assert!(ask(&mut client, "tools/call", tricky, &headers).await["error"].is_null());
}

#[tokio::test]
async fn a_stream_that_the_client_closes_is_a_cancel() {
    for (answers, alpn) in
        [(Answers::Json, "http/1.1"), (Answers::Sse, "http/1.1"), (Answers::Json, "h2"), (Answers::Sse, "h2")]
    {
        let (pki, alice) = stage();
        let options = McpOptions { era: Era::Modern, answers, ..McpOptions::default() };
        let server = McpServer::on(TlsServer::builder(&pki).alpn(&[alpn]), options).await;
        let mut client = Caller::connect(&pki, &alice, &server).await;
        let request = modern(&client, "tools/call", json!({"name":"wait"}), &[("mcp-name", "wait")]);
        let calling = tokio::spawn(async move { client.connection.send(request).await });
        server.wait_for_waiting(1).await;
        assert!(server.closed_streams().is_empty());
        calling.abort();
        assert_eq!(server.wait_for_closed_streams(1).await, ["7"], "{answers:?} {alpn}");

        let mut client = Caller::connect(&pki, &alice, &server).await;
        let request = modern(&client, "tools/call", json!({"name":"wait"}), &[("mcp-name", "wait")]);
        let calling = tokio::spawn(async move { client.connection.send(request).await });
        server.release().await;
        assert!(text(&calling.await.unwrap().unwrap()).contains("released"));
        assert_eq!((server.closed_streams().len(), server.sent().len()), (1, 1));
    }
}

#[tokio::test]
async fn progress_comes_in_the_stream_of_its_call() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let mut body = message("tools/call", json!({"name":"progress","arguments":{"steps":2}}));
    body["params"]["_meta"]["progressToken"] = json!("p");
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "progress")];
    let events = client.stream("POST", &body.to_string(), &headers).await.rest().await;
    assert_eq!(events.len(), 3);
    assert!(events[1].contains(r#""progress":2"#) && events[2].contains("2 steps"), "{events:?}");
}

#[tokio::test]
async fn subscriptions_are_acknowledged_and_tagged_and_end() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut tools = listen(&pki, &alice, &server, "7", json!({"toolsListChanged":true})).await;
    let acknowledged = tools.next().await.unwrap();
    assert!(acknowledged.contains(r#""method":"notifications/subscriptions/acknowledged""#), "{acknowledged}");
    assert!(acknowledged.contains(r#""_meta":{"io.modelcontextprotocol/subscriptionId":7}"#), "{acknowledged}");
    assert!(acknowledged.contains(r#""notifications":{"toolsListChanged":true}"#), "{acknowledged}");
    let mut one = listen(&pki, &alice, &server, r#""s-1""#, json!({"resourceSubscriptions":["test://one"]})).await;
    one.next().await.unwrap();
    server.wait_for_subscriptions(2).await;

    server.announce("notifications/resources/updated", &json!({"uri":"test://one"})).await;
    server.announce("notifications/tools/list_changed", &json!({})).await;
    let told = one.next().await.unwrap();
    assert!(told.contains(r#"subscriptionId":"s-1"},"uri":"test://one""#), "{told}");
    let told = tools.next().await.unwrap();
    assert!(told.contains("tools/list_changed") && told.contains(r#"subscriptionId":7"#), "and nothing else: {told}");

    server.announce("notifications/resources/updated", &json!({"uri":"test://one"})).await;
    assert!(one.next().await.unwrap().contains("resources/updated"), "and nothing else");

    drop(one);
    assert_eq!(server.wait_for_closed_streams(1).await, [r#""s-1""#]);
    assert_eq!(server.open_subscriptions(), 1);
    server.end_subscriptions();
    let rest = tools.rest().await;
    assert!(
        rest.len() == 1 && rest[0].contains(r#""id":7"#) && rest[0].contains(r#""resultType":"complete""#),
        "{rest:?}"
    );

    let mut cut = listen(&pki, &alice, &server, "8", json!({})).await;
    cut.next().await.unwrap();
    server.cut_subscriptions();
    assert!(cut.rest().await.is_empty(), "no result");
    let mut broken = listen(&pki, &alice, &server, "9", json!({})).await;
    broken.next().await.unwrap();
    server.server().cut().await;
    assert!(broken.breaks().await);
    assert_eq!(server.wait_for_closed_streams(2).await[1], "9");
}

#[tokio::test]
async fn both_eras_live_at_one_endpoint_or_initialize_is_refused() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let refused = client.post(&initialize("2025-11-25")).await;
    assert_eq!(refused.status(), 400);
    let error: Value = serde_json::from_str(&text(&refused)).unwrap();
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(0), &json!(-32022)));
    assert_eq!(error["error"]["data"], json!({"supported":["2026-07-28"],"requested":"2025-11-25"}));

    let (pki, alice) = stage();
    let server = McpServer::with(&pki, McpOptions { era: Era::Both, ..McpOptions::default() }).await;
    let mut old = Caller::connect(&pki, &alice, &server).await;
    let mut new = Caller::connect(&pki, &alice, &server).await;
    let found = ask(&mut new, "server/discover", json!({}), &[]).await;
    assert_eq!(found["result"]["supportedVersions"][1], "2025-11-25");
    old.initialize("2025-11-25").await;
    assert!(old.call("1", "echo", r#"{"text":"old"}"#).await.contains("old"));
    let echo = json!({"name":"echo","arguments":{"text":"new"}});
    assert_eq!(ask(&mut new, "tools/call", echo, &[("mcp-name", "echo")]).await["result"]["content"][0]["text"], "new");
    let bare = new.post(&message("tools/list", json!({})).to_string()).await;
    assert!(text(&bare).contains("-32020"), "the body alone makes it modern: {}", text(&bare));
    old.version = Some("2026-07-28".to_owned());
    let mixed = old.post(&message("tools/list", json!({})).to_string()).await;
    assert!(text(&mixed).contains("MCP-Protocol-Version must be 2025-11-25"), "a session is legacy: {}", text(&mixed));
    old.version = Some("2025-11-25".to_owned());
    assert_eq!(old.send("DELETE", "").await.status(), 200);
}

async fn listen(pki: &Pki, alice: &Client, server: &McpServer, id: &str, filter: Value) -> Reader {
    let mut client = Caller::connect(pki, alice, server).await;
    let mut body = message("subscriptions/listen", json!({"notifications":filter}));
    body["id"] = serde_json::from_str(id).unwrap();
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")];
    client.stream("POST", &body.to_string(), &headers).await
}

/// One request with the headers that every request has, and these.
async fn ask(client: &mut Caller, method: &str, params: Value, headers: &[(&str, &str)]) -> Value {
    let request = modern(client, method, params, headers);
    let response = client.connection.start(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

fn modern(
    client: &Caller,
    method: &str,
    params: Value,
    headers: &[(&str, &str)],
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = client.request("POST", &message(method, params).to_string());
    for (name, value) in [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)].iter().chain(headers) {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

fn message(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc":"2.0","id":7,"method":method,"params":params})
}

async fn staged(options: McpOptions) -> (Pki, Client, McpServer) {
    let (pki, alice) = stage();
    let server = McpServer::with(&pki, McpOptions { era: Era::Modern, ..options }).await;
    (pki, alice, server)
}

//! C7: a call whose headers the server missed is made again, once, after a look at the tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use mcp_mtls_testkit::mcp::{McpOptions, Pages, ToolList};
use mcp_mtls_testkit::reply::{self, Body};
use mcp_mtls_testkit::server::SeenRequest;
use serde_json::{Value, json};

use super::{
    META, PROTOCOLS, answer, call, empty_result, end, exchange, posts, request, said, said_of_call, scripted,
    scripted_over, staged, staged_over,
};

#[tokio::test]
async fn c7_a_stale_list_is_fetched_anew_without_the_host_knowing() {
    for protocol in PROTOCOLS {
        let mut stage = staged_over(protocol, McpOptions::default()).await;
        let list = request("0", "tools/list", "");
        exchange(&mut stage.host, &list).await;
        stage.server.rename_header("Zone");
        let line =
            call("\"\\u0037\"", "place", r#"{"region":"eu"}"#).replace(META, &format!(r#""progressToken":"p",{META}"#));
        let answer = exchange(&mut stage.host, &line).await;
        assert_eq!(stage.server.sent().last(), Some(&answer));
        assert!(
            answer.starts_with(r#"{"jsonrpc":"2.0","id":"\u0037","#) && answer.contains(r#"\"region\":\"eu\""#),
            "{answer}"
        );
        // What was learned stays.
        exchange(&mut stage.host, &call("8", "place", r#"{"region":"us"}"#)).await;
        assert_eq!(end(&mut stage.host).await, "");

        let requests = stage.server.requests();
        let own = own_list(&requests[2]);
        assert_eq!(own["params"], json!({ "_meta": meta() }), "no progress token, no cursor");
        let after = call("8", "place", r#"{"region":"us"}"#);
        assert_eq!(posts(&requests), [&list, &line, requests[2].text(), &line, &after]);
        assert_eq!(said(&requests[1]), said_of_call("place", &["region: eu"]));
        assert_eq!(said(&requests[3]), said_of_call("place", &["zone: eu"]));
        assert_eq!(said(&requests[4]), said_of_call("place", &["zone: us"]));
    }
}

#[tokio::test]
async fn c7_a_host_that_remembers_the_tools_from_before_is_served_and_all_pages_are_read() {
    for protocol in PROTOCOLS {
        let tools = ToolList { pages: Pages::Of(2), ..ToolList::default() };
        let mut stage = staged_over(protocol, McpOptions { tools, ..McpOptions::default() }).await;
        let line = call("1", "tricky", r#"{"properties":"p"}"#);
        let answer = exchange(&mut stage.host, &line).await;
        assert_eq!(stage.server.sent().last(), Some(&answer));
        assert_eq!(end(&mut stage.host).await, "");
        let requests = stage.server.requests();
        let [first, lists @ .., last] = requests.as_slice() else { panic!("{requests:#?}") };
        assert_eq!((first.text(), last.text()), (line.as_str(), line.as_str()));
        assert_eq!(said(first), said_of_call("tricky", &[]));
        assert_eq!(said(last), said_of_call("tricky", &["props: p"]));
        let lists: Vec<_> = lists.iter().map(own_list).collect();
        let cursors: Vec<_> = lists.iter().map(|list| list["params"]["cursor"].as_str()).collect();
        assert_eq!(cursors, [None, Some("after 2"), Some("after 4"), Some("after 6"), Some("after 8")]);
        assert!(lists.iter().all(|list| list["params"]["_meta"] == meta()));
        let mut ids: Vec<_> = lists.iter().map(|list| list["id"].to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 5, "each has an id of its own: {ids:?}");
    }
}

#[tokio::test]
async fn c7_a_list_without_an_end_is_given_up_and_the_error_of_the_server_passes() {
    let tools = ToolList { pages: Pages::Endless, ..ToolList::default() };
    let mut stage = staged(McpOptions { tools, ..McpOptions::default() }).await;
    let line = call("\"e\"", "place", r#"{"region":"eu"}"#);
    let answer: Value = serde_json::from_str(&exchange(&mut stage.host, &line).await).unwrap_or_default();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("e"), &json!(-32020)), "{answer}");
    assert_eq!(answer["error"]["data"]["fifty"], 50, "it is the server's own: {answer}");
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    let [first, lists @ ..] = requests.as_slice() else { panic!("{requests:#?}") };
    assert_eq!(first.text(), line);
    assert!((2..=200).contains(&lists.len()), "{} lists", lists.len());
    for list in lists {
        own_list(list);
    }
}

#[tokio::test]
async fn c7_when_the_list_does_not_help_the_error_of_the_server_passes() {
    let lists: [fn(&Value) -> Response<Body>; 6] = [
        // The same as before: no annotation.
        |message| answer(message, r#"{"tools":[{"name":"t"}]}"#),
        |message| answer(message, r#"{"tools":"none"}"#),
        |message| {
            reply::json(
                200,
                format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32603,"message":"no"}}}}"#, message["id"]),
            )
        },
        |_| reply::text(500, "down"),
        |_| reply::events().1,
        |_| reply::json(200, "{"),
    ];
    for list in lists {
        let script =
            move |message: &Value| if message["method"] == "tools/list" { list(message) } else { mismatch("null") };
        for protocol in PROTOCOLS {
            let mut stage = scripted_over(protocol, script).await;
            let line = call("18446744073709551615", "t", r#"{"a":"x"}"#);
            let error = mismatch_text("18446744073709551615");
            assert_eq!(exchange(&mut stage.host, &line).await, error);
            assert_eq!(end(&mut stage.host).await, "");
            let requests = stage.server.requests();
            assert_eq!(posts(&requests), [&line, requests[1].text()]);
            own_list(&requests[1]);
        }
    }
}

#[tokio::test]
async fn c7_there_is_one_retry_at_most() {
    // Each list wants another header, and no header will do.
    let lists = Arc::new(AtomicUsize::new(0));
    let script = move |message: &Value| {
        if message["method"] != "tools/list" {
            return mismatch(&message["id"].to_string());
        }
        let number = lists.fetch_add(1, Ordering::Relaxed);
        answer(
            message,
            &format!(
                r#"{{"tools":[{{"name":"t","inputSchema":{{"properties":{{"a":{{"type":"string","x-mcp-header":"H{number}"}}}}}}}}]}}"#
            ),
        )
    };
    let mut stage = scripted(script).await;
    let line = call("1", "t", r#"{"a":"x"}"#);
    assert_eq!(exchange(&mut stage.host, &line).await, mismatch_text("1"));
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    assert_eq!(posts(&requests), [&line, requests[1].text(), &line]);
    own_list(&requests[1]);
    assert_eq!(said(&requests[2]), said_of_call("t", &["h0: x"]));
}

#[tokio::test]
async fn c7_the_id_of_our_own_request_is_in_nobody_s_way() {
    // The host has used for itself what would be our ids; each of its requests has its own answer.
    let mut stage = staged(McpOptions::default()).await;
    stage.host.send_raw(&call("\"mcp-mtls/0\"", "wait", "{}")).await;
    stage.server.wait_for_waiting(1).await;
    stage.host.send_raw(&call("\"mcp-mtls/1\"", "place", r#"{"region":"eu"}"#)).await;
    let placed = stage.host.recv_raw().await;
    assert_eq!(stage.server.sent().last(), Some(&placed));
    assert!(placed.contains(r#""id":"mcp-mtls/1""#) && placed.contains("region"), "{placed}");
    stage.server.release().await;
    let waited = stage.host.recv_raw().await;
    assert!(waited.contains(r#""id":"mcp-mtls/0""#) && waited.contains("released"), "{waited}");
    assert_eq!(end(&mut stage.host).await, "");
    assert_eq!(stage.server.closed_streams().len(), 0);
}

#[tokio::test]
async fn c7_only_a_call_of_a_tool_is_made_again() {
    let mut stage = scripted(|message| match message["method"].as_str() {
        Some("tools/list") => answer(message, r#"{"tools":[]}"#),
        Some("tools/call") => {
            reply::json(400, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"HeaderMismatch -32020"}}"#)
        }
        Some("prompts/get") => mismatch("1"),
        _ => empty_result(message),
    })
    .await;
    let prompt = request("1", "prompts/get", r#""name":"t""#);
    assert_eq!(exchange(&mut stage.host, &prompt).await, mismatch_text("1"));
    let other = call("1", "t", "{}");
    assert!(exchange(&mut stage.host, &other).await.contains("-32602"));
    end(&mut stage.host).await;
    assert_eq!(posts(&stage.server.requests()), [prompt, other]);
}

/// A request for the tools that no host made, checked for all but its parameters.
fn own_list(request: &SeenRequest) -> Value {
    let list = request.json();
    assert_eq!((&list["jsonrpc"], &list["method"]), (&json!("2.0"), &json!("tools/list")), "{list}");
    assert!(list["id"].as_str().is_some_and(|id| id.starts_with("mcp-mtls/")), "{list}");
    assert_eq!(said(request), ["mcp-method: tools/list", super::VERSION]);
    list
}

fn meta() -> Value {
    serde_json::from_str(&format!("{{{META}}}")).unwrap_or_default()
}

fn mismatch(id: &str) -> Response<Body> {
    reply::json(400, mismatch_text(id))
}

fn mismatch_text(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0", "id":{id},"error":{{"code":-32020,"message":"Header mismatch: \u00e9","data":{{"x":1.0}}}}}}"#
    )
}

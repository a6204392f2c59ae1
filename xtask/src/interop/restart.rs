//! server-everything, over each of its transports, that is ended in the middle of a call and started again.

use serde_json::{Value, json};

use super::everything::Everything;
use super::nginx::{Nginx, Speaks};
use super::{Case, Stage, end, tool_text};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, transport, path, last) in
        [("Streamable HTTP", "streamableHttp", "/mcp", "DELETE"), ("HTTP+SSE", "sse", "/sse", "GET")]
    {
        for http2 in [false, true] {
            let http = if http2 { "HTTP/2" } else { "HTTP/1.1" };
            cases.push(Case::new(format!("nginx, {http}, {name}: a server that is restarted"), move |stage| {
                Box::pin(restarted(stage, Speaks { tls: "1.3", http2 }, transport, path, last))
            }));
        }
    }
    cases
}

async fn restarted(stage: &Stage, speaks: Speaks, transport: &'static str, path: &'static str, last: &'static str) {
    let everything = Everything::with(stage, transport, 0).await;
    let port = everything.port;
    let nginx = Nginx::start(stage, speaks, port).await;
    let alice = stage.pki.client("alice");
    let args = stage.flags(&nginx.url_of(path), Some(&alice));
    let mut host = stage.connect(args.iter().map(String::as_str));
    let answer = host.initialize("2025-11-25").await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-servers/everything", "{answer:#}");
    host.request("logging/setLevel", json!({"level": "debug"})).await;
    assert_eq!(tool_text(&host.call("echo", json!({"message": "before"})).await), "Echo: before");

    let params = json!({"name": "trigger-long-running-operation", "arguments": {"duration": 600, "steps": 1}});
    let call = host.start_request("tools/call", params).await;
    // An answer to what was sent later says that the call is under way.
    assert_eq!(tool_text(&host.call("echo", json!({"message": "beside"})).await), "Echo: beside");
    drop(everything);
    expect_ours(&host.call("echo", json!({"message": "nobody there"})).await);

    let _everything = Everything::with(stage, transport, port).await;
    // Its stream had events with ids, and was tried to be taken up; the new server knows nothing of it.
    expect_ours(&host.answer_to(call).await);
    assert_eq!(tool_text(&host.call("echo", json!({"message": "after"})).await), "Echo: after");
    end(host).await;
    nginx.expect_verified(&alice, speaks, last).await;
}

/// Asserts that it is an error of ours.
fn expect_ours(answer: &Value) {
    assert_eq!(answer["error"]["data"]["source"], "mcp-mtls", "{answer:#}");
}

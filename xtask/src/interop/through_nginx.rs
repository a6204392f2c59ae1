//! Hosts that reach server-everything through an nginx which demands a client certificate.

use serde_json::json;

use super::everything::Everything;
use super::nginx::{Nginx, Speaks};
use super::{Case, Stage, end, expect_refusal, shown, tool_text};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, tls) in ["1.3", "1.2"].into_iter().enumerate() {
        for (offset, http2) in [false, true].into_iter().enumerate() {
            let speaks = Speaks { tls, http2 };
            // Each form of saying where the certificate is, with each version of TLS and of HTTP.
            let file = (index + offset) % 2 == 0;
            let name = |what: &str| {
                let http = if http2 { "HTTP/2" } else { "HTTP/1.1" };
                format!("nginx, TLS {tls}, {http}: {what}")
            };
            let form = if file { "by a config file" } else { "by flags" };
            cases.push(Case::new(name(&format!("a whole session, {form}")), move |stage| {
                Box::pin(whole_session(stage, speaks, file))
            }));
            cases.push(Case::new(name("no certificate"), move |stage| Box::pin(no_certificate(stage, speaks))));
            cases.push(Case::new(name("a stranger's certificate"), move |stage| Box::pin(stranger(stage, speaks))));
        }
    }
    cases
}

async fn whole_session(stage: &Stage, speaks: Speaks, file: bool) {
    let everything = Everything::start(stage).await;
    let nginx = Nginx::start(stage, speaks, everything.port).await;
    let alice = stage.pki.client("alice");
    let args = if file {
        vec!["corp".to_owned(), "--config".to_owned(), shown(&stage.config(&nginx.url(), &alice))]
    } else {
        stage.flags(&nginx.url(), Some(&alice))
    };
    let mut host = stage.connect(args.iter().map(String::as_str));

    let answer = host.initialize("2025-11-25").await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-servers/everything", "{answer:#}");

    // The server asks for the roots in the GET stream and, once it has them, says so there.
    let question = host.recv_method("roots/list").await;
    let roots = json!({"roots": [{"uri": "file:///project", "name": "project"}]});
    host.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": roots})).await;
    let told = host.recv_method("notifications/message").await;
    assert!(told["params"]["data"].to_string().contains("1 root"), "{told:#}");

    let tools = host.request("tools/list", json!({})).await;
    let tools = tools["result"]["tools"].as_array().cloned().unwrap_or_default();
    assert!(tools.iter().any(|tool| tool["name"] == "echo"), "{tools:#?}");
    assert_eq!(tool_text(&host.call("echo", json!({"message": "hi"})).await), "Echo: hi");

    // Many at once, the answers taken in another order.
    let mut calls = Vec::new();
    for number in 0..20 {
        let params = json!({"name": "echo", "arguments": {"message": format!("call {number}")}});
        calls.push((number, host.start_request("tools/call", params).await));
    }
    for (number, id) in calls.into_iter().rev() {
        assert_eq!(tool_text(&host.answer_to(id).await), format!("Echo: call {number}"));
    }

    // A question of the server in the middle of a call, and progress of a call.
    let params = json!({"name": "trigger-sampling-request", "arguments": {"prompt": "Who?", "maxTokens": 9}});
    let call = host.start_request("tools/call", params).await;
    let question = host.recv_method("sampling/createMessage").await;
    let sample = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "It is I."}});
    host.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": sample})).await;
    assert!(tool_text(&host.answer_to(call).await).contains("It is I."));

    let params = json!({
        "name": "trigger-long-running-operation",
        "arguments": {"duration": 0.2, "steps": 2},
        "_meta": {"progressToken": "token-1"},
    });
    let call = host.start_request("tools/call", params).await;
    for step in 1..=2 {
        let progress = host.recv_method("notifications/progress").await;
        assert_eq!(progress["params"], json!({"progress": step, "total": 2, "progressToken": "token-1"}));
    }
    assert!(tool_text(&host.answer_to(call).await).contains("completed"));

    end(host).await;
    let requests = nginx.expect_verified(&alice, speaks, "DELETE").await;
    let deleted = requests.iter().find(|request| request["method"] == "DELETE");
    assert_eq!(deleted.map(|request| &request["status"]), Some(&json!(200)));
}

async fn no_certificate(stage: &Stage, speaks: Speaks) {
    // No server is behind it: a request that gets past nginx fails this case.
    let nginx = Nginx::start(stage, speaks, 1).await;
    let args = stage.flags(&nginx.url(), None);
    expect_refusal(stage.connect(args.iter().map(String::as_str)), "certificate-required", &["client certificate"])
        .await;
    nginx.expect_refused("NONE").await;
}

async fn stranger(stage: &Stage, speaks: Speaks) {
    let nginx = Nginx::start(stage, speaks, 1).await;
    let args = stage.flags(&nginx.url(), Some(&stage.pki.stranger_client()));
    expect_refusal(stage.connect(args.iter().map(String::as_str)), "certificate-refused", &["refused", "certificate"])
        .await;
    nginx.expect_refused("FAILED").await;
}

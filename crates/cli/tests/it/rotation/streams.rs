//! What runs when a certificate is renewed.

use mcp_mtls_testkit::mcp::McpOptions;
use mcp_mtls_testkit::pki::Pki;
use serde_json::json;

use super::{Rotating, until_the_next_look};

#[tokio::test]
async fn a_call_finishes_on_the_connection_that_it_began_on() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    let call = rotating.host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await;
    rotating.server.wait_for_waiting(1).await;
    rotating.put_cert(&bob.cert_pem);
    rotating.put_key(&bob.key_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, bob.fingerprint, "a call that begins later");
    rotating.server.release().await;
    let answer = rotating.host.answer_to(call).await;
    assert!(answer["result"].is_object(), "{answer}");
    let calls = rotating.server.requests().into_iter().filter(|request| request.text().contains("\"wait\""));
    assert_eq!(calls.map(|request| request.fingerprint).collect::<Vec<_>>(), [Some(alice.fingerprint)], "sent once");
}

#[tokio::test]
async fn the_servers_own_stream_is_opened_again_with_the_new_certificate() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    rotating.server.notify(r#"{"jsonrpc":"2.0","method":"notifications/one"}"#).await;
    rotating.host.recv_method("notifications/one").await;
    rotating.put_cert(&bob.cert_pem);
    rotating.put_key(&bob.key_pem);
    // Nothing is sent: the stream itself has the files looked at.
    let gets = |server: &mcp_mtls_testkit::mcp::McpServer| {
        let requests = server.requests().into_iter().filter(|request| request.method == "GET");
        requests.map(|request| request.fingerprint.unwrap()).collect::<Vec<_>>()
    };
    let began = std::time::Instant::now();
    while gets(&rotating.server).len() < 2 && began.elapsed() < std::time::Duration::from_secs(10) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(gets(&rotating.server), [alice.fingerprint, bob.fingerprint]);
    rotating.server.notify(r#"{"jsonrpc":"2.0","method":"notifications/two"}"#).await;
    rotating.host.recv_method("notifications/two").await;
    assert_eq!(rotating.server.open_streams(), 1);
}

#[tokio::test]
async fn what_cannot_be_used_is_told_while_the_stream_alone_is_open() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    rotating.server.notify(r#"{"jsonrpc":"2.0","method":"notifications/one"}"#).await;
    rotating.host.recv_method("notifications/one").await;
    rotating.put_cert("nothing");
    let began = std::time::Instant::now();
    while rotating.host.stderr().is_empty() {
        assert!(began.elapsed() < std::time::Duration::from_secs(18), "nothing was told");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(rotating.host.stderr().contains("those from before stay in use"), "{}", rotating.host.stderr());
    rotating.server.notify(r#"{"jsonrpc":"2.0","method":"notifications/two"}"#).await;
    rotating.host.recv_method("notifications/two").await;
    assert_eq!(rotating.server.open_streams(), 1, "the stream stays what it was");
}

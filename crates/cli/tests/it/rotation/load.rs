//! Many calls while certificates change all the time.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_mtls_testkit::mcp::McpOptions;
use mcp_mtls_testkit::pki::Pki;
use serde_json::json;

use super::{Rotating, exchange};

/// 10,000 calls, 40 on their way at a time, over 25 s in which certificate and key change ten times a second.
#[tokio::test]
async fn ten_thousand_calls_during_hundreds_of_renewals_all_succeed() {
    let pki = Pki::new();
    let clients: Vec<_> = (0..300).map(|number| pki.client(&format!("client-{number}"))).collect();
    let known: HashSet<_> = clients.iter().map(|client| client.fingerprint.clone()).collect();
    let mut rotating = Rotating::begun(pki, &clients[0], McpOptions::default()).await;
    let (cert, key) = (rotating.cert.clone(), rotating.key.clone());
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let renewals = tokio::task::spawn_blocking(move || {
        let mut renewals = 0;
        for client in clients.iter().skip(1) {
            if over.load(Ordering::Relaxed) {
                break;
            }
            exchange(&cert, &client.cert_pem);
            exchange(&key, &client.key_pem);
            renewals += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        renewals
    });
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..250 {
        pace.tick().await;
        let mut calls = Vec::new();
        for _ in 0..40 {
            let call = json!({ "name": "whoami", "arguments": {} });
            calls.push(rotating.host.start_request("tools/call", call).await);
        }
        for call in calls {
            let answer = rotating.host.answer_to(call).await;
            let shown = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("failed: {answer}"));
            assert!(known.contains(shown), "{answer}");
        }
    }
    done.store(true, Ordering::Relaxed);
    let renewals = renewals.await.unwrap();
    let verified: HashSet<_> = rotating.server.verified().into_iter().collect();
    assert!(renewals > 100, "{renewals}");
    assert!(verified.len() >= 20, "{} certificates in {renewals} renewals", verified.len());
    assert!(verified.is_subset(&known));
    assert_eq!(rotating.host.stderr(), "");
}

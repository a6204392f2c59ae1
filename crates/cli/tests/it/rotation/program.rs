//! A program whose certificates live for seconds.

use std::time::Duration;

use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::{Client, Pki};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::exchange;
use crate::stage::{LATEST, host, whoami};

/// What it prints: this client, to be used for so long.
fn printed(client: &Client, life: Duration) -> String {
    let until = (OffsetDateTime::now_utc() + life).format(&Rfc3339).unwrap_or_else(|e| panic!("no date: {e}"));
    let status = serde_json::json!({
        "clientCertificateData": client.cert_pem,
        "clientKeyData": client.key_pem,
        "expirationTimestamp": until,
    });
    let kind = "ExecCredential";
    serde_json::json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": kind, "status": status }).to_string()
}

#[tokio::test]
async fn it_is_asked_again_before_the_end_and_what_it_said_stays_in_use_when_it_fails() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let server = McpServer::start(&pki).await;
    let output = pki.write("output", printed(&alice, Duration::from_secs(22)));
    let runs = pki.dir().join("runs");
    let program = format!("sh -c 'echo run >> {}; cat {}'", runs.display(), output.display());
    let ca = pki.server_ca_file();
    let mut host =
        host([server.url().as_ref(), "--ca".as_ref(), ca.as_os_str(), "--exec".as_ref(), program.as_ref()]).spawn();
    host.initialize(LATEST).await;
    let began = tokio::time::Instant::now();
    let count = || std::fs::read_to_string(&runs).unwrap().lines().count();
    let at = |seconds: u64| tokio::time::sleep_until(began + Duration::from_secs(seconds));

    exchange(&output, "nothing");
    at(8).await;
    assert_eq!((whoami(&mut host).await, count()), (alice.fingerprint.clone(), 1), "too early");
    at(13).await;
    assert_eq!((whoami(&mut host).await, count()), (alice.fingerprint.clone(), 2), "it fails, once");
    exchange(&output, &printed(&bob, Duration::from_secs(3600)));
    // A program is not asked again within ten seconds.
    at(20).await;
    assert_eq!((whoami(&mut host).await, count()), (alice.fingerprint.clone(), 2), "too early again");
    at(25).await;
    whoami(&mut host).await;
    at(27).await;
    assert_eq!((whoami(&mut host).await, count()), (bob.fingerprint, 3));
}

#[tokio::test]
async fn the_end_of_what_is_renewed_by_itself_is_no_news() {
    let pki = Pki::new();
    let ending = pki.client_ending_in(time::Duration::hours(10));
    let server = McpServer::start(&pki).await;
    let output = pki.write("output", ending.combined_pem());
    let (ca, program) = (pki.server_ca_file(), format!("cat {}", output.display()));
    let url = server.url();
    let arguments = [url.as_ref(), "--ca".as_ref(), ca.as_os_str(), "--exec".as_ref(), program.as_ref()];
    let mut host = host(arguments).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, ending.fingerprint);
    host.close_stdin();
    host.wait_exit(Duration::from_secs(5)).await;
    assert_eq!(host.drained_stderr().await, "");
}

//! `certs fetch`: what a server presents, saved without being believed.

use std::process::Stdio;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Pki, SelfSigned, ServerIdentity};
use mcp_mtls_testkit::server::TlsServer;
use serde_json::Value;

use super::facts;
use crate::run::Outcome;
use crate::stage::{LATEST, binary, host, whoami};

/// Runs it for a server that presents this, and then connects with the file as the only `ca`.
async fn fetched(
    pki: &Pki,
    identity: &ServerIdentity,
    builder: fn(&Pki) -> mcp_mtls_testkit::server::ServerBuilder,
) -> Value {
    let server = McpServer::on(builder(pki).identity(identity), McpOptions::default()).await;
    let file = pki.dir().join("fetched.pem");
    let outcome = fetch(pki, &[&server.url(), "--out", &file.display().to_string(), "--json"]).await;
    let answer: Value = serde_json::from_str(&outcome.succeeded()).expect("JSON");
    assert_eq!(server.requests().len(), 0, "no request is sent");
    assert_eq!(server.verified(), Vec::<String>::new(), "no certificate is sent");

    let client = pki.client("alice");
    let mut host = host([server.url().as_str(), "--ca", &file.display().to_string(), "--system-roots", "false"])
        .args(["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()])
        .spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    std::fs::remove_file(file).expect("the file was written");
    server.stop().await;
    answer
}

/// Runs it on a system that trusts a CA which has nothing to do with any server.
async fn fetch(pki: &Pki, arguments: &[&str]) -> Outcome {
    let mut command = tokio::process::Command::new(binary());
    command.args(["certs", "fetch"]).args(arguments).stdin(Stdio::null());
    command.env_clear().env("SSL_CERT_FILE", pki.client_ca_file());
    let output = command.output().await.expect("the binary runs");
    Outcome {
        status: output.status.code().expect("the binary exits by itself"),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

#[tokio::test]
async fn what_is_saved_can_be_used_as_ca() {
    let pki = Pki::new();
    for builder in [|pki: &Pki| TlsServer::builder(pki).tls12_only(), |pki: &Pki| TlsServer::builder(pki).tls13_only()]
    {
        let chain = pki.server_identity_of_intermediate().and_presents(pki.client_ca_der());
        let answer = fetched(&pki, &chain, builder).await;
        let saved: Vec<_> = answer["presented"].as_array().expect("a list").iter().map(|one| &one["saved"]).collect();
        assert_eq!(saved, [false, true, false], "what has nothing to do with the server is not saved");
        assert_eq!(answer["presented"][1]["pin"], facts(&pki.server_intermediate_der()).pin());
        assert_eq!(answer["presented"][0]["sha256"], chain.fingerprint);
        assert_eq!((&answer["verified"], &answer["provesOwner"]), (&false.into(), &false.into()));
        assert_eq!(answer["failure"]["code"], "server-issuer-unknown");
        assert!(answer["meaning"].to_string().contains("The root is not among them"), "{answer:#}");
        for form in [SelfSigned::Ca, SelfSigned::Version1] {
            let answer = fetched(&pki, &pki.self_signed_server(form), builder).await;
            assert_eq!(answer["presented"][0]["saved"], true);
            assert!(answer["meaning"].to_string().contains("for this server alone"), "{answer:#}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_there_is_kept() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    let file = pki.server_ca_file().display().to_string();
    let outcome = fetch(&pki, &[&server.url("/"), "--out", &file]).await;
    assert!(outcome.stderr.contains("file-exists"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), pki.server_ca_pem());
    assert_eq!(server.connections().len(), 0, "it is refused before any connection");
}

#[tokio::test]
async fn a_certificate_alone_of_a_ca_that_is_not_presented_gives_nothing_to_save() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    let file = pki.dir().join("fetched.pem");
    let outcome =
        fetch(&pki, &[&format!("localhost:{}", server.addr().port()), "--out", &file.display().to_string()]).await;
    assert!(outcome.stderr.contains("presents no CA certificate"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("CN=Testkit Server CA"), "{}", outcome.stderr);
    assert!(!file.exists());
}

#[tokio::test]
async fn people_are_told_what_it_does_not_prove() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).identity(&pki.server_identity_of_intermediate()).start().await;
    let file = pki.dir().join("fetched.pem").display().to_string();
    let text = fetch(&pki, &[&server.url("/mcp"), "--out", &file]).await.succeeded();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "This proves only what somebody on the path presented",
        "compare each SHA-256 with whoever runs the server, over another channel",
        "This system's roots do not vouch for it",
        "CN=Testkit Server Intermediate",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

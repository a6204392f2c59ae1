//! Which servers are believed. Here: the roots, those of `ca`, and the system's unless they are switched off.
#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

mod authority;
mod fetch;
mod greeting;
mod name;
mod own;
mod pins;
mod proxy;
mod revocation;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use mcp_mtls_core::identity::facts::CertificateFacts;
use mcp_mtls_testkit::host::HostBuilder;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Client, Pki, ServerIdentity};
use mcp_mtls_testkit::server::{ServerBuilder, TlsServer};
use serde_json::Value;

use crate::stage::{LATEST, host, refusal, whoami};

/// A server over each version of TLS that presents this.
fn servers(pki: &Pki, identity: &ServerIdentity) -> [ServerBuilder; 2] {
    [TlsServer::builder(pki).tls12_only(), TlsServer::builder(pki).tls13_only()].map(|server| server.identity(identity))
}

/// A host with a certificate and these arguments, which trusts the staged server CA unless they name another `--ca`.
fn asking<S: AsRef<OsStr>>(pki: &Pki, url: &str, client: &Client, arguments: &[S]) -> HostBuilder {
    let names_ca = arguments.iter().any(|argument| argument.as_ref() == "--ca");
    let ca = if names_ca { Vec::new() } else { vec!["--ca".into(), pki.server_ca_file().into_os_string()] };
    let identity = ["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()];
    host([url]).args(identity).args(ca).args(arguments)
}

/// Asserts that a server which presents this is believed with these arguments, and has verified the client.
async fn believed<S: AsRef<OsStr>>(pki: &Pki, identity: &ServerIdentity, arguments: &[S]) {
    for server in servers(pki, identity) {
        let server = McpServer::on(server, McpOptions::default()).await;
        let client = pki.client("alice");
        let mut host = asking(pki, &server.url(), &client, arguments).spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, client.fingerprint);
        server.stop().await;
    }
}

/// Asserts that it is not believed, for this reason, and sees neither the client nor a request; returns the data of
/// the error.
async fn refused<S: AsRef<OsStr>>(pki: &Pki, identity: &ServerIdentity, arguments: &[S], code: &str) -> Value {
    let mut data = Value::Null;
    for server in servers(pki, identity) {
        let server = McpServer::on(server, McpOptions::default()).await;
        let mut host = asking(pki, &server.url(), &pki.client("alice"), arguments).spawn();
        data = refusal(&mut host).await["data"].take();
        assert_eq!(data["code"], code, "{data:#}");
        let setting = match code {
            "pin-mismatch" => "--pin",
            "crl-stale" | "crl-invalid" | "revocation-unknown" | "server-revoked" => "--crl",
            "ca-invalid" | "server-issuer-unknown" | "server-self-signed" | "server-chain-incomplete" => "--ca",
            _ => "",
        };
        let place = told(&data, "where");
        assert!(setting.is_empty() || place.contains(&format!("{setting} on the command line")), "{data:#}");
        assert_eq!(server.verified(), Vec::<String>::new(), "the client shows nothing");
        assert_eq!(server.requests().len(), 0, "nothing is sent");
        server.stop().await;
    }
    data
}

fn facts(der: &[u8]) -> CertificateFacts {
    CertificateFacts::parse(der).expect("a certificate")
}

/// All that a failure says of one kind, in one text.
fn told(data: &Value, kind: &str) -> String {
    let lines = data[kind].as_array().into_iter().flatten();
    lines.map(|line| line.as_str().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// A host with a certificate, whose system trusts these roots.
fn trusting(pki: &Pki, url: &str, roots: &Path) -> HostBuilder {
    let client = pki.client("alice");
    let arguments: [OsString; 5] =
        [url.into(), "--cert".into(), client.cert_file.into(), "--key".into(), client.key_file.into()];
    // The variable by which OpenSSL, and the search for the system's roots, can be pointed elsewhere.
    host(arguments).env("SSL_CERT_FILE", roots)
}

#[tokio::test]
async fn the_systems_roots_count_with_and_without_a_ca() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let roots = pki.server_ca_file();
    let other = pki.client_ca_file();
    for arguments in [&[][..], &["--ca".as_ref(), other.as_ref()]] {
        let mut host = trusting(&pki, &server.url(), roots.as_ref()).args::<&Path>(arguments.iter().copied()).spawn();
        host.initialize(LATEST).await;
        assert_eq!(Some(&whoami(&mut host).await), server.verified().last());
    }
}

#[tokio::test]
async fn without_the_systems_roots_ca_alone_counts() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let roots = pki.server_ca_file();
    let other = pki.client_ca_file();
    let alone = |ca: &Path| {
        let arguments: [&Path; 4] = ["--ca".as_ref(), ca, "--system-roots".as_ref(), "false".as_ref()];
        trusting(&pki, &server.url(), roots.as_ref()).args(arguments).spawn()
    };
    assert_eq!(refusal(&mut alone(other.as_ref())).await["data"]["code"], "server-issuer-unknown");
    assert_eq!(server.verified(), Vec::<String>::new());
    alone(roots.as_ref()).initialize(LATEST).await;
}

#[tokio::test]
async fn an_unknown_issuer_is_told_with_what_is_trusted() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let other = pki.client_ca_file();
    let error = refusal(&mut trusting(&pki, &server.url(), other.as_ref()).spawn()).await;
    assert_eq!(error["data"]["code"], "server-issuer-unknown");
    assert!(error["data"]["why"].to_string().contains("Only the system's roots are trusted"), "{error:#}");
    assert!(error["data"]["fix"][0].as_str().is_some_and(|fix| fix.starts_with("Set `ca` (--ca)")), "{error:#}");
    // A system without roots is another matter than one without the right one.
    let empty = pki.write("no-roots.pem", b"");
    let error = refusal(&mut trusting(&pki, &server.url(), &empty).spawn()).await;
    assert_eq!(error["data"]["code"], "trust-empty", "{error:#}");
}

#[tokio::test]
async fn a_ca_that_is_none_is_told_with_the_one_to_use() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    for (file, what, fix) in [
        (
            &alice.cert_file,
            "holds no CA that could make a server trusted",
            "its issuer, “O=Testkit, CN=Testkit Client CA”",
        ),
        (&alice.key_file, "names a private key, and no CA certificate", "Name the file of the CA certificate."),
    ] {
        let mut host = host(["https://localhost:1/mcp".as_ref(), "--ca".as_ref(), file.as_os_str()]).spawn();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], "material-invalid", "{error:#}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(what) && message.contains(fix), "{error:#}");
        assert!(told(&error["data"], "where").contains("--ca on the command line"), "{error:#}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_issuer_is_told_from_what_is_presented() {
    use mcp_mtls_testkit::pki::{SelfSigned, Validity};
    let pki = Pki::new();
    let none: [&str; 0] = [];
    let chain = pki.server_identity_of_intermediate();
    // Alone, though `ca` holds the root.
    let data = refused(&pki, &chain.leaf_only(), &none, "server-chain-incomplete").await;
    assert!(told(&data, "why").contains("the server presents nothing"), "{data:#}");
    assert!(told(&data, "fix").contains("send the intermediate certificates"), "{data:#}");
    assert!(told(&data, "why").contains("CN=Testkit Server Intermediate"), "{data:#}");
    // With its chain, of a root that is not known.
    let other = pki.client_ca_file();
    let data = refused(&pki, &chain, &["--ca".as_ref(), other.as_os_str()], "server-issuer-unknown").await;
    assert!(told(&data, "why").contains("CN=Testkit Server CA"), "{data:#}");
    assert!(told(&data, "fix").contains("mcp-mtls certs fetch localhost:"), "{data:#}");
    // Signed by itself.
    for form in [SelfSigned::Ca, SelfSigned::Leaf(Validity::Now), SelfSigned::Version1] {
        let own = pki.self_signed_server(form);
        let data = refused(&pki, &own, &none, "server-self-signed").await;
        assert!(told(&data, "fix").contains("set `ca` (--ca) to it"), "{data:#}");
        assert!(told(&data, "fix").contains("mcp-mtls certs fetch localhost:"), "{data:#}");
    }
}

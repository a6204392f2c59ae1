//! Which roots a server's certificate may lead to: those of `ca`, and the system's unless they are switched off.

use std::ffi::OsString;
use std::path::Path;

use mcp_mtls_testkit::host::HostBuilder;
use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;

use crate::stage::{LATEST, host, refusal, whoami};

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

//! What works today and may not for long: the warnings of `doctor`.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::CaForm;
use mcp_mtls_testkit::server::{ClientAuth, ServerBuilder, TlsServer};
use time::Duration;

use super::case::{Case, case, fixture, path};
use super::run::{Run, host};

/// A server that is healthy but for the warning.
async fn warns(case: &mut Case, server: ServerBuilder, run: impl FnOnce(&str) -> Run) {
    let server = McpServer::on(server, McpOptions::default()).await;
    case.warned("doctor", &run(&server.url())).await;
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_our_certificate() {
    let mut case = case("certificate-ends-soon", Code::CertificateEndsSoon, Side::Ours);
    let client = case.pki.client_ending_in(Duration::hours(5 * 24 + 1));
    let server = TlsServer::builder(&case.pki);
    let run = case.towards("URL", Some(&client));
    warns(&mut case, server, |url| run.towards(url)).await;
    case.end();
}

#[tokio::test]
async fn a_signature_that_is_weak() {
    let mut case = case("key-weak", Code::KeyWeak, Side::Ours);
    let (cert, key) = (fixture(&case, "weak", "sha1.pem"), fixture(&case, "weak", "sha1.key"));
    let server = TlsServer::builder(&case.pki).client_auth(ClientAuth::None);
    let run = case.towards("URL", None).args(["--cert", &path(&cert), "--key", &path(&key)]);
    warns(&mut case, server, |url| run.towards(url)).await;
    case.end();
}

#[tokio::test]
async fn a_chain_in_another_order() {
    let mut case = case("chain-disordered", Code::ChainDisordered, Side::Ours);
    let client = case.pki.client_of_intermediate();
    let leaf = std::fs::read_to_string(&client.leaf_only_file).unwrap();
    let rest = client.cert_pem.strip_prefix(&leaf).unwrap();
    let cert = case.file("chain.pem", format!("{rest}{leaf}"));
    let server = TlsServer::builder(&case.pki);
    let run = case.towards("URL", None).args(["--cert", &cert, "--key", &path(&client.key_file)]);
    warns(&mut case, server, |url| run.towards(url)).await;
    case.end();
}

#[tokio::test]
async fn a_ca_that_has_expired_beside_one_that_has_not() {
    let mut case = case("ca-expired", Code::CaExpired, Side::Ours);
    let client = case.pki.client("alice");
    let expired = case.pki.private_ca("Old CA", CaForm::Expired).pem();
    let ca = case.file("cas.pem", format!("{expired}{}", case.pki.server_ca_pem()));
    let server = TlsServer::builder(&case.pki);
    let own = [path(&client.cert_file), path(&client.key_file)];
    let run = host(["URL", "--ca", &ca, "--cert", &own[0], "--key", &own[1]]);
    warns(&mut case, server, |url| run.towards(url)).await;
    case.end();
}

#[tokio::test]
async fn the_end_of_the_servers_certificate() {
    let mut case = case("server-certificate-ends-soon", Code::ServerCertificateEndsSoon, Side::Theirs);
    let client = case.pki.client("alice");
    let identity = case.pki.server_identity_ending_in(Duration::hours(3 * 24 + 1));
    let server = TlsServer::builder(&case.pki).identity(&identity);
    let run = case.towards("URL", Some(&client));
    warns(&mut case, server, |url| run.towards(url)).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_that_nobody_asks_for() {
    let mut case = case("certificate-not-asked-nor-missed", Code::CertificateNotAsked, Side::Theirs);
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki).client_auth(ClientAuth::None);
    let run = case.towards("URL", Some(&client));
    warns(&mut case, server, |url| run.towards(url)).await;
    case.end();
}

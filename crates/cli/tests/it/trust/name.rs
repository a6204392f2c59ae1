//! `serverName`: the name that the certificate must have instead of the URL's host.

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;

use super::{believed, refused, told};
use crate::stage::{LATEST, towards};

#[tokio::test]
async fn is_verified_and_sent_and_the_host_header_stays_the_urls() {
    let pki = Pki::new();
    let identity = pki.server_identity_for("mcp.internal");
    for protocol in ["http/1.1", "h2"] {
        let server = TlsServer::builder(&pki).identity(&identity).alpn(&[protocol]);
        let server = McpServer::on(server, McpOptions::default()).await;
        let mut host =
            towards(&pki, &server.url(), &pki.client("alice")).args(["--server-name", "MCP.internal"]).spawn();
        host.initialize(LATEST).await;
        let connections = server.server().connections();
        assert!(connections.iter().all(|seen| seen.server_name.as_deref() == Some("mcp.internal")));
        for request in server.requests() {
            // HTTP/2 has it in `:authority`, of which only a wrong one would be told.
            assert!(request.header("host").is_none_or(|host| host.starts_with("localhost:")));
            assert!(protocol == "h2" || request.header("host").is_some());
        }
        server.stop().await;
    }
    let data = refused(&pki, &identity, &[""; 0], "server-name-mismatch").await;
    assert!(told(&data, "fix").contains("`serverName`"), "{data:#}");
}

#[tokio::test]
async fn may_be_an_address_and_a_wrong_one_is_told() {
    let pki = Pki::new();
    let identity = pki.server_identity_for("10.1.2.3");
    believed(&pki, &identity, &["--server-name", "10.1.2.3"]).await;
    believed(&pki, &pki.server_identity(), &["--server-name", "::1"]).await;
    for wrong in ["10.1.2.4", "mcp.internal"] {
        let data = refused(&pki, &identity, &["--server-name", wrong], "server-name-mismatch").await;
        assert!(told(&data, "why").contains(&format!("`serverName` asks for \u{201c}{wrong}\u{201d}")), "{data:#}");
        assert!(told(&data, "why").contains("10.1.2.3"), "{data:#}");
    }
}

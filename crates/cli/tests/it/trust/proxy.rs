//! What is asked of the server is not asked of an https proxy on the way to it.

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Pki, Validity, pem};
use mcp_mtls_testkit::proxy::ConnectProxy;
use mcp_mtls_testkit::server::TlsServer;

use super::{asking, facts, told};
use crate::stage::{LATEST, refusal, whoami};

#[tokio::test]
async fn pins_name_and_the_need_for_a_list_are_about_the_server() {
    let pki = Pki::new();
    // Of the CA between, whose list covers the server, and none the proxy.
    let identity = pki.server_identity_of_intermediate();
    let server = McpServer::on(TlsServer::builder(&pki).identity(&identity), McpOptions::default()).await;
    let of_proxy = pki.server_identity();
    let (name, address) = (format!("mcp.corp.test:{}", server.server().addr().port()), server.server().addr());
    let proxy = async || ConnectProxy::options().tls(&pki, &of_proxy).route(&name, address).start().await;
    let list = |name: &str, der: &[Vec<u8>]| {
        let text: String = der.iter().map(|der| pem("X509 CRL", der)).collect();
        pki.write(name, text).display().to_string()
    };
    let of_server = pki.server_intermediate_crl(&[], Validity::Now);
    let crl = list("corp.crl", std::slice::from_ref(&of_server));
    let pin = facts(&identity.leaf_der).pin();
    let url = format!("https://{name}/mcp");
    let client = pki.client("alice");
    // The proxy is `localhost`, the server shall be `127.0.0.1`.
    let host = |crl: &str, proxy: &ConnectProxy| {
        let arguments = ["--pin", &pin, "--crl", crl, "--server-name", "127.0.0.1"];
        asking(&pki, &url, &client, &arguments).env("HTTPS_PROXY", proxy.url())
    };
    let passed = proxy().await;
    let mut through = host(&crl, &passed).spawn();
    through.initialize(LATEST).await;
    assert_eq!(whoami(&mut through).await, client.fingerprint);
    assert!(!passed.targets().is_empty(), "it went through the proxy");

    // A list that does cover the proxy counts.
    let revoked = pki.server_crl(&[&of_proxy.leaf_der], Validity::Now);
    let proxy = proxy().await;
    let all = list("all.crl", &[revoked, of_server]);
    let data = refusal(&mut host(&all, &proxy).spawn()).await["data"].take();
    assert_eq!(data["code"], "server-revoked", "{data:#}");
    assert!(told(&data, "why").contains("CN=server"), "{data:#}");
    assert_eq!(proxy.targets().len(), 0, "no tunnel is asked for");
    server.stop().await;
}

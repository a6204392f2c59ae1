//! The server's certificate is not what it should be, or it does not speak TLS as it should.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki::{CaForm, Pki, SelfSigned, ServerIdentity, Validity};
use mcp_mtls_testkit::server::{Break, BreakingServer, ClientAuth, Moment, TlsServer};

use super::case::{Case, case, path};
use super::run::host;

/// A server with this certificate, over both versions; nothing of ours is shown to it.
async fn shows(name: &'static str, code: Code, side: Side, identity: impl Fn(&Pki) -> ServerIdentity) {
    let mut case = case(name, code, side);
    let identity = identity(&case.pki);
    against(&mut case, &identity).await;
    case.end();
}

async fn against(case: &mut Case, identity: &ServerIdentity) {
    let client = case.pki.client("alice");
    case.refused_by_each(Some(&client), false, |server| server.identity(identity)).await;
}

#[tokio::test]
async fn an_expired_certificate() {
    shows("server-certificate-expired", Code::ServerCertificateExpired, Side::Theirs, Pki::expired_server_identity)
        .await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet() {
    let code = Code::ServerCertificateNotYetValid;
    shows("server-certificate-not-yet-valid", code, Side::Theirs, Pki::not_yet_valid_server_identity).await;
}

#[tokio::test]
async fn a_certificate_of_another_name() {
    let identity = |pki: &Pki| pki.server_identity_for("other.example");
    shows("server-name-mismatch", Code::ServerNameMismatch, Side::Theirs, identity).await;
}

#[tokio::test]
async fn a_certificate_of_many_other_names() {
    let mut case = case("server-name-mismatch-of-many", Code::ServerNameMismatch, Side::Theirs);
    let identity = case.pki.server_identity_of_many_names(40);
    let server = TlsServer::builder(&case.pki).identity(&identity).start().await;
    let host = case.towards(&server.url("/mcp"), None).args(["--server-name", "mcp.corp.example"]);
    case.refused("with --server-name", host).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer() {
    shows("server-issuer-unknown", Code::ServerIssuerUnknown, Side::Ours, |pki| {
        let identity = pki.stranger_server_identity();
        // With the CA itself, which does not make it known.
        let root = Pki::new().server_ca_der();
        identity.and_presents(root)
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_a_private_ca_when_no_ca_is_set() {
    let mut case = case("server-issuer-unknown-without-ca", Code::ServerIssuerUnknown, Side::Ours);
    let identity = case.pki.server_identity_of_intermediate();
    let server = TlsServer::builder(&case.pki).identity(&identity).client_auth(ClientAuth::None).start().await;
    let system = case.file("system.pem", case.pki.private_ca("Public CA", CaForm::Right).pem());
    let host = host([server.url("/mcp")]).env("SSL_CERT_FILE", &system);
    case.refused("without --ca", host).await;
    case.end();
}

#[tokio::test]
async fn a_ca_that_was_made_anew() {
    let mut case = case("server-issuer-made-anew", Code::ServerIssuerUnknown, Side::Ours);
    let old = case.file("old-ca.pem", Pki::new().server_ca_pem());
    let server = TlsServer::builder(&case.pki).start().await;
    case.refused("with the old CA", host([server.url("/mcp").as_str(), "--ca", &old])).await;
    case.verified("with the old CA", &server.verified(), None);
    case.end();
}

#[tokio::test]
async fn a_certificate_that_signed_itself() {
    let form = SelfSigned::Leaf(Validity::Now);
    let identity = move |pki: &Pki| pki.self_signed_server(form);
    shows("server-self-signed", Code::ServerSelfSigned, Side::Ours, identity).await;
}

#[tokio::test]
async fn a_certificate_that_signed_itself_as_a_ca() {
    let identity = |pki: &Pki| pki.self_signed_server(SelfSigned::Ca);
    shows("server-self-signed-ca", Code::ServerSelfSigned, Side::Ours, identity).await;
}

#[tokio::test]
async fn a_certificate_without_its_intermediate() {
    let identity = |pki: &Pki| pki.server_identity_of_intermediate().leaf_only();
    shows("server-chain-incomplete", Code::ServerChainIncomplete, Side::Theirs, identity).await;
}

#[tokio::test]
async fn a_certificate_that_was_renewed_and_its_chain_was_not() {
    shows("server-chain-of-another", Code::ServerChainIncomplete, Side::Theirs, |pki| {
        pki.server_identity_of_intermediate().leaf_only().and_presents(pki.client_ca_der())
    })
    .await;
}

#[tokio::test]
async fn a_certificate_for_clients() {
    let code = Code::ServerCertificateInvalid;
    shows("server-certificate-for-clients", code, Side::Theirs, Pki::client_auth_only_server_identity).await;
}

/// A server that answers the greeting like this.
async fn greets(name: &'static str, code: Code, side: Side, answer: &'static [u8]) {
    let mut case = case(name, code, side);
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki);
    let server = BreakingServer::start(&server, Moment::Greeting, Break::Bytes(answer)).await;
    let host = case.towards(&server.url("/mcp"), Some(&client));
    case.refused("in answer to the greeting", host).await;
    case.end();
}

#[tokio::test]
async fn plain_http_on_the_port() {
    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    greets("not-tls", Code::NotTls, Side::Theirs, answer).await;
}

#[tokio::test]
async fn another_protocol_on_the_port() {
    greets("not-tls-but-ssh", Code::NotTls, Side::Theirs, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n").await;
}

#[tokio::test]
async fn a_server_that_answers_with_an_old_version() {
    // A ServerHello of TLS 1.1 (RFC 4346).
    const HELLO: [u8; 47] = {
        let mut hello = [7; 47];
        let head = [22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
        let mut at = 0;
        while at < head.len() {
            hello[at] = head[at];
            at += 1;
        }
        // No session id, AES-128 with SHA-1, no compression.
        (hello[43], hello[44], hello[45], hello[46]) = (0, 0, 0x2f, 0);
        hello
    };
    greets("tls-version-unsupported", Code::TlsVersionUnsupported, Side::Theirs, &HELLO).await;
}

#[tokio::test]
async fn a_server_without_tls_1_3_where_nothing_older_is_offered() {
    let mut case = case("tls-version-1-3-wanted", Code::TlsVersionUnsupported, Side::Theirs);
    let server = TlsServer::builder(&case.pki).tls12_only().start().await;
    let host = case.towards(&server.url("/mcp"), None).args(["--min-version", "1.3"]);
    case.refused("with --min-version 1.3", host).await;
    case.end();
}

#[tokio::test]
async fn a_server_that_says_what_makes_no_sense() {
    greets("tls-nonsense", Code::TlsFailed, Side::Between, &[22, 3, 3, 0, 5, 2, 0, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_url_with_http_for_a_port_with_tls() {
    let mut case = case("not-plain", Code::NotPlain, Side::Ours);
    let page = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>";
    let server = TlsServer::builder(&case.pki).plain();
    let server = server.handler(move |_, _| std::future::ready(mcp_mtls_testkit::reply::text(400, page))).start().await;
    case.refused("the words of nginx", host([server.url("/mcp")])).await;
    case.end();
}

#[tokio::test]
async fn no_trusted_root_at_all() {
    let mut case = case("trust-empty", Code::TrustEmpty, Side::Ours);
    let server = TlsServer::builder(&case.pki).start().await;
    let empty = case.file("empty.pem", "");
    let nothing = path(&case.pki.dir().join("no-folder"));
    let host = host([server.url("/mcp")]).env("SSL_CERT_FILE", &empty).env("SSL_CERT_DIR", &nothing);
    case.refused("an empty store", host).await;
    case.end();
}

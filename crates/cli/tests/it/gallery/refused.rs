//! Our certificate is missing, refused, or was never asked for.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{Break, BreakingServer, ClientAuth, Moment, ServerBuilder, TlsServer};

use super::case::{Case, case, variants};

#[tokio::test]
async fn no_certificate() {
    let mut case = case("certificate-required", Code::CertificateRequired, Side::Ours);
    case.refused_by_each(None, false, |server| server).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_of_a_ca_that_the_server_does_not_know() {
    let mut case = case("certificate-of-a-stranger", Code::CertificateRefused, Side::Ours);
    let client = case.pki.stranger_client();
    case.refused_by_each(Some(&client), false, |server| server).await;
    case.end();
}

#[tokio::test]
async fn the_same_at_a_server_that_names_no_cas() {
    let mut case = case("certificate-of-a-stranger-unnamed", Code::CertificateRefused, Side::Ours);
    let client = case.pki.stranger_client();
    case.refused_by_each(Some(&client), false, ServerBuilder::without_ca_names).await;
    case.end();
}

#[tokio::test]
async fn an_expired_certificate() {
    let mut case = case("certificate-expired", Code::CertificateExpired, Side::Ours);
    let client = case.pki.expired_client();
    case.refused_by_each(Some(&client), false, |server| server).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet() {
    let mut case = case("certificate-not-yet-valid", Code::CertificateNotYetValid, Side::Ours);
    let client = case.pki.not_yet_valid_client();
    case.refused_by_each(Some(&client), false, |server| server).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_for_servers() {
    let mut case = case("certificate-not-for-clients", Code::CertificateNotForClients, Side::Ours);
    let client = case.pki.server_auth_only_client();
    case.refused_by_each(Some(&client), false, |server| server).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_without_its_intermediate() {
    let mut case = case("certificate-chain-incomplete", Code::CertificateChainIncomplete, Side::Ours);
    let client = case.pki.client_of_intermediate().leaf_only();
    case.refused_by_each(Some(&client), false, |server| server).await;
    case.end();
}

/// A server that closes the connection where Node and Java do, without an alert.
async fn closes(case: &mut Case, certificate: bool) {
    case.ends_either_way();
    let client = certificate.then(|| case.pki.client("alice"));
    for (way, server) in variants(&case.pki).into_iter().filter(|(way, _)| way.starts_with("TLS 1.3")) {
        let asks = server.client_auth(ClientAuth::Requested);
        let server = asks.start_raw(async |stream, _| drop(stream)).await;
        let host = case.towards(&server.url("/mcp"), client.as_ref());
        case.refused(way, host).await;
        case.verified(way, &server.verified(), client.as_ref());
        server.stop().await;
    }
    let server = TlsServer::builder(&case.pki);
    for (way, how) in [("TLS 1.2, closed", Break::Close), ("TLS 1.2, reset", Break::Reset)] {
        let server = BreakingServer::start(&server, Moment::Certificate, how).await;
        let host = case.towards(&server.url("/mcp"), client.as_ref());
        case.refused(way, host).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_after_our_certificate() {
    let mut case = case("certificate-refused-without-a-word", Code::CertificateRefused, Side::Ours);
    closes(&mut case, true).await;
    case.end();
}

#[tokio::test]
async fn a_connection_that_is_closed_when_no_certificate_came() {
    let mut case = case("certificate-required-without-a-word", Code::CertificateRequired, Side::Ours);
    closes(&mut case, false).await;
    case.end();
}

#[tokio::test]
async fn an_expired_certificate_and_a_connection_that_is_closed_after_it() {
    let mut case = case("certificate-expired-without-a-word", Code::CertificateExpired, Side::Ours);
    case.ends_either_way();
    let client = case.pki.expired_client();
    let server = TlsServer::builder(&case.pki);
    let server = BreakingServer::start(&server, Moment::Certificate, Break::Close).await;
    let host = case.towards(&server.url("/mcp"), Some(&client));
    case.refused("TLS 1.2", host).await;
    case.end();
}

/// A server that looks at the certificate itself, and answers over HTTP.
async fn answers(case: &mut Case, certificate: bool, page: &'static str) {
    let client = certificate.then(|| case.pki.client("alice"));
    for (way, server) in variants(&case.pki) {
        let body = format!("<html>\r\n<head><title>{page}</title></head>\r\n<body>nginx</body></html>");
        let server = server.client_auth(ClientAuth::Requested);
        let server = server.handler(move |_, _| std::future::ready(reply::text(400, body.clone())));
        case.refused_by(way, server, client.as_ref(), true).await;
    }
}

#[tokio::test]
async fn the_words_of_nginx_without_a_certificate() {
    let mut case = case("certificate-required-by-nginx", Code::CertificateRequired, Side::Ours);
    answers(&mut case, false, "400 No required SSL certificate was sent").await;
    case.end();
}

#[tokio::test]
async fn the_words_of_nginx_about_a_certificate() {
    let mut case = case("certificate-refused-by-nginx", Code::CertificateRefused, Side::Ours);
    answers(&mut case, true, "400 The SSL certificate error").await;
    case.end();
}

#[tokio::test]
async fn a_server_that_never_asks_and_forbids() {
    for (name, status) in [("certificate-not-asked-403", 403), ("certificate-not-asked-401", 401)] {
        let mut case = case(name, Code::CertificateNotAsked, Side::Theirs);
        let client = case.pki.client("alice");
        case.refused_by_each(Some(&client), false, |server| {
            let server = server.client_auth(ClientAuth::None);
            server.handler(move |_, _| std::future::ready(reply::text(status, "Access denied")))
        })
        .await;
        case.end();
    }
}

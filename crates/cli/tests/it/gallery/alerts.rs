//! Every alert, after our certificate and in answer to the greeting.

use mcp_mtls_core::error::Code::{self, CertificateExpired, CertificateRefused, TlsFailed, TlsVersionUnsupported};
use mcp_mtls_core::error::Side;
use mcp_mtls_testkit::server::{Break, BreakingServer, Moment, TlsServer};
use rustls::CertificateError;

use super::case::{all, case, variants};

/// The alert in answer to our certificate: over TLS 1.2 as it is, and over both versions by a server that refuses for
/// this reason.
async fn after_certificate(name: &'static str, code: Code, alert: u8, because: Option<CertificateError>) {
    let mut case = case(name, code, code.side());
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki);
    let server = BreakingServer::start(&server, Moment::Certificate, Break::Alert(alert)).await;
    let host = case.towards(&server.url("/mcp"), Some(&client));
    case.refused("TLS 1.2, by hand", host).await;
    for (way, server) in variants(&case.pki) {
        if let Some(because) = &because {
            case.refused_by(way, server.refuses_clients(because.clone()), Some(&client), false).await;
        }
    }
    case.end();
}

/// The alert in answer to the greeting.
async fn at_greeting(name: &'static str, code: Code, alert: u8) {
    let mut case = case(name, code, code.side());
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki);
    let server = BreakingServer::start(&server, Moment::Greeting, Break::Alert(alert)).await;
    let host = case.towards(&server.url("/mcp"), Some(&client));
    case.refused("in answer to the greeting", host).await;
    case.end();
}

#[tokio::test]
async fn that_the_certificate_is_bad() {
    let because = CertificateError::BadEncoding;
    after_certificate("alert-bad-certificate", CertificateRefused, 42, Some(because)).await;
}

#[tokio::test]
async fn that_the_certificate_is_of_the_wrong_kind() {
    let because = CertificateError::InvalidPurpose;
    after_certificate("alert-unsupported-certificate", CertificateRefused, 43, Some(because)).await;
}

#[tokio::test]
async fn that_the_certificate_is_revoked() {
    after_certificate("alert-certificate-revoked", CertificateRefused, 44, Some(CertificateError::Revoked)).await;
}

#[tokio::test]
async fn that_a_certificate_has_expired_which_has_not() {
    after_certificate("alert-certificate-expired", CertificateRefused, 45, Some(CertificateError::Expired)).await;
}

#[tokio::test]
async fn that_the_certificate_is_refused_for_any_reason() {
    let because = CertificateError::Other(rustls::OtherError(std::sync::Arc::new(std::fmt::Error)));
    after_certificate("alert-certificate-unknown", CertificateRefused, 46, Some(because)).await;
}

#[tokio::test]
async fn that_the_ca_is_unknown_which_is_not() {
    after_certificate("alert-unknown-ca", CertificateRefused, 48, Some(CertificateError::UnknownIssuer)).await;
}

#[tokio::test]
async fn that_access_is_denied() {
    let because = CertificateError::ApplicationVerificationFailure;
    after_certificate("alert-access-denied", CertificateRefused, 49, Some(because)).await;
}

#[tokio::test]
async fn that_our_signature_is_wrong() {
    after_certificate("alert-decrypt-error", CertificateRefused, 51, Some(CertificateError::BadSignature)).await;
}

#[tokio::test]
async fn that_the_handshake_fails_or_a_certificate_is_required_though_one_came() {
    let alerts = [("alert-handshake-failure", 40), ("alert-certificate-required", 116)];
    all(alerts, |(name, alert)| after_certificate(name, CertificateRefused, alert, None)).await;
}

#[tokio::test]
async fn of_other_kinds_after_our_certificate() {
    let alerts = [
        ("alert-unexpected-message", 10),
        ("alert-bad-record-mac", 20),
        ("alert-record-overflow", 22),
        ("alert-illegal-parameter", 47),
        ("alert-decode-error", 50),
        ("alert-insufficient-security", 71),
        ("alert-internal-error", 80),
    ];
    all(alerts, |(name, alert)| after_certificate(name, TlsFailed, alert, None)).await;
}

#[tokio::test]
async fn of_other_kinds_after_our_certificate_that_are_rarer() {
    let alerts = [
        ("alert-user-canceled", 90),
        ("alert-no-renegotiation", 100),
        ("alert-missing-extension", 109),
        ("alert-unsupported-extension", 110),
        ("alert-bad-certificate-status-response", 113),
        ("alert-no-application-protocol", 120),
        ("alert-of-a-number", 200),
    ];
    all(alerts, |(name, alert)| after_certificate(name, TlsFailed, alert, None)).await;
}

#[tokio::test]
async fn in_answer_to_the_greeting() {
    let alerts = [
        ("greeting-handshake-failure", TlsFailed, 40),
        ("greeting-illegal-parameter", TlsFailed, 47),
        ("greeting-access-denied", TlsFailed, 49),
        ("greeting-decode-error", TlsFailed, 50),
        ("greeting-protocol-version", TlsVersionUnsupported, 70),
        ("greeting-insufficient-security", TlsFailed, 71),
    ];
    all(alerts, |(name, code, alert)| at_greeting(name, code, alert)).await;
}

#[tokio::test]
async fn in_answer_to_the_greeting_about_names_and_more() {
    let alerts = [
        ("greeting-internal-error", TlsFailed, 80),
        ("greeting-inappropriate-fallback", TlsFailed, 86),
        ("greeting-unrecognized-name", TlsFailed, 112),
        ("greeting-no-application-protocol", TlsFailed, 120),
        ("greeting-close-notify", TlsFailed, 0),
    ];
    all(alerts, |(name, code, alert)| at_greeting(name, code, alert)).await;
}

#[tokio::test]
async fn of_a_certificate_that_has_expired() {
    let alerts = [
        ("alert-certificate-expired-indeed", CertificateExpired, 45),
        // Another certificate of the same CA would be refused as well.
        ("alert-unknown-ca-of-an-expired-certificate", CertificateRefused, 48),
    ];
    all(alerts, |(name, code, alert)| async move {
        let mut case = case(name, code, Side::Ours);
        let client = case.pki.expired_client();
        let server = TlsServer::builder(&case.pki);
        let server = BreakingServer::start(&server, Moment::Certificate, Break::Alert(alert)).await;
        let host = case.towards(&server.url("/mcp"), Some(&client));
        case.refused("TLS 1.2, by hand", host).await;
        case.end();
    })
    .await;
}

//! Answers over HTTP that are not those of an MCP server.

use http::Response;
use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::reply::{self, Body};
use mcp_mtls_testkit::server::TlsServer;

use super::case::{Case, all, case};

/// A server that answers every request like this, over both versions of HTTP; it has verified our certificate.
pub(super) async fn answers(case: &mut Case, answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) {
    let client = case.pki.client("alice");
    for (way, protocol) in [("HTTP/1.1", "http/1.1"), ("HTTP/2", "h2")] {
        let answer = answer.clone();
        let server = TlsServer::builder(&case.pki).alpn(&[protocol]);
        let server = server.handler(move |_, _| std::future::ready(answer()));
        case.refused_by(way, server, Some(&client), true).await;
    }
}

/// The same as a whole case.
async fn answered(
    name: &'static str,
    code: Code,
    side: Side,
    answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
) {
    let mut case = case(name, code, side);
    answers(&mut case, answer).await;
    case.end();
}

/// With a header more.
pub(super) fn with(mut response: Response<Body>, name: &'static str, value: &str) -> Response<Body> {
    response.headers_mut().insert(name, value.parse().expect("a header"));
    response
}

fn html(status: u16, title: &str) -> Response<Body> {
    let page =
        format!("<!doctype html>\n<html>\n<head><title>{title}</title></head>\n<body><form></form></body></html>");
    with(reply::text(status, page), "content-type", "text/html; charset=utf-8")
}

#[tokio::test]
async fn a_server_that_wants_oauth() {
    answered("http-unauthorized", Code::HttpUnauthorized, Side::Ours, || {
        let challenge = "Bearer resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource\"";
        with(reply::empty(401), "www-authenticate", challenge)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_wants_a_password() {
    answered("http-unauthorized-basic", Code::HttpUnauthorized, Side::Ours, || {
        with(reply::empty(401), "www-authenticate", "Basic realm=\"corp\"")
    })
    .await;
}

#[tokio::test]
async fn iis_that_holds_the_certificate_for_revoked() {
    answered("certificate-refused-by-iis", Code::CertificateRefused, Side::Ours, || {
        html(403, "IIS 10.0 Detailed Error - 403.13 - Forbidden")
    })
    .await;
}

#[tokio::test]
async fn a_token_that_has_expired() {
    let mut case = case("http-unauthorized-with-a-token", Code::HttpUnauthorized, Side::Ours);
    let token = case.secret("eyJhbGciOi.token-of-alice");
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki)
        .handler(|request, _| {
            let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
            // It says more than it should.
            let answer = reply::text(401, format!("{sent} has expired, Cannot POST {}", request.uri()));
            std::future::ready(with(answer, "www-authenticate", "Bearer error=\"invalid_token\""))
        })
        .start()
        .await;
    let host = case.towards(&server.url("/mcp?key=hunter2"), Some(&client));
    case.secret("hunter2");
    let host = host.args(["--header", "Authorization: Bearer {env:TOKEN}"]).env("TOKEN", token);
    case.refused("with a header", host).await;
    case.verified("with a header", &server.verified(), Some(&client));
    case.end();
}

#[tokio::test]
async fn a_server_that_forbids() {
    answered("http-forbidden", Code::HttpForbidden, Side::Theirs, || reply::text(403, "RBAC: access denied")).await;
}

#[tokio::test]
async fn a_path_that_is_not_there() {
    answered("http-not-found", Code::HttpNotFound, Side::Ours, || html(404, "404 Not Found")).await;
}

#[tokio::test]
async fn a_path_that_takes_no_post() {
    answered("http-method-not-allowed", Code::HttpNotFound, Side::Ours, || {
        with(reply::text(405, "Method Not Allowed"), "allow", "GET, HEAD")
    })
    .await;
}

#[tokio::test]
async fn a_path_that_is_gone() {
    answered("http-gone", Code::HttpNotFound, Side::Ours, || reply::text(410, "This API was retired")).await;
}

#[tokio::test]
async fn a_host_that_is_served_under_another_name() {
    answered("http-misdirected", Code::HttpMisdirected, Side::Ours, || html(421, "421 Misdirected Request")).await;
}

#[tokio::test]
async fn servers_with_trouble_of_their_own() {
    let answers = [
        ("http-internal-error", 500, "Internal Server Error"),
        ("http-bad-gateway", 502, "502 Bad Gateway"),
        ("http-gateway-timeout", 504, "504 Gateway Time-out"),
    ];
    all(answers, |(name, status, title)| {
        answered(name, Code::HttpServerError, Side::Theirs, move || html(status, title))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_asks_to_wait() {
    answered("http-unavailable", Code::HttpServerError, Side::Theirs, || {
        with(reply::text(503, "upstream connect error or disconnect/reset before headers"), "retry-after", "30")
    })
    .await;
}

#[tokio::test]
async fn other_statuses() {
    let answers = [
        ("http-bad-request", 400, "invalid request body"),
        ("http-payload-too-large", 413, "Request Entity Too Large"),
        ("http-unsupported-media-type", 415, "expected application/xml"),
        ("http-too-many-requests", 429, "rate limit exceeded"),
        ("http-unheard-of", 499, ""),
    ];
    all(answers, |(name, status, words)| {
        answered(name, Code::HttpStatus, Side::Theirs, move || reply::text(status, words))
    })
    .await;
}

#[tokio::test]
async fn a_web_site() {
    answered("not-mcp-but-a-site", Code::NotMcp, Side::Ours, || html(200, "Welcome to nginx!")).await;
}

#[tokio::test]
async fn a_page_to_log_in() {
    answered("not-mcp-but-a-login", Code::NotMcp, Side::Ours, || html(200, "Sign in – Corp SSO")).await;
}

#[tokio::test]
async fn another_api() {
    answered("not-mcp-but-json", Code::NotMcp, Side::Ours, || reply::json(200, r#"{"status":"ok","version":"1.2"}"#))
        .await;
}

#[tokio::test]
async fn json_that_is_cut_off() {
    answered("answer-cut-off", Code::ProtocolViolation, Side::Theirs, || {
        reply::json(200, r#"{"jsonrpc":"2.0","id":1,"result":{"#)
    })
    .await;
}

#[tokio::test]
async fn an_empty_answer() {
    answered("answer-empty", Code::NotMcp, Side::Ours, || reply::empty(200)).await;
}

#[tokio::test]
async fn an_answer_to_something_else() {
    answered("answer-of-another-id", Code::ProtocolViolation, Side::Theirs, || {
        reply::json(200, r#"{"jsonrpc":"2.0","id":"other","result":{}}"#)
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_compressed() {
    answered("answer-compressed", Code::ProtocolViolation, Side::Theirs, || {
        let gzip = &b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x2a"[..];
        with(reply::json(200, gzip), "content-encoding", "gzip")
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_ends_without_the_answer() {
    answered("stream-ended", Code::ConnectionLost, Side::Between, || {
        let (events, response) = reply::events();
        events.raw(": working\n\n");
        response
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_something_else() {
    answered("stream-of-no-messages", Code::ProtocolViolation, Side::Theirs, || {
        let (events, response) = reply::events();
        events.send("tick");
        response
    })
    .await;
}

#[tokio::test]
async fn headers_beyond_all_bounds() {
    answered("headers-too-large", Code::MessageTooLarge, Side::Theirs, || {
        with(reply::json(200, "{}"), "x-padding", &"x".repeat(1 << 20))
    })
    .await;
}

#[tokio::test]
async fn redirects() {
    let answers = [
        ("redirect-to-another-origin", 307, "https://other.example/mcp?token=abc"),
        ("redirect-without-end", 308, "/mcp"),
        ("redirect-to-a-login", 302, "/login"),
        ("redirect-to-nowhere", 307, "https://[/"),
    ];
    all(answers, |(name, status, location)| {
        answered(name, Code::RedirectRefused, Side::Theirs, move || reply::redirect(status, location))
    })
    .await;
}

#[tokio::test]
async fn a_server_of_http_sse_that_does_not_say_where_messages_go() {
    let mut case = case("http-sse-without-endpoint", Code::ProtocolViolation, Side::Theirs);
    let client = case.pki.client("alice");
    let server = TlsServer::builder(&case.pki)
        .handler(|request, _| {
            std::future::ready(if request.method() == "GET" {
                let (events, response) = reply::events();
                events.raw(": welcome\n\n");
                response
            } else {
                reply::empty(405)
            })
        })
        .start()
        .await;
    let (ca, url) = (case.pki.server_ca_file(), server.url("/sse"));
    let host = case.entry(&format!(
        r#"{{ "type": "sse", "url": "{url}", "tls": {{ "cert": "{}", "key": "{}", "ca": "{}" }} }}"#,
        client.cert_file.display(),
        client.key_file.display(),
        ca.display()
    ));
    case.refused("\"type\": \"sse\"", host).await;
    case.verified("\"type\": \"sse\"", &server.verified(), Some(&client));
    case.end();
}

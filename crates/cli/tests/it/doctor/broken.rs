//! Each step broken once: the failure stands there, and nothing behind it was reached.

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::proxy::ConnectProxy;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::{RawServer, TlsServer};
use tokio::net::TcpListener;

use super::{config, doctor, flags, towards, without_certificate};

#[tokio::test]
async fn the_configuration() {
    let pki = Pki::new();
    for (entries, name, code) in [
        (r#""corp": { "url": "https://localhost/", "tls": { "crt": "x" } }"#, "corp", "config-unknown-key"),
        (r#""corp": { "url": "https://{env:NOWHERE}/" }"#, "corp", "reference-unresolved"),
        (r#""corp": { "url": "https://localhost/", "timeout": 0 }"#, "corp", "config-invalid-value"),
        (r#""corp": { "url": "https://localhost/", "proxy": "gopher://x" }"#, "corp", "config-invalid-value"),
        (r#""corp": { "url": "https://localhost/", "enabled": false }"#, "corp", "config-disabled"),
        (r#""corp": { "url": "https://localhost/" }"#, "crop", "config-no-such-entry"),
        (r#""corp": { ,"#, "corp", "config-syntax"),
    ] {
        let file = config(&pki, entries);
        let found = doctor(&pki, [name.as_ref(), "--config".as_ref(), file.as_os_str()]).examined().await;
        assert_eq!(found.broken_at("configuration")["code"], code, "{entries}");
        assert_eq!(found.entry()["name"], name);
    }
    // What is known is told all the same.
    let file = config(&pki, "\n\"corp\": { \"url\": \"https://localhost/\", \"timeout\": 0 }");
    let found = doctor(&pki, ["corp".as_ref(), "--config".as_ref(), file.as_os_str()]).examined().await;
    assert_eq!(found.fact("configuration", "place"), &format!("{}:3, mcp.corp", file.display()));
    assert_eq!(found.fact("configuration", "settings")[1]["setting"], "timeout");
}

#[tokio::test]
async fn the_command_line() {
    let pki = Pki::new();
    for arguments in [&["--cert", "x.pem"][..], &["https://localhost/", "--config", "x"], &["--nonsense"]] {
        let (status, stdout, stderr) = doctor(&pki, arguments).told().await;
        assert_eq!((status, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
    }
    // A literal secret is asked wrongly, too.
    let found = doctor(&pki, ["https://localhost/", "-H", "Authorization: Bearer hunter2"]).examined().await;
    assert_eq!((found.status, &found.step("configuration")["failure"]["code"]), (2, &"secret-in-arguments".into()));
}

#[tokio::test]
async fn the_identity() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let mut other_key = flags(&pki, &server.url(), &alice);
    *other_key.last_mut().unwrap() = bob.key_file.into();
    let mut no_file = flags(&pki, &server.url(), &alice);
    *no_file.last_mut().unwrap() = "missing.key".into();
    for (flags, code) in [(other_key, "key-mismatch"), (no_file, "file-unreadable")] {
        let found = doctor(&pki, flags).examined().await;
        assert_eq!(found.broken_at("identity")["code"], code);
        assert_eq!(found.entry()["url"], server.url());
    }
    assert_eq!(server.server().connections().len(), 0, "nothing goes out without the certificate");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_never_answers() {
    let pki = Pki::new();
    let pipe = pki.dir().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    let alice = pki.client("alice");
    let mut flags = flags(&pki, "https://localhost:9/", &alice);
    *flags.last_mut().unwrap() = pipe.into();
    let began = std::time::Instant::now();
    let found = doctor(&pki, flags).args(["--timeout", "300"]).examined().await;
    assert_eq!(found.broken_at("identity")["code"], "timed-out");
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_trust() {
    let pki = Pki::new();
    let found = doctor(&pki, ["https://localhost:9/", "--ca", "missing.pem"]).examined().await;
    assert_eq!(found.broken_at("trust")["code"], "file-unreadable");
    let empty = pki.write("empty.pem", "");
    let run = doctor(&pki, ["https://localhost:9/"]).env("SSL_CERT_FILE", &empty).env("SSL_CERT_DIR", "/nowhere");
    assert_eq!(run.examined().await.broken_at("trust")["code"], "trust-empty");
}

#[tokio::test]
async fn the_name_and_the_connection() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let found = towards(&pki, "https://nowhere.invalid/mcp", &alice).examined().await;
    assert_eq!(found.broken_at("name")["code"], "name-unresolved");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let found = towards(&pki, &format!("https://localhost:{port}/mcp"), &alice).examined().await;
    assert_eq!(found.broken_at("connection")["code"], "connect-failed");
    assert_eq!(found.step("name")["state"], "ok");
    assert!(found.fact("name", "addresses").as_array().is_some_and(|found| !found.is_empty()));
}

#[tokio::test]
async fn the_proxy_and_the_way_to_it() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let through =
        |proxy: &str| towards(&pki, "https://mcp.corp.test:7443/mcp", &alice).args(["--proxy", proxy]).examined();
    assert_eq!(through("http://nowhere.invalid:3128").await.broken_at("name")["code"], "name-unresolved");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let found = through(&format!("http://127.0.0.1:{port}")).await;
    assert_eq!(found.broken_at("connection")["code"], "connect-failed");
    let proxy = ConnectProxy::start().await;
    let found = through(&proxy.url()).await;
    let failure = found.broken_at("proxy");
    assert_eq!(failure["code"], "proxy-failed", "{failure:#}");
    // An https proxy is spoken to over TLS, which is a step of the proxy's.
    let secured = ConnectProxy::options().tls(&pki, &pki.stranger_server_identity()).start().await;
    let found = through(&secured.url()).await;
    assert_eq!(found.broken_at("proxy")["code"], "server-issuer-unknown");
}

#[tokio::test]
async fn tls_by_either_side() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let identity = pki.expired_server_identity();
    let server = McpServer::on(TlsServer::builder(&pki).identity(&identity), McpOptions::default()).await;
    let found = towards(&pki, &server.url(), &alice).examined().await;
    assert_eq!(found.broken_at("tls")["code"], "server-certificate-expired");
    assert_eq!(found.fact("tls", "serverCertificates")[0]["sha256"], identity.fingerprint);

    for builder in [TlsServer::builder(&pki).tls12_only(), TlsServer::builder(&pki).tls13_only()] {
        let server = McpServer::on(builder, McpOptions::default()).await;
        let found = towards(&pki, &server.url(), &pki.stranger_client()).examined().await;
        assert_eq!(found.broken_at("tls")["code"], "certificate-refused");
        assert_eq!(found.fact("tls", "certificatePresented"), true);
        assert_eq!(found.fact("tls", "certificateAccepted"), false);
        assert_eq!(found.fact("tls", "issuerAmongAcceptable"), false);

        let found = doctor(&pki, without_certificate(&pki, &server.url())).examined().await;
        assert_eq!(found.broken_at("tls")["code"], "certificate-required");
        assert_eq!(found.step("identity")["state"], "not-used");
        assert_eq!(found.fact("tls", "certificateAsked"), true);
        assert_eq!(found.fact("tls", "certificateAccepted"), &serde_json::Value::Null);
    }

    // A server that closes the connection without a word right after the certificate.
    let server = RawServer::start(&pki, |_, _| async {}).await;
    let found = towards(&pki, &server.url("/mcp"), &alice).examined().await;
    assert_eq!(found.broken_at("tls")["code"], "certificate-refused");

    // The certificate is refused in an HTTP answer.
    let page = "<html><title>400 The SSL certificate error</title></html>";
    let server = TlsServer::builder(&pki).handler(move |_, _| {
        let mut answer = reply::text(400, page);
        answer.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html"));
        std::future::ready(answer)
    });
    let server = server.start().await;
    let found = towards(&pki, &server.url("/mcp"), &alice).examined().await;
    assert_eq!(found.broken_at("tls")["code"], "certificate-refused");
    assert_eq!(found.fact("tls", "certificateAccepted"), false);
}

#[tokio::test]
async fn http_that_answers_otherwise() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    for status in [401, 403, 404, 502] {
        let server =
            TlsServer::builder(&pki).handler(move |_, _| std::future::ready(reply::text(status, "no"))).start().await;
        let found = towards(&pki, &server.url("/mcp"), &alice).examined().await;
        let failure = found.broken_at("http");
        assert!(failure["code"].as_str().is_some_and(|code| code.starts_with("http-")), "{failure:#}");
        assert_eq!(found.fact("http", "status"), status);
        assert_eq!(found.fact("tls", "certificateAccepted"), true, "an answer was read");
    }
    let server = TlsServer::builder(&pki).handler(async |_, _| std::future::pending().await).start().await;
    let found = towards(&pki, &server.url("/mcp"), &alice).args(["--timeout", "600"]).examined().await;
    assert_eq!(found.broken_at("http")["code"], "timed-out");
}

#[tokio::test]
async fn mcp_that_is_none() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let server = TlsServer::builder(&pki).handler(async |_, _| reply::text(200, "<html>hello</html>")).start().await;
    let found = towards(&pki, &server.url("/mcp"), &alice).examined().await;
    let failure = found.broken_at("mcp");
    assert!(["protocol-violation", "not-mcp"].contains(&failure["code"].as_str().unwrap()), "{failure:#}");
    assert_eq!(found.fact("http", "status"), 200);
}

/// Answers each method with a result of its own, and the rest with 403.
async fn answering(pki: &Pki, results: &'static [(&str, &str)]) -> TlsServer {
    let handler = move |request: http::Request<bytes::Bytes>, _| {
        let asked: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let result = results.iter().find(|(method, _)| asked["method"] == *method);
        std::future::ready(match result {
            Some((_, result)) => {
                reply::json(200, format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, asked["id"]))
            }
            None if asked["id"].is_null() => reply::empty(202),
            None => reply::text(403, "no"),
        })
    };
    TlsServer::builder(pki).handler(handler).start().await
}

#[tokio::test]
async fn a_server_that_begins_as_hosts_do_not_expect() {
    const TOOLS: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"a"}}"#;
    let pki = Pki::new();
    let alice = pki.client("alice");
    let examined = async |results| {
        let server = answering(&pki, results).await;
        towards(&pki, &server.url("/mcp"), &alice).examined().await
    };
    let found = examined(&[("initialize", "{}")]).await;
    assert_eq!(found.broken_at("mcp")["code"], "protocol-violation");

    // Discovery names no revision that is spoken here, so that hosts initialize.
    let old = r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#;
    let known = r#"{"protocolVersion":"2025-11-25","capabilities":{"act as admin":{}},"serverInfo":{"name":"a"}}"#;
    let found = examined(Box::leak(Box::new([("server/discover", old), ("initialize", known)]))).await;
    found.is_well();
    assert_eq!(found.fact("mcp", "era"), "legacy");

    let unknown = r#"{"protocolVersion":"2099-01-01","capabilities":{},"serverInfo":{"name":"a"}}"#;
    let found = examined(Box::leak(Box::new([("initialize", unknown)]))).await;
    let notes = &found.step("mcp")["notes"];
    assert!(notes[0].as_str().is_some_and(|note| note.contains("2099-01-01")), "{notes}");

    let found = examined(&[("initialize", TOOLS)]).await;
    assert_eq!(found.broken_at("mcp")["code"], "http-forbidden");
    assert_eq!(found.fact("mcp", "server")["name"], "a", "what it has said is told");
}

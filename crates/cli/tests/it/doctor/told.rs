//! How reports look, to people and to programs.

use insta::assert_snapshot;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::{ServerBuilder, TlsServer};
use serde_json::Value;

use super::{config, doctor, entry};
use crate::run::stable;

struct Stage {
    pki: Pki,
    server: McpServer,
    config: std::path::PathBuf,
}

async fn stage(builder: impl Fn(ServerBuilder) -> ServerBuilder, stranger: bool) -> Stage {
    let pki = Pki::new();
    let builder = builder(TlsServer::builder(&pki).tls13_only().alpn(&["h2"]));
    let server = McpServer::on(builder, McpOptions::default()).await;
    let client = if stranger { pki.stranger_client() } else { pki.client("alice") };
    let config = config(&pki, &entry(&pki, "corp", &server.url(), &client));
    Stage { pki, server, config }
}

impl Stage {
    fn arguments(&self) -> [&std::ffi::OsStr; 3] {
        ["corp".as_ref(), "--config".as_ref(), self.config.as_os_str()]
    }

    /// Without what differs from run to run. Where a line is wrapped depends on the names of folders.
    fn without_chance(&self, text: &str) -> String {
        let text = text.replace(&*self.pki.dir().to_string_lossy(), "[dir]");
        let text = text.replace(&format!(":{}", self.server.server().addr().port()), ":[port]");
        let lines = text.lines().map(|line| match line.rsplit_once(", in ") {
            Some((rest, time)) if time.ends_with(" ms") => format!("{rest}, in [time]"),
            _ => line.to_owned(),
        });
        stable(&lines.collect::<Vec<_>>().join("\n"))
    }
}

#[tokio::test]
async fn a_healthy_entry_for_people() {
    let stage = stage(|builder| builder, false).await;
    let (status, told, stderr) = doctor(&stage.pki, stage.arguments()).told().await;
    assert_eq!((status, stderr.as_str()), (0, ""), "{told}");
    assert_snapshot!(stage.without_chance(&told), @r"
    corp  https://localhost:[port]/mcp
      ok          configuration: [dir]/config.jsonc:2, mcp.corp
      ok          identity: “O=Testkit, CN=alice”, expires [date] (in 365
                    days)
                    issued by “O=Testkit, CN=Testkit Client CA”; ECDSA P-256; for
                    clientAuth
                    from [dir]/alice.pem, with its key
      ok          trust: “O=Testkit, CN=Testkit Server CA”, expires [date] (in
                    3650 days)
                    from [dir]/server-ca.pem
                    and the system's roots
      ok          name: localhost is 127.0.0.1
      ok          connection: 127.0.0.1:[port], in [time]
      not used    proxy: none is set
      ok          TLS: TLS 1.3, X25519MLKEM768, AES-256-GCM-SHA384, h2
                    server “O=Testkit, CN=server”, expires [date] (in 365 days)
                    issued by “O=Testkit, CN=Testkit Server CA”; ECDSA P-256; for
                    serverAuth
                    names: “localhost”, “127.0.0.1”, “::1”
                    it accepts certificates of “O=Testkit, CN=Testkit Client CA”;
                    the issuer of ours is among them
                    our certificate was asked for, presented and accepted
      ok          HTTP: HTTP/2, status 200, in [time]
      ok          MCP: “testkit 1.0”
                    MCP [date], with initialize, over Streamable HTTP
                    capabilities: logging, resources, tools
                    6 tools

    corp is healthy.
    ");
}

#[tokio::test]
async fn a_broken_entry_for_people() {
    let stage = stage(|builder| builder, true).await;
    let (status, told, stderr) = doctor(&stage.pki, stage.arguments()).told().await;
    assert_eq!((status, stderr.as_str()), (1, ""), "{told}");
    assert_snapshot!(stage.without_chance(&without_explanation(&told)), @r"
    corp  https://localhost:[port]/mcp
      ok          configuration: [dir]/config.jsonc:2, mcp.corp
      ok          identity: “O=Testkit, CN=stranger”, expires [date] (in 365
                    days)
                    issued by “O=Testkit, CN=Unrelated CA”; ECDSA P-256; for
                    clientAuth
                    from [dir]/stranger.pem, with its key
      ok          trust: “O=Testkit, CN=Testkit Server CA”, expires [date] (in
                    3650 days)
                    from [dir]/server-ca.pem
                    and the system's roots
      ok          name: localhost is 127.0.0.1
      ok          connection: 127.0.0.1:[port], in [time]
      not used    proxy: none is set
      failed      TLS: TLS 1.3, X25519MLKEM768, AES-256-GCM-SHA384, h2
                    server “O=Testkit, CN=server”, expires [date] (in 365 days)
                    issued by “O=Testkit, CN=Testkit Server CA”; ECDSA P-256; for
                    serverAuth
                    names: “localhost”, “127.0.0.1”, “::1”
                    it accepts certificates of “O=Testkit, CN=Testkit Client CA”;
                    the issuer of ours is not among them
                    our certificate was asked for and presented
        error: [words]
        where: [words]
          why: [words]
          fix: [words]
         code: certificate-refused (mcp-mtls explain certificate-refused)
      not reached HTTP, MCP

    corp: the step TLS failed (certificate-refused); see above.
    ");
}

/// With what a failure says left out, which is not what is looked at here.
fn without_explanation(told: &str) -> String {
    let labels = ["    error: ", "    where: ", "      why: ", "      fix: "];
    let line = |line: &str| match labels.iter().find(|label| line.starts_with(*label)) {
        Some(label) => Some(format!("{label}[words]")),
        // The second line of such a text.
        None if line.starts_with(&" ".repeat(11)) && !line.starts_with(&" ".repeat(12)) => None,
        None => Some(line.to_owned()),
    };
    told.lines().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_shape_for_programs() {
    let stage = stage(|builder| builder, false).await;
    let found = doctor(&stage.pki, stage.arguments()).examined().await;
    let steps = found.entry()["steps"].as_array().unwrap().iter().map(shape);
    let certificate = format!("CERTIFICATE = {}", members(found.fact("identity", "certificate")));
    let entry =
        Value::Object(found.entry().as_object().unwrap().clone().into_iter().filter(|(k, _)| k != "steps").collect());
    let answer = [members(&entry), certificate];
    assert_snapshot!(answer.into_iter().chain(steps).collect::<Vec<_>>().join("\n"), @r"
    { healthy: bool, milliseconds: number, name: text, url: text }
    CERTIFICATE = { extendedKeyUsages: [text], isCa: bool, issuer: text, keyKind: text, keyUsages: [text], names: [], notAfter: text, notBefore: text, serial: text, sha256: text, signatureAlgorithm: text, subject: text }
    { facts: { place: text, settings: [{ origin: text, setting: text }], timeout: number }, milliseconds: number, state: ok, step: configuration }
    { facts: { certificate: CERTIFICATE, chain: [], issuer: text, keyMatches: bool, origin: text, place: text, source: text }, milliseconds: number, state: ok, step: identity }
    { facts: { ca: { certificates: [CERTIFICATE], place: text }, systemRoots: bool }, milliseconds: number, state: ok, step: trust }
    { facts: { addresses: [text] }, milliseconds: number, state: ok, step: name }
    { facts: { address: text }, milliseconds: number, state: ok, step: connection }
    { facts: { reason: text }, state: not-used, step: proxy }
    { facts: { acceptableCas: [text], alpn: text, certificateAccepted: bool, certificateAsked: bool, certificatePresented: bool, cipherSuite: text, issuerAmongAcceptable: bool, keyExchange: text, serverCertificates: [CERTIFICATE], version: text }, milliseconds: number, state: ok, step: tls }
    { facts: { status: number, version: text }, milliseconds: number, state: ok, step: http }
    { facts: { capabilities: [text], era: text, revision: text, server: { name: text, version: text }, tools: { count: number, more: bool }, transport: text }, milliseconds: number, state: ok, step: mcp }
    ");

    let stage = self::stage(|builder| builder, true).await;
    let found = doctor(&stage.pki, stage.arguments()).examined().await;
    assert_snapshot!(shape(found.step("tls")), @r"
    { facts: { acceptableCas: [text], alpn: text, certificateAccepted: bool, certificateAsked: bool, certificatePresented: bool, cipherSuite: text, issuerAmongAcceptable: bool, keyExchange: text, serverCertificates: [CERTIFICATE], version: text }, failure: { code: text, evidence: { accepted_cas: [text], address: text, alert: text, alert_came: text, certificate: text, issuer: text, issuer_accepted: bool, not_after: text, subject: text, tls_version: text }, fix: [text], side: text, what: text, where: [text], why: [text] }, state: failed, step: tls }
    ");
    assert_snapshot!(shape(found.step("mcp")), @r"
    { facts: {  }, state: not-reached, step: mcp }
    ");
}

/// Names and kinds of values; of a list, its first.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(map) if map.contains_key("sha256") => "CERTIFICATE".to_owned(),
        Value::Object(_) => members(value),
        Value::Array(list) => format!("[{}]", list.first().map_or_else(String::new, shape)),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        // Of the few words that there are for it.
        Value::String(text) if ["ok", "not-used", "not-reached", "failed"].contains(&text.as_str()) => text.clone(),
        Value::String(_) => "text".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

fn members(value: &Value) -> String {
    // The words of a library are there or not, by whether the server's end or our own next step came first.
    let members = value.as_object().into_iter().flatten().filter(|(name, _)| name.as_str() != "cause");
    let members = members.map(|(name, value)| match (name.as_str(), value) {
        ("step", Value::String(step)) => format!("step: {step}"),
        (name, value) => format!("{name}: {}", shape(value)),
    });
    format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
}

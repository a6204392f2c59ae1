//! Hosts that reach server-everything through an Envoy which demands a client certificate and knows a
//! revocation list; the client for its part wants a pinned key of Envoy, and a list that covers its certificate.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mcp_mtls_testkit::pki::{Client, ServerIdentity, Validity, pem};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::everything::Everything;
use super::{Case, LIMIT, Stage, end, expect_refusal, shown, tool_text};
use crate::programs::{Running, free_port, root};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for tls in ["1.3", "1.2"] {
        for alpn in ["h2", "http/1.1"] {
            let speaks = Speaks { tls, alpn };
            let name = |what: &str| format!("envoy, TLS {tls}, {alpn}: {what}");
            cases.push(Case::new(name("a pinned server on no list"), move |stage| Box::pin(session(stage, speaks))));
            cases.push(Case::new(name("a revoked client"), move |stage| Box::pin(revoked_client(stage, speaks))));
        }
    }
    cases.push(Case::new("envoy: a revoked server, and one of another key", |stage| Box::pin(not_believed(stage))));
    cases
}

#[derive(Clone, Copy)]
struct Speaks {
    tls: &'static str,
    alpn: &'static str,
}

/// A running Envoy. It is killed when dropped.
struct Envoy {
    port: u16,
    folder: TempDir,
    server: ServerIdentity,
    _child: Running,
}

async fn session(stage: &Stage, speaks: Speaks) {
    let everything = Everything::start(stage).await;
    let alice = stage.pki.client("alice");
    let envoy = Envoy::start(stage, speaks, everything.port, &stage.pki.client("mallory")).await;
    let mut args = stage.flags(&envoy.url(), Some(&alice));
    args.extend(["--pin".to_owned(), pin(stage, &envoy.server.cert_file), "--crl".to_owned(), envoy.crl(stage, &[])]);
    let mut host = stage.connect(args.iter().map(String::as_str));
    let answer = host.initialize("2025-11-25").await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-servers/everything", "{answer:#}");
    assert_eq!(tool_text(&host.call("echo", json!({"message": "hi"})).await), "Echo: hi");
    end(host).await;
    envoy.expect_verified(&alice, speaks).await;
}

async fn revoked_client(stage: &Stage, speaks: Speaks) {
    let mallory = stage.pki.client("mallory");
    // No server is behind it: a request that gets past Envoy fails this case.
    let envoy = Envoy::start(stage, speaks, 1, &mallory).await;
    let args = stage.flags(&envoy.url(), Some(&mallory));
    let host = stage.connect(args.iter().map(String::as_str));
    let data = expect_refusal(host, "certificate-refused", &["refused", "certificate"]).await;
    assert_eq!(data["evidence"]["certificate"], mallory.fingerprint, "{data:#}");
    assert!(data["why"].to_string().contains("CN=mallory"), "{data:#}");
    assert_eq!(data["evidence"]["alert"], "certificate_revoked", "{data:#}");
    assert_eq!(envoy.requests(), Vec::<Value>::new());
}

async fn not_believed(stage: &Stage) {
    let speaks = Speaks { tls: "1.3", alpn: "h2" };
    let envoy = Envoy::start(stage, speaks, 1, &stage.pki.client("mallory")).await;
    let flags =
        |more: [String; 2]| [stage.flags(&envoy.url(), Some(&stage.pki.client("alice"))), more.to_vec()].concat();
    let args = flags(["--crl".to_owned(), envoy.crl(stage, &[&envoy.server.leaf_der])]);
    expect_refusal(stage.connect(args.iter().map(String::as_str)), "server-revoked", &["revoked"]).await;
    let args = flags(["--pin".to_owned(), pin(stage, &stage.pki.client_ca_file())]);
    expect_refusal(stage.connect(args.iter().map(String::as_str)), "pin-mismatch", &["pinned"]).await;
    assert_eq!(envoy.requests(), Vec::<Value>::new());
}

impl Envoy {
    /// Starts it in front of the server on the port `upstream`; its list has `revoked` on it.
    async fn start(stage: &Stage, speaks: Speaks, upstream: u16, revoked: &Client) -> Self {
        let folder = TempDir::with_prefix("mcp-mtls-envoy-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        let port = free_port().unwrap_or_else(|e| panic!("a free port: {e}"));
        let server = stage.pki.server_identity();
        let list = pem("X509 CRL", &stage.pki.client_crl(&[&revoked.leaf_der], Validity::Now));
        let crl = folder.path().join("clients.crl");
        write(&crl, &list);
        let template = root().join("interop/envoy.yaml");
        let text = fs::read_to_string(&template).unwrap_or_else(|e| panic!("{}: {e}", template.display()));
        let words = [
            ("{folder}", shown(folder.path())),
            ("{port}", port.to_string()),
            ("{upstream}", upstream.to_string()),
            ("{alpn}", speaks.alpn.to_owned()),
            ("{tls}", format!("TLSv{}", speaks.tls.replace('.', "_"))),
            ("{server_cert}", shown(&server.cert_file)),
            ("{server_key}", shown(&server.key_file)),
            ("{client_ca}", shown(&stage.pki.client_ca_file())),
            ("{client_crl}", shown(&crl)),
        ];
        let text = words.iter().fold(text, |text, (word, value)| text.replace(word, value));
        let conf = folder.path().join("envoy.yaml");
        write(&conf, &text);

        let mut command = Command::new(root().join("interop/.tools/envoy/bin/envoy"));
        // No shared memory and no files but its own, so that several may run.
        command.arg("--config-path").arg(&conf).args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--file-flush-interval-msec",
            "50",
        ]);
        command.arg("--log-path").arg(folder.path().join("error.log"));
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = Running::start(&mut command).unwrap_or_else(|e| panic!("{e}"));
        let envoy = Self { port, folder, server, _child: child };
        envoy.wait("a socket", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        envoy
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/mcp", self.port)
    }

    /// A file with a list of its CA.
    fn crl(&self, stage: &Stage, revoked: &[&[u8]]) -> String {
        let file = self.folder.path().join("servers.crl");
        write(&file, &pem("X509 CRL", &stage.pki.server_crl(revoked, Validity::Now)));
        shown(&file)
    }

    /// Asserts from its log that it verified exactly this certificate on every request, as it speaks.
    async fn expect_verified(&self, client: &Client, speaks: Speaks) {
        self.wait("the end of the session", async || self.requests().iter().any(|one| one["method"] == "DELETE")).await;
        for request in self.requests() {
            assert_eq!(request["certificate"], client.fingerprint, "{request:#}");
            assert_eq!(request["tls"], format!("TLSv{}", speaks.tls), "{request:#}");
            assert_eq!(request["http"], if speaks.alpn == "h2" { "HTTP/2" } else { "HTTP/1.1" }, "{request:#}");
        }
    }

    fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("requests.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    async fn wait(&self, what: &str, ready: impl AsyncFn() -> bool) {
        let wait = async {
            while !ready().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(LIMIT / 3, wait).await.is_err() {
            let log = fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default();
            panic!("Envoy did not give {what}; its log:\n{log}");
        }
    }
}

/// The pin of the certificate in a file, as a person gets it.
fn pin(stage: &Stage, file: &Path) -> String {
    let output = Command::new(&stage.binary).args(["certs", "show", "--json"]).arg(file).output();
    let output = output.unwrap_or_else(|e| panic!("cannot start {}: {e}", stage.binary.display()));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    shown["files"][0]["certificates"][0]["pin"].as_str().unwrap_or_else(|| panic!("no pin in {shown:#}")).to_owned()
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

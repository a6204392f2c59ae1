//! An nginx that demands a client certificate, and what it says of those it saw.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_mtls_testkit::pki::{Client, fingerprint};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{LIMIT, Stage};
use crate::programs::{Running, free_port, root};

/// A running nginx. It is killed when dropped.
pub(super) struct Nginx {
    port: u16,
    folder: TempDir,
    child: Running,
}

/// What one nginx speaks.
#[derive(Clone, Copy)]
pub(super) struct Speaks {
    pub(super) tls: &'static str,
    pub(super) http2: bool,
}

impl Nginx {
    /// Starts it in front of the server on the port `upstream`.
    pub(super) async fn start(stage: &Stage, speaks: Speaks, upstream: u16) -> Self {
        let folder = TempDir::with_prefix("mcp-mtls-nginx-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        let port = free_port().unwrap_or_else(|e| panic!("a free port: {e}"));
        let server = stage.pki.server_identity();
        let template = root().join("interop/nginx.conf");
        let text = fs::read_to_string(&template).unwrap_or_else(|e| panic!("{}: {e}", template.display()));
        let words = [
            ("{folder}", folder.path().display().to_string()),
            ("{port}", port.to_string()),
            ("{upstream}", upstream.to_string()),
            ("{http2}", if speaks.http2 { "http2" } else { "" }.to_owned()),
            ("{tls}", format!("TLSv{}", speaks.tls)),
            ("{server_cert}", server.cert_file.display().to_string()),
            ("{server_key}", server.key_file.display().to_string()),
            ("{client_ca}", folder.path().join("client-ca.pem").display().to_string()),
        ];
        fs::copy(stage.pki.client_ca_file(), folder.path().join("client-ca.pem"))
            .unwrap_or_else(|e| panic!("the CA for clients: {e}"));
        let text = words.iter().fold(text, |text, (word, value)| text.replace(word, value));
        let conf = folder.path().join("nginx.conf");
        fs::write(&conf, text).unwrap_or_else(|e| panic!("{}: {e}", conf.display()));

        let child = running(&folder);
        let nginx = Self { port, folder, child };
        nginx.listens().await;
        nginx
    }

    /// Ends it and starts it again with this CA in the place of the one for clients.
    pub(super) async fn restart_trusting(&mut self, client_ca: &Path) {
        // In its place, so that the configuration stays as it is.
        let place = self.folder.path().join("client-ca.pem");
        fs::copy(client_ca, &place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
        let _ended = self.child.kill();
        let _status = self.child.wait();
        self.child = running(&self.folder);
        self.listens().await;
    }

    /// The URL of the MCP server behind it.
    pub(super) fn url(&self) -> String {
        self.url_of("/mcp")
    }

    /// The URL of this path of the server behind it.
    pub(super) fn url_of(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Asserts from its log that it verified exactly this certificate on every request, as it speaks; returns the log.
    pub(super) async fn expect_verified(&self, client: &Client, speaks: Speaks, until: &str) -> Vec<Value> {
        self.expect_verified_fingerprint(&client.fingerprint, speaks, until).await
    }

    /// The same of a certificate by its SHA-256.
    pub(super) async fn expect_verified_fingerprint(&self, client: &str, speaks: Speaks, until: &str) -> Vec<Value> {
        let requests = self.requests_until(|all| all.iter().any(|one| one["method"] == until)).await;
        for request in &requests {
            let text = for_person(request);
            assert_eq!(request["verify"], "SUCCESS", "{text}");
            assert_eq!(logged_fingerprint(request).as_deref(), Some(client), "{text}");
            assert_eq!(request["tls"], format!("TLSv{}", speaks.tls), "{text}");
            assert_eq!(request["http"], if speaks.http2 { "HTTP/2.0" } else { "HTTP/1.1" }, "{text}");
        }
        requests
    }

    /// Asserts from its log that it let nobody in, and that `verify` begins with this word each time.
    pub(super) async fn expect_refused(&self, verify: &str) {
        for request in self.requests_until(|all| !all.is_empty()).await {
            let verified = request["verify"].as_str().unwrap_or_default();
            let refused = verified.starts_with(verify) && request["status"] == 400;
            assert!(refused, "{}", for_person(&request));
        }
    }

    /// The requests that it logged, once they are as awaited. It logs a request when its answer has ended.
    pub(super) async fn requests_until(&self, ready: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let wait = async {
            loop {
                let text = fs::read_to_string(self.folder.path().join("requests.log")).unwrap_or_default();
                let whole = text.lines().filter_map(|line| serde_json::from_str(line).ok());
                let requests: Vec<Value> = whole.collect();
                if ready(&requests) {
                    return requests;
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        let waited = tokio::time::timeout(LIMIT / 6, wait).await;
        waited.unwrap_or_else(|e| panic!("the awaited requests did not come ({e}); {}", self.logs()))
    }

    async fn listens(&self) {
        let wait = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let listens = tokio::time::timeout(LIMIT / 6, wait).await.is_ok();
        assert!(listens, "nginx does not listen; {}", self.logs());
    }

    fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let requests = read("requests.log");
        let requests =
            requests.lines().map(|line| serde_json::from_str(line).map_or(line.into(), |one| for_person(&one)));
        let requests: Vec<String> = requests.collect();
        format!("its requests:\n{}\nits errors:\n{}", requests.join("\n"), read("error.log"))
    }
}

/// Its process, with the configuration of this folder.
fn running(folder: &TempDir) -> Running {
    let mut command = Command::new("nginx");
    // Debian's place for it is not on the path of every account.
    command.env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin");
    let folder = folder.path();
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder).arg("-e").arg(folder.join("error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running::start(&mut command).unwrap_or_else(|e| panic!("{e}"))
}

/// The SHA-256 of the certificate in a line of the log (PEM, with `%XX` for what a header could not hold).
pub(super) fn logged_fingerprint(request: &Value) -> Option<String> {
    let pem = percent_decoded(request["certificate"].as_str()?)?;
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    Some(fingerprint(&STANDARD.decode(base64).ok()?))
}

/// A line of the log, with the fingerprint of the certificate in its place.
fn for_person(request: &Value) -> String {
    let mut request = request.clone();
    request["certificate"] = logged_fingerprint(&request).into();
    request.to_string()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut plain = parts.next()?.as_bytes().to_vec();
    for part in parts {
        plain.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        plain.extend(part[2..].bytes());
    }
    String::from_utf8(plain).ok()
}

/// How long to wait between two looks at what no one tells us about.
const GLANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_certificate_has_the_fingerprint_of_the_one_we_made() {
        let alice = mcp_mtls_testkit::Pki::new().client("alice");
        let escaped = alice.cert_pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B");
        let request = serde_json::json!({ "certificate": escaped });
        assert_eq!(logged_fingerprint(&request), Some(alice.fingerprint));
        assert_eq!(logged_fingerprint(&serde_json::json!({ "certificate": "" })), Some(fingerprint(b"")));
        assert_eq!(percent_decoded("a%2Fb%0a"), Some("a/b\n".into()));
        assert_eq!(percent_decoded("a%2"), None);
    }
}

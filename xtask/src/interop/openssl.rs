//! An `openssl s_server` that demands a client certificate. It shows what comes and sends what it is told.

use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_mtls_testkit::log::Log;
use mcp_mtls_testkit::pki::{Client, fingerprint};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

use super::{Stage, shown};

/// A running `s_server`. It is killed when dropped.
pub(super) struct SServer {
    port: u16,
    /// What it printed, in pieces: what it says of TLS, and the bytes that clients sent.
    printed: Arc<Log<String>>,
    stdin: ChildStdin,
    /// How much of its output has been taken as requests.
    taken: usize,
    _child: Child,
}

impl SServer {
    /// Starts one that speaks this version of TLS and believes the CAs of this file about clients.
    pub(super) async fn start(stage: &Stage, tls: &str, client_ca: &std::path::Path) -> Self {
        let server = stage.pki.server_identity();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-Verify", "1", "-verify_return_error"]);
        command.args(["-CAfile", &shown(client_ca), "-no-CApath", "-no-CAstore"]);
        command.args(["-cert", &shown(&server.cert_file), "-key", &shown(&server.key_file)]);
        command.arg(format!("-tls{}", tls.replace('.', "_")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start openssl: {e}"));
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            panic!("its streams are pipes")
        };
        let printed = Arc::new(Log::default());
        tokio::spawn(copy(stdout, printed.clone()));
        tokio::spawn(copy(stderr, printed.clone()));

        let all = printed.wait_until("the port of s_server", |pieces| port_in(&pieces.concat()).is_some()).await;
        let port = port_in(&all.concat()).unwrap_or_default();
        Self { port, printed, stdin, taken: 0, _child: child }
    }

    /// The URL of an MCP server on it.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/mcp", self.port)
    }

    /// The next HTTP request with its body, as text.
    pub(super) async fn next_request(&mut self) -> String {
        let taken = self.taken;
        let all = self.printed.wait_until("a request", |pieces| request_in(&pieces.concat(), taken).is_some()).await;
        let all = all.concat();
        let (start, end) = request_in(&all, taken).unwrap_or_default();
        self.taken = end;
        all[start..end].to_owned()
    }

    /// Sends an answer. It must begin with none of the letters that are commands to `s_server` (`Q`, `R`, ...).
    pub(super) async fn answer(&mut self, head: &str, body: &str) {
        let text = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if let Err(e) = self.stdin.write_all(text.as_bytes()).await {
            panic!("s_server does not read: {e}; it printed:\n{}", self.transcript());
        }
    }

    /// Asserts that it verified exactly this certificate.
    pub(super) fn expect_verified(&self, client: &Client) {
        let text = self.transcript();
        assert!(text.contains("verify return:1") && !text.contains("verify error"), "{text}");
        assert_eq!(client_certificate(&text).as_deref(), Some(client.fingerprint.as_str()), "{text}");
    }

    /// Waits until it said these words of a handshake that failed.
    pub(super) async fn expect_failure(&self, words: &str) {
        self.printed.wait_until(words, |pieces| pieces.concat().contains(words)).await;
        assert!(request_in(&self.transcript(), 0).is_none(), "a request got through:\n{}", self.transcript());
    }

    fn transcript(&self) -> String {
        self.printed.all().concat()
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, into: Arc<Log<String>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        into.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
    }
}

/// `ACCEPT 127.0.0.1:40123` on a line that has ended.
fn port_in(text: &str) -> Option<u16> {
    let (line, _) = text.split_once("ACCEPT ")?.1.split_once('\n')?;
    line.trim().rsplit_once(':')?.1.parse().ok()
}

/// Where the next whole request begins and ends.
fn request_in(text: &str, from: usize) -> Option<(usize, usize)> {
    let methods = ["POST /mcp HTTP/1.1\r\n", "GET /mcp HTTP/1.1\r\n", "DELETE /mcp HTTP/1.1\r\n"];
    let start = methods.iter().filter_map(|line| text[from..].find(line)).min()? + from;
    let body = start + text[start..].find("\r\n\r\n")? + 4;
    let length = text[start..body].lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let end = body + length.unwrap_or(0);
    (end <= text.len()).then_some((start, end))
}

/// The SHA-256 of the certificate that it prints once a client is in.
fn client_certificate(text: &str) -> Option<String> {
    let pem = text.split_once("Client certificate\n-----BEGIN CERTIFICATE-----\n")?.1;
    let base64 = pem.split_once("-----END")?.0.replace('\n', "");
    Some(fingerprint(&STANDARD.decode(base64).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_taken_from_a_whole_line() {
        assert_eq!(port_in("Using default\nACCEPT 127.0.0.1:4012"), None);
        assert_eq!(port_in("Using default\nACCEPT 127.0.0.1:40123\n"), Some(40123));
    }

    #[test]
    fn a_request_is_taken_once_its_body_is_there() {
        let half = "-----\nPOST /mcp HTTP/1.1\r\ncontent-length: 2\r\n\r\nh";
        assert_eq!(request_in(half, 0), None);
        let text = &format!("{half}iGET /mcp HTTP/1.1\r\n\r\n");
        let (start, end) = request_in(text, 0).unwrap_or_default();
        assert!(text[start..end].starts_with("POST") && text[..end].ends_with("hi"));
        assert_eq!(request_in(text, end).map(|(start, _)| start), Some(end));
    }

    #[test]
    fn the_certificate_is_taken_from_what_it_prints() {
        let alice = mcp_mtls_testkit::Pki::new().client("alice");
        let text = format!("verify return:1\nClient certificate\n{}subject=CN = alice\n", alice.cert_pem);
        assert_eq!(client_certificate(&text), Some(alice.fingerprint));
    }
}

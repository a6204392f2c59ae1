//! `mcp-mtls add`, `list` and `remove`: what they write, what they refuse, and what they tell.

#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

mod added;
#[cfg(unix)]
pub(crate) mod asked;
mod listed;
mod pasted;
mod refused;
mod removed;
mod told;
#[cfg(unix)]
mod unasked;

#[cfg(unix)]
pub(crate) use asked::terminal;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Client, Pki};
use mcp_mtls_testkit::server::TlsServer;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::run::{BINARY, Outcome, stable};

/// A home folder with certificates in `certs`, and a server that asks for one.
struct Stage {
    pki: Pki,
    client: Client,
    server: McpServer,
}

impl Stage {
    async fn new() -> Self {
        let pki = Pki::new();
        let builder = TlsServer::builder(&pki).tls13_only().alpn(&["h2"]);
        let server = McpServer::on(builder, McpOptions::default()).await;
        let client = pki.client("alice");
        std::fs::create_dir(pki.dir().join("certs")).expect("a folder");
        for file in [&client.cert_file, &client.key_file, &pki.server_ca_file()] {
            let name = file.file_name().expect("a name");
            std::fs::copy(file, pki.dir().join("certs").join(name)).expect("a copy");
        }
        Self { pki, client, server }
    }

    /// The user's configuration file.
    fn file(&self) -> PathBuf {
        self.pki.dir().join(".config/mcp-mtls/config.jsonc")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("the file")
    }

    /// Puts a file there that somebody wrote.
    fn has(&self, text: &str) {
        std::fs::create_dir_all(self.file().parent().expect("a folder")).expect("a folder");
        std::fs::write(self.file(), text).expect("a file");
    }

    /// The names of all files beside the configuration.
    fn beside(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.file().parent().expect("a folder")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| name(&entry.expect("an entry").path())).collect();
        names.sort();
        names
    }

    /// The flags of the identity and the trust, relative to the home folder.
    fn flags(&self) -> Vec<String> {
        let file = |path: &Path| format!("certs/{}", name(path));
        [
            ["--cert".to_owned(), file(&self.client.cert_file)],
            ["--key".to_owned(), file(&self.client.key_file)],
            ["--ca".to_owned(), file(&self.pki.server_ca_file())],
        ]
        .concat()
    }

    /// A run of `add NAME URL` with the flags of the identity and these.
    async fn add(&self, name: &str, more: &[&str]) -> Outcome {
        let url = self.server.url();
        let flags = self.flags();
        let arguments = ["add", name, &url].into_iter().chain(flags.iter().map(String::as_str));
        self.run(arguments.chain(more.iter().copied()), "").await
    }

    /// A run in the home folder, without proxies and settings of this machine.
    async fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, stdin: &str) -> Outcome {
        let mut command = Command::new(BINARY);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.pki.dir());
        command
            .env("TOKEN", "hunter2")
            .env("TOKEN_9", "hunter2")
            .args(arguments)
            .current_dir(self.pki.dir())
            .kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut input = child.stdin.take().expect("stdin");
        // Whoever needs no stdin may have closed it.
        let _ = input.write_all(stdin.as_bytes()).await;
        drop(input);
        let output = child.wait_with_output().await.expect("the binary ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Outcome {
            status: output.status.code().expect("the binary exits by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Without what differs from run to run.
    fn without_chance(&self, text: &str) -> String {
        let text = text.replace(&*self.pki.dir().to_string_lossy(), "[home]");
        let text = text.replace(&format!(":{}", self.server.server().addr().port()), ":[port]");
        // Where a line is wrapped depends on the names of folders.
        let mut pieces = text.split("[home]");
        let first = pieces.next().unwrap_or_default().to_owned();
        let text = pieces.fold(first, |text, piece| match text.trim_end_matches(' ') {
            line if line.len() < text.len() && line.ends_with(" as\n") => format!("{} [home]{piece}", line.trim_end()),
            _ => format!("{text}[home]{piece}"),
        });
        stable(&text)
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("not JSON ({e}): {text}"))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

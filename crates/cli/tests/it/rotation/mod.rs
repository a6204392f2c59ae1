//! Certificates that are renewed while the bridge runs: no call is lost, and the server sees the new one.
#![cfg(unix)]

mod files;
mod load;
mod program;
mod refused;
mod streams;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_mtls_testkit::host::{Host, HostBuilder};
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Client, Pki};

use crate::stage::{LATEST, host, whoami};

/// A server, and a bridge whose certificate and key are files that change.
struct Rotating {
    server: McpServer,
    host: Host,
    cert: PathBuf,
    key: PathBuf,
    _pki: Pki,
}

impl Rotating {
    /// A bridge that has begun with this client's certificate.
    async fn begun(pki: Pki, client: &Client, options: McpOptions) -> Self {
        let server = McpServer::with(&pki, options).await;
        let cert = pki.write("current.pem", &client.cert_pem);
        let key = pki.write("current.key", &client.key_pem);
        let mut host = with(&pki, &server.url(), &cert, &key).spawn();
        host.initialize(LATEST).await;
        Self { server, host, cert, key, _pki: pki }
    }

    /// Writes a new certificate beside the current one, and then puts it in its place.
    fn put_cert(&self, pem: &str) {
        exchange(&self.cert, pem);
    }

    fn put_key(&self, pem: &str) {
        exchange(&self.key, pem);
    }

    /// Which certificate the server verified for a call that is made now.
    async fn shown(&mut self) -> String {
        whoami(&mut self.host).await
    }
}

fn with(pki: &Pki, url: &str, cert: &Path, key: &Path) -> HostBuilder {
    let ca = pki.server_ca_file();
    host([Path::new(url), Path::new("--ca"), &ca, Path::new("--cert"), cert, Path::new("--key"), key])
}

/// Puts a file in the place of another in one step.
fn exchange(path: &Path, content: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, content).unwrap_or_else(|e| panic!("no file beside it: {e}"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&next, mode).unwrap_or_else(|e| panic!("not closed to others: {e}"));
    std::fs::rename(next, path).unwrap_or_else(|e| panic!("not exchanged: {e}"));
}

/// Until the files are looked at again: once a second, when something is sent.
async fn until_the_next_look() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

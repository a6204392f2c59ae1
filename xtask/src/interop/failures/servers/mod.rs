//! The makes of server: how each is told to be the sites of a plan.

mod apache;
mod envoy;
mod haproxy;
mod nginx;
mod openssl;
mod runtimes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::cast::Cast;
use super::plan::{Asks, Plan, Site};
use crate::interop::{Stage, shown};
use crate::programs::{Running, root};

/// Every make.
pub(super) const ALL: &[Kind] =
    &[nginx::KIND, openssl::KIND, haproxy::KIND, envoy::KIND, apache::KIND, runtimes::NODE, runtimes::JAVA];

/// One make of server.
pub(super) struct Kind {
    pub(super) name: &'static str,
    does: &'static [Does],
    /// Writes its configuration and says what to run.
    commands: fn(&Ground<'_>) -> Vec<Command>,
    /// Plans what it alone can do.
    pub(super) more: fn(&mut Plan<'_>),
}

/// In what makes differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It speaks HTTP/1.1, and not TLS alone.
    Http,
    /// It speaks HTTP/2, or at least negotiates it.
    Http2,
    /// It takes a revocation list for clients.
    Lists,
    /// It tells a client by an alert why it is refused.
    Alerts,
    /// It answers TLS on a port of HTTP, and a TLS that is newer than its own, with more than silence.
    SpeaksUp,
    /// It answers HTTP on a port of TLS.
    AnswersHttp,
}

impl Kind {
    pub(super) fn does(&self, what: Does) -> bool {
        self.does.contains(&what)
    }
}

/// What a server is made of.
struct Ground<'a> {
    /// Its own folder.
    folder: &'a Path,
    tools: &'a Path,
    /// The CA that it believes about clients, and the list of that CA.
    client_ca: PathBuf,
    client_crl: &'a Path,
    sites: &'a [Site],
}

impl Ground<'_> {
    /// Writes a file into the folder.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.join(name);
        fs::write(&file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        file
    }

    /// A line for each site, for programs of our own: port, version of TLS, ALPN, certificate, key, when it asks,
    /// status; then the CA of clients and its list.
    fn lines(&self) -> PathBuf {
        let lines = self.sites.iter().map(|site| {
            let (cert, key) = (shown(&site.identity.cert_file), shown(&site.identity.key_file));
            let tls = site.tls.map_or_else(|| "none".to_owned(), |tls| format!("TLSv{tls}"));
            let asks = match site.asks {
                Asks::Never | Asks::AfterUrl => "never",
                Asks::Always => "always",
                Asks::Wishes => "wishes",
            };
            let (ca, list) = (shown(&self.client_ca), shown(self.client_crl));
            format!("{}\t{tls}\t{}\t{cert}\t{key}\t{asks}\t{}\t{ca}\t{list}\n", site.port, site.alpn(), site.status)
        });
        self.write("sites.tsv", &lines.collect::<String>())
    }
}

/// A running server with all its sites. It is killed when dropped.
pub(super) struct Server {
    folder: TempDir,
    running: Vec<Running>,
}

impl Server {
    pub(super) async fn start(stage: &Stage, kind: &Kind, cast: &Cast, sites: &[Site]) -> Self {
        let folder = TempDir::with_prefix("mcp-mtls-failures-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        let commands = (kind.commands)(&Ground {
            folder: folder.path(),
            tools: &stage.tools,
            client_ca: stage.pki.client_ca_file(),
            client_crl: &cast.client_crl,
            sites,
        });
        let mut server = Self { folder, running: Vec::new() };
        for mut command in commands {
            let log = fs::OpenOptions::new().create(true).append(true).open(server.log());
            let log = log.and_then(|log| Ok((log.try_clone()?, log)));
            let (stdout, stderr) = log.unwrap_or_else(|e| panic!("{}: {e}", server.log().display()));
            // Debian's place for servers is not on the path of every account.
            command.env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin");
            // The end of its input would end s_server.
            command.stdin(Stdio::piped()).stdout(stdout).stderr(stderr).current_dir(server.folder.path());
            server.running.push(Running::start(&mut command).unwrap_or_else(|e| panic!("{e}")));
        }
        for site in sites {
            server.listens(site.port).await;
        }
        server
    }

    async fn listens(&mut self, port: u16) {
        let wait = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                if self.running.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None))) {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            true
        };
        let listens = tokio::time::timeout(START, wait).await.unwrap_or(false);
        assert!(listens, "nobody listens on {port}:\n{}", fs::read_to_string(self.log()).unwrap_or_default());
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

/// The path of a file of ours in `interop/failures`.
fn ours(name: &str) -> PathBuf {
    root().join("interop/failures").join(name)
}

/// The text of a template of ours, with these words in it filled in.
fn filled(template: &str, words: &[(&str, &str)]) -> String {
    let file = ours(template);
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    words.iter().fold(text, |text, (word, value)| text.replace(word, value))
}

fn nothing_more(_: &mut Plan<'_>) {}

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

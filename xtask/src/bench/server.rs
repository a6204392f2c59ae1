//! The server of the benchmark: testkit's, over mutual TLS, in a process of its own.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mcp_mtls_testkit::{McpOptions, McpServer, Pki, TlsServer};
use serde_json::{Value, json};

use super::{Answers, Http, SERVER};
use crate::programs::{Outcome, Running};

/// Serves until standard input ends. Says on one line where, and on every line that comes how many handshakes it saw.
pub(crate) fn run(options: &[&str]) -> Outcome {
    let [alpn, answers] = options else { return Err("an ALPN name and a kind of answers, please".into()) };
    let answers = match Answers::named(answers).ok_or("JSON or SSE")? {
        Answers::Json => mcp_mtls_testkit::Answers::Json,
        Answers::Sse => mcp_mtls_testkit::Answers::Sse,
    };
    let http = Http::named(alpn).ok_or("h2 or http/1.1")?;

    // One thread, as both sides of a comparison get the same server and there are few cores to share.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pki = Pki::new();
    let (count, counts) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for _line in io::stdin().lines().map_while(Result::ok) {
            if count.send(()).is_err() {
                break;
            }
        }
    });
    runtime.block_on(async { serve(&pki, http, answers, counts).await })
}

async fn serve(
    pki: &Pki,
    http: Http,
    answers: mcp_mtls_testkit::Answers,
    mut counts: tokio::sync::mpsc::UnboundedReceiver<()>,
) -> Outcome {
    let client = pki.client("bench");
    let options = McpOptions { answers, ..McpOptions::default() };
    let server = McpServer::on(TlsServer::builder(pki).alpn(&[http.alpn()]), options).await;
    let place = json!({
        "url": server.url(),
        "addr": server.server().addr(),
        "ca": pki.server_ca_file(),
        "cert": client.cert_file,
        "key": client.key_file,
    });
    say(&place)?;
    while counts.recv().await.is_some() {
        say(&server.server().record().connections.len().into())?;
    }
    Ok(())
}

fn say(line: &Value) -> Outcome {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Where it is, and how to be let in.
pub(super) struct Place {
    pub(super) http: Http,
    pub(super) url: String,
    pub(super) addr: SocketAddr,
    pub(super) ca: PathBuf,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// That process, as the benchmark sees it. It ends when dropped.
pub(super) struct Peer {
    pub(super) place: Place,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    child: Running,
}

impl Peer {
    pub(super) fn start(http: Http, answers: Answers) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([SERVER, http.alpn(), answers.name()]);
        let mut child = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("stdout is a pipe")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).map_err(|e| format!("the server did not start: {e}"))?;
        let text = |key: &str| said[key].as_str().unwrap_or_default();
        let place = Place {
            http,
            url: text("url").to_owned(),
            addr: text("addr").parse()?,
            ca: text("ca").into(),
            cert: text("cert").into(),
            key: text("key").into(),
        };
        Ok(Self { place, stdin: child.stdin.take(), stdout, child })
    }

    /// How many handshakes it has seen so far.
    pub(super) fn handshakes(&mut self) -> Outcome<usize> {
        self.stdin.as_mut().ok_or("stdin is open")?.write_all(b"\n")?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // At the end of its input it ends by itself and takes its temporary folder along.
        self.stdin = None;
        let patience = Instant::now() + Duration::from_secs(2);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

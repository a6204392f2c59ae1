//! A real network that goes away: the kernel's own TCP, in a network namespace whose only interface is taken down.

use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use mcp_mtls_testkit::{Pki, TlsServer, reply};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{Case, Stage};
use crate::programs::Outcome;

pub(super) fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let name = |http: &str| format!("a network that goes away, {http}");
    let case = |http: &'static str| Case::new(name(http), move |stage| Box::pin(goes_away(stage, http)));
    vec![case("http/1.1"), case("h2")]
}

/// Plays the case in a namespace of its own, where we are root over the network and nobody else is on it.
async fn goes_away(stage: &Stage, http: &str) {
    let ourselves = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let mut told = String::new();
    // Some systems allow such namespaces to root alone.
    for program in [&["unshare", "-Urn"][..], &["sudo", "-n", "unshare", "-n"]] {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(&ourselves).arg(INSIDE).arg(&stage.binary).arg(http);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let output = output.unwrap_or_else(|e| panic!("cannot start {program:?}: {e}"));
        if output.status.success() {
            return;
        }
        told = format!("{told}{program:?} ended with {}: {}\n", output.status, String::from_utf8_lossy(&output.stderr));
        if output.stdout.starts_with(BEGUN.as_bytes()) {
            break;
        }
    }
    panic!("{told}");
}

/// The case itself, as a program of its own within the namespace.
pub(crate) fn inside(args: &[&str]) -> Outcome {
    let [binary, http] = args else { return Err("the binary and a protocol, please".into()) };
    println!("{BEGUN}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(Path::new(binary), http))
}

async fn play(binary: &Path, http: &str) -> Outcome {
    network("up").await?;
    let pki = Pki::new();
    let server = server(&pki, http).await;
    let mut bridge = Bridge::start(binary, &pki, &server.url("/mcp"))?;
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
    bridge.say("initialize", "initialize", &hello).await?;
    bridge.expect("initialize", |answer| answer["result"].is_object()).await?;
    // One call waits for the head of a response, another in an event stream, and a third connection is idle.
    bridge.say("head", "head", &json!({})).await?;
    bridge.say("stream", "stream", &json!({})).await?;
    bridge.expect("the stream", |message| message["method"] == "notifications/message").await?;
    bridge.say("echo", "echo", &json!({})).await?;
    bridge.expect("an answer", |answer| answer["result"].is_object()).await?;

    network("down").await?;
    let gone = Instant::now();
    bridge.say("late", "echo", &json!({})).await?;
    for _ in ["head", "stream", "late"] {
        let answer =
            bridge.expect("the failure", |answer| answer["error"]["data"]["code"] == "connection-lost").await?;
        let took = gone.elapsed();
        println!("{}: {:.1} s", answer["id"], took.as_secs_f32());
        if took > WITHIN || !answer["error"]["data"]["why"].to_string().contains("likely a VPN was disconnected") {
            return Err(format!("told after {took:?}: {answer:#}").into());
        }
    }
    network("up").await?;
    bridge.say("again", "echo", &json!({})).await?;
    bridge.expect("an answer after it came back", |answer| answer["result"].is_object()).await?;
    Ok(())
}

/// Takes the loopback interface up or down. When it is down, packets of open connections vanish.
async fn network(state: &str) -> Outcome {
    let status = Command::new("ip").args(["link", "set", "lo", state]).env("PATH", PATH).status().await?;
    if status.success() { Ok(()) } else { Err(format!("ip link set lo {state} ended with {status}").into()) }
}

async fn server(pki: &Pki, http: &str) -> TlsServer {
    let (events, stream) = reply::events();
    // The events are kept here, or the stream would end.
    let stream = Mutex::new(Some((events, stream)));
    let kept = Mutex::new(Vec::new());
    let handler = move |request: Request<Bytes>, _| {
        let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let answer = match message["method"].as_str() {
            Some("initialize" | "echo") => {
                let result = json!({"protocolVersion": "2025-11-25"});
                let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
                Some(reply::json(200, answer.to_string()))
            }
            Some("stream") => stream.lock().ok().and_then(|mut stream| stream.take()).map(|(events, response)| {
                events.send(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
                let _ = kept.lock().map(|mut kept| kept.push(events));
                response
            }),
            _ => None,
        };
        async move {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    };
    TlsServer::builder(pki).alpn(&[http]).handler(handler).start().await
}

/// A running `connect`, whose answers may take longer than the testkit's host waits. It is killed when dropped.
struct Bridge {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Bridge {
    fn start(binary: &Path, pki: &Pki, url: &str) -> Outcome<Self> {
        let client = pki.client("alice");
        let mut command = Command::new(binary);
        command.args(["connect", url, "--ca"]).arg(pki.server_ca_file());
        command.arg("--cert").arg(&client.cert_file).arg("--key").arg(&client.key_file);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its streams are pipes".into());
        };
        Ok(Self { stdin, stdout: BufReader::new(stdout).lines(), _child: child })
    }

    async fn say(&mut self, id: &str, method: &str, params: &Value) -> Outcome {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Ok(self.stdin.write_all(format!("{request}\n").as_bytes()).await?)
    }

    /// The next message, which must be so.
    async fn expect(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let line = tokio::time::timeout(WITHIN, self.stdout.next_line());
        let line = line.await.map_err(|_| format!("{what} did not come within {WITHIN:?}"))??;
        let message = serde_json::from_str(&line.ok_or_else(|| format!("{what} did not come: stdout ended"))?)?;
        if is_so(&message) { Ok(message) } else { Err(format!("{what} was expected: {message:#}").into()) }
    }
}

/// The first argument by which we start ourselves within the namespace.
pub(crate) const INSIDE: &str = "interop-dead-network";

/// What is printed first within it, so that a case that failed is told from a namespace that was refused.
const BEGUN: &str = "begun";

/// Within what time a call is told that the network is gone.
const WITHIN: Duration = Duration::from_secs(30);

/// `ip` is outside of many a user's path.
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

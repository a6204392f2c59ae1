//! `cargo xtask interop`: the release binary with real peers, which tell themselves which certificate they verified.

mod conformance;
pub(crate) mod dead_network;
mod encrypted_keys;
mod envoy;
mod everything;
mod failures;
mod fuzz;
mod hosts;
mod inspector;
mod nginx;
mod openssl;
mod pkcs12;
mod restart;
mod rotation;
mod soak;
mod through_nginx;
mod to_openssl;
mod tokens;
mod windows;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mcp_mtls_testkit::pki::Client;
use mcp_mtls_testkit::{Host, Pki};
use serde_json::{Value, json};

use crate::programs::{Outcome, release_binary, root, succeed};

/// Builds, installs, runs every case whose name holds one of the words (or all), and ends with the count alone on a line.
pub(crate) fn run(words: &[&str]) -> Outcome {
    let binary = release_binary("mcp-mtls")?;
    succeed(&mut Command::new(root().join("interop/install")))?;
    let stage = Stage { binary, tools: root().join("interop/.tools/node_modules"), pki: Pki::new() };

    let cases = [
        through_nginx::cases(),
        to_openssl::cases(),
        encrypted_keys::cases(),
        pkcs12::cases(),
        tokens::cases(),
        envoy::cases(),
        inspector::cases(),
        hosts::cases(),
        restart::cases(),
        rotation::cases(),
        failures::cases(),
        conformance::cases(),
        dead_network::cases(),
        soak::cases(),
        fuzz::cases(),
        windows::cases(),
    ];
    let cases = cases.into_iter().flatten();
    let wanted: Vec<Case> =
        cases.filter(|case| words.is_empty() || words.iter().any(|word| case.name.contains(word))).collect();
    if wanted.is_empty() {
        return Err(format!("no case has any of {words:?} in its name").into());
    }
    let failed = wanted.iter().filter(|case| !case.passes(&stage)).count();
    println!("{} passed, {failed} failed", wanted.len() - failed);
    if failed == 0 { Ok(()) } else { Err("the interop run failed".into()) }
}

/// What every case works with.
struct Stage {
    binary: PathBuf,
    tools: PathBuf,
    pki: Pki,
}

/// One conversation with a peer. It claims by panicking, as a test does; what it started ends as it is dropped.
struct Case {
    name: String,
    play: Box<Play>,
    limit: Duration,
}

type Play = dyn for<'a> Fn(&'a Stage) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Case {
    fn new(
        name: impl Into<String>,
        play: impl for<'a> Fn(&'a Stage) -> Pin<Box<dyn Future<Output = ()> + 'a>> + 'static,
    ) -> Self {
        Self { name: name.into(), play: Box::new(play), limit: LIMIT }
    }

    /// The same with another limit.
    fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Plays it and prints its line.
    fn passes(&self, stage: &Stage) -> bool {
        let start = Instant::now();
        let played = quietly(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { tokio::time::timeout(self.limit, (self.play)(stage)).await })?;
            Outcome::Ok(())
        });
        let played = played.and_then(|outcome| outcome.map_err(|error| error.to_string()));
        let took = start.elapsed().as_secs_f32();
        match &played {
            Ok(()) => println!("ok      {} ({took:.1} s)", self.name),
            Err(why) => println!("FAILED  {} ({took:.1} s)\n{why}", self.name),
        }
        played.is_ok()
    }
}

/// Runs it and turns a panic into its message and place, told once, in the line of the case.
fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static PLACE: Mutex<String> = Mutex::new(String::new());
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = place;
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    // Back to the hook that prints.
    drop(panic::take_hook());
    result.map_err(|panic| {
        let place = PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        format!("{place}: {}", message_of(panic.as_ref()))
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// The staging that all cases share.
impl Stage {
    /// `mcp-mtls connect` with these arguments, as a host starts it.
    fn connect<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Host {
        Host::builder(&self.binary).args(["connect"].into_iter().chain(args)).spawn()
    }

    /// The arguments for a server without a file.
    fn flags(&self, url: &str, client: Option<&Client>) -> Vec<String> {
        let mut flags = vec![url.to_owned(), "--ca".to_owned(), shown(&self.pki.server_ca_file())];
        if let Some(client) = client {
            flags.extend(["--cert".to_owned(), shown(&client.cert_file)]);
            flags.extend(["--key".to_owned(), shown(&client.key_file)]);
        }
        flags
    }

    /// A config file with this server as `corp`.
    fn config(&self, url: &str, client: &Client) -> PathBuf {
        let tls = json!({"cert": client.cert_file, "key": client.key_file, "ca": self.pki.server_ca_file()});
        let config = json!({"mcp": {"corp": {"type": "remote", "url": url, "tls": tls}}});
        self.pki.write("config.jsonc", format!("// Written by the interop run.\n{config:#}\n"))
    }

    /// A program that came with npm, by its path under `node_modules`.
    fn npm(&self, program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.tools.join(".bin/node"));
        command.arg(self.tools.join(program));
        command
    }
}

/// Asserts that `initialize` is answered by an error of ours with this code, whose message a person can act upon;
/// returns the data of the error.
async fn expect_refusal(mut host: Host, code: &str, words: &[&str]) -> Value {
    let answer = host.initialize("2025-11-25").await;
    let error = &answer["error"];
    assert_eq!(error["data"]["code"], code, "{answer:#}");
    assert_eq!(error["data"]["source"], "mcp-mtls", "{answer:#}");
    let message = error["message"].as_str().unwrap_or_default();
    let missing: Vec<_> = words.iter().filter(|word| !message.to_lowercase().contains(&word.to_lowercase())).collect();
    assert!(missing.is_empty(), "{missing:?} not in the message: {answer:#}");
    let number = error["code"].as_i64().unwrap_or_default();
    assert!(!(-32768..=-32000).contains(&number), "an error of ours has a number of ours: {answer:#}");
    end_with(host, 1).await;
    error["data"].clone()
}

/// Closes stdin, as a host does that is done, and asserts a quick and clean end.
async fn end(host: Host) {
    end_with(host, 0).await;
}

/// The same with this exit status: 1 when the server was never reached.
async fn end_with(mut host: Host, status: i32) {
    host.close_stdin();
    let ended = host.wait_exit(Duration::from_secs(5)).await;
    assert_eq!(ended.code(), Some(status), "{ended}; stderr:\n{}", host.drained_stderr().await);
    host.drained_stdout().await;
    host.stdout_is_pure();
}

/// The one text of a tool's result.
fn tool_text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer:#}"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// How long a case may take that says nothing else.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_place() {
        let told = quietly(|| panic!("{} is not {}", 1, 2)).map_err(|why| why.contains("1 is not 2"));
        assert_eq!(told.map(|()| true), Err(true));
        assert_eq!(quietly(|| 3), Ok(3));
    }
}

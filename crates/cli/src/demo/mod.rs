//! `mcp-mtls demo`: the whole of it on this machine, with everything real and nothing left behind.
//!
//! Each step is checked; the first that does not come out as it should ends the demo with status 1.

mod host;
mod recipes;
mod server;
mod stage;
mod story;

use std::path::PathBuf;
use std::pin::pin;

use clap::Args;
use mcp_mtls_core::error::{Code, Failure, Result, plain};
use serde_json::{Value, json};

use crate::{render, stdio};
use host::Host;
use server::Server;
use stage::{Stage, User};
use story::Story;

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Leave the server running until Ctrl-C, and print how to reach it from your own hosts.
    #[arg(long)]
    serve: bool,
    /// Keep the certificates in this folder. Without it they are removed at the end.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Tells the story, and with `--serve` stays until it is told to end.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    // From here on Ctrl-C ends this function instead of the program, so that the folder with the
    // keys is removed and no child stays.
    let stopped = stdio::stop()?;
    let mut stopped = pin!(stopped);
    let mut story = Story::begin(
        "An MCP server demands client certificates, and MCP hosts have none to show. mcp-mtls stands between them.",
    );
    let stage = Stage::set(args.keep.as_deref())?;
    let server = tokio::select! {
        server = play(&mut story, &stage) => server?,
        () = &mut stopped => return Err(Failure::new(Code::Stopped, "The demo was stopped before its end")),
    };
    if args.keep.is_some() {
        render::answer(&render::wrapped(&format!("\nThe files are in {}.", stage.folder().display()), 0));
    }
    if args.serve {
        let command = stage.command(server.url(), User::Alice)?;
        render::answer(&recipes::text(&command, &stage.inspector_config(server.url())?));
        stopped.await;
    }
    Ok(())
}

/// The story; the server is still running at its end.
async fn play(story: &mut Story, stage: &Stage) -> Result<Server> {
    let alice = stage.alice.facts();
    story.step(
        "made a CA, a server certificate and a client certificate",
        &[&format!("client: {}", alice.title()), &format!("SHA-256 {}", alice.fingerprint)],
    );
    let server = Server::start(stage.ca.minted(), &stage.server).await?;
    story.step("started an MCP server that demands a certificate of this CA", &[server.url()]);
    let_in(story, stage, &server).await?;
    let turned_away = [
        (User::Nobody, "without a certificate", Code::CertificateRequired),
        (User::Stranger, "with a certificate of another CA", Code::CertificateRefused),
    ];
    for (user, how, code) in turned_away {
        refused(story, stage, &server, user, how, code).await?;
    }
    story.end("Every step came out as it should.");
    Ok(server)
}

/// What a host does every day, and the proof that the server verified the certificate made for it.
async fn let_in(story: &mut Story, stage: &Stage, server: &Server) -> Result<()> {
    let command = stage.command(server.url(), User::Alice)?;
    let mut host = Host::start(&command.program, &command.arguments)?;
    let answer = host.initialize().await?;
    let info = &result("initialize", &answer)?["serverInfo"];
    story.step(
        "started `mcp-mtls connect` with it, as a host does: initialize",
        &[&format!("answered by {} {}", word(&info["name"]), word(&info["version"]))],
    );
    host.notify("notifications/initialized").await?;

    let answer = host.request("tools/list", json!({})).await?;
    let tools = result("tools/list", &answer)?["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<_> = tools.iter().map(|tool| word(&tool["name"])).collect();
    if !names.iter().any(|name| name == "whoami") {
        return Err(unexpected("The server's list of tools lacks `whoami`").because(format!("It is: {answer}")));
    }
    story.step("tools/list", &[&names.join(", ")]);

    let answer = host.request("tools/call", json!({ "name": "whoami", "arguments": {} })).await?;
    let seen = &result("tools/call", &answer)?["structuredContent"];
    let made = &stage.alice.facts().fingerprint;
    if seen["sha256"] != made.as_str() {
        return Err(unexpected("The server verified another certificate than the one it was to see")
            .because(format!("Made for the client: {made}."))
            .because(format!("Verified by the server: {}.", word(&seen["sha256"]))));
    }
    story.step(
        "tools/call whoami: the server verified this very certificate",
        &[&word(&seen["subject"]), &format!("SHA-256 {}", word(&seen["sha256"]))],
    );
    host.close().await?;
    story.step("closed stdin: `mcp-mtls connect` has ended", &[]);
    Ok(())
}

/// The same for someone whom the server must not let in, and what the host then shows.
async fn refused(story: &mut Story, stage: &Stage, server: &Server, user: User, how: &str, code: Code) -> Result<()> {
    let refused_before = server.refused();
    let command = stage.command(server.url(), user)?;
    let mut host = Host::start(&command.program, &command.arguments)?;
    let answer = host.initialize().await?;
    host.close().await?;
    let Some(message) = answer["error"]["message"].as_str() else {
        return Err(unexpected(&format!("A client {how} was let in")).because(format!("The answer is: {answer}")));
    };
    if server.refused() == refused_before || answer["error"]["data"]["code"] != code.as_str() {
        return Err(unexpected(&format!("A client {how} failed for another reason than `{code}`"))
            .because(format!("The answer is: {answer}")));
    }
    let reason = server.last_refusal().unwrap_or_default();
    story.step(
        &format!("the same {how}: refused"),
        &[&format!("the server says: {reason}"), "the host shows:", &format!("  {}", plain_lines(message))],
    );
    Ok(())
}

fn result<'a>(step: &str, answer: &'a Value) -> Result<&'a Value> {
    answer.get("result").ok_or_else(|| {
        let message = answer["error"]["message"].as_str().map(plain).unwrap_or_default();
        unexpected(&format!("{step} was answered by an error")).because(message)
    })
}

/// Text in an answer, as it may be told.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| plain(&value.to_string()), plain)
}

/// A message with its line breaks, as hosts show it.
fn plain_lines(message: &str) -> String {
    message.lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn unexpected(what: &str) -> Failure {
    Failure::new(Code::DemoFailed, what)
        .fix("Do what it says. If that does not help, please report it: it may be a fault of mcp-mtls.")
}

//! `mcp-mtls demo`: the whole of it on this machine, with everything real and nothing left behind.
//!
//! Each step is checked; the first that does not come out as it should ends the demo with status 1.

mod host;
mod recipes;
mod server;
mod stage;
mod story;

use std::path::PathBuf;

use clap::Args;
use mcp_mtls_core::error::{Code, Failure, Result, plain};
use serde_json::{Value, json};

use crate::render;
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

/// Tells the story, and with `--serve` stays.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    let mut story = Story::begin(
        "An MCP server that demands client certificates, and a host that cannot present any: mcp-mtls stands between \
         them.",
    );
    let stage = Stage::set(args.keep.as_deref())?;
    story.step(
        "made a CA, a server certificate and a client certificate",
        &[&format!("client: {}", stage.alice.facts().title()), &format!("SHA-256 {}", stage.alice.facts().fingerprint)],
    );
    let server = Server::start(stage.ca.minted(), &stage.server).await?;
    story.step("started an MCP server that demands a certificate of this CA", &[server.url()]);

    with_certificate(&mut story, &stage, &server).await?;
    refused(&mut story, &stage, &server, User::Nobody, "without a certificate").await?;
    refused(&mut story, &stage, &server, User::Stranger, "with a certificate of a CA that the server does not know").await?;
    story.end("The server believes the right certificate, and only that one.");

    if let Some(folder) = &args.keep {
        render::answer(&render::wrapped(&format!("The files are in {}.", folder.display()), 0));
    }
    if args.serve {
        render::answer(&recipes::text(&stage.command(server.url(), User::Alice)?, &stage.inspector_config(server.url())?));
        until_stopped().await;
    }
    Ok(())
}

/// What a host does every day, and the proof that the server verified the certificate made for it.
async fn with_certificate(story: &mut Story, stage: &Stage, server: &Server) -> Result<()> {
    let command = stage.command(server.url(), User::Alice)?;
    let mut host = Host::start(&command.program, &command.arguments)?;
    let answer = host.initialize().await?;
    let info = &result("initialize", &answer)?["serverInfo"];
    story.step(
        "started `mcp-mtls connect` with that certificate, as a host does: initialize",
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

/// The same for someone whom the server must not let in.
async fn refused(story: &mut Story, stage: &Stage, server: &Server, user: User, how: &str) -> Result<()> {
    let refused_before = server.refused();
    let command = stage.command(server.url(), user)?;
    let mut host = Host::start(&command.program, &command.arguments)?;
    let answer = host.initialize().await?;
    let Some(message) = answer["error"]["message"].as_str() else {
        return Err(unexpected(&format!("A client {how} was let in")).because(format!("The answer is: {answer}")));
    };
    host.close().await?;
    if server.refused() == refused_before {
        return Err(unexpected(&format!("A client {how} failed before the server could refuse it"))
            .because(format!("The host would show: {message}")));
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
        .fix("This is a fault of mcp-mtls, or of something between programs on this machine: please report it.")
}

/// Ctrl-C, or being told to end: then the folder is removed as it is after the short demo.
async fn until_stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

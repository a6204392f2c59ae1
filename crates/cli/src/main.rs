//! mcp-mtls: gives every MCP host client certificates (mutual TLS).
//!
//! This crate parses the command line, runs what the library does, renders, and exits. Only this
//! file decides on the exit status: 0 done, 1 it could not be done, 2 it was asked wrongly.

mod certs;
mod connect;
mod demo;
mod doctor;
#[cfg(test)]
mod documentation;
mod edit;
mod entries;
mod explain;
mod generate;
mod hosts;
mod journal;
mod memory;
mod render;
mod stdio;
mod trust;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use mcp_mtls_core::error::{Code, Failure, Result};

/// Client certificates (mutual TLS) for every MCP host.
#[derive(Parser)]
#[command(name = "mcp-mtls", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Connect a host to a remote server: what a host runs, speaking MCP on stdin and stdout.
    Connect(Box<connect::ConnectArgs>),
    /// Add a server to your configuration, after a look at its certificate and at the server.
    Add(Box<entries::AddArgs>),
    /// List the servers of the configuration, without connecting to any.
    List(entries::ListArgs),
    /// Remove a server from your configuration.
    Remove(entries::RemoveArgs),
    /// Add servers to the configuration of MCP hosts (opencode, Claude Code, Codex, Gemini CLI and others).
    Install(Box<hosts::InstallArgs>),
    /// Remove servers of mcp-mtls from the configuration of a host.
    Uninstall(hosts::UninstallArgs),
    /// Find out what is wrong with an entry or a server, and what to do: every step of the way, one at a time.
    Doctor(Box<doctor::DoctorArgs>),
    /// Make certificates for development, and look at any certificate or key.
    Certs(certs::CertsArgs),
    /// See all of it work on this machine: certificates, a server, a host, and refusals.
    Demo(demo::DemoArgs),
    /// Explain the code that a failure ends with: what it means, its causes, and what to do.
    Explain(explain::ExplainArgs),
    /// Allow opencode to use servers that a project configures, after showing what they do.
    Trust(trust::TrustArgs),
    /// What the plugins of hosts run.
    #[command(hide = true)]
    Hosts(hosts::opencode::HostsArgs),
    /// Print schemas, manual pages, completions and the reference.
    Generate(generate::GenerateArgs),
}

fn main() -> ExitCode {
    let started = Instant::now();
    memory::close();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error, started),
    };
    let wants_json = match &command {
        Command::Certs(args) => args.json,
        Command::Add(args) => args.json,
        Command::List(args) => args.json,
        Command::Remove(args) => args.json,
        Command::Install(args) => args.json,
        Command::Uninstall(args) => args.json,
        Command::Doctor(args) => args.json,
        Command::Explain(args) => args.json,
        Command::Trust(args) => args.json,
        _ => false,
    };
    let outcome = run(command, started).and_then(|status| render::unwritten().map_or(Ok(status), Err));
    match outcome {
        Ok(status) => status,
        Err(failure) => {
            if wants_json {
                render::failure_json(&failure);
            } else {
                render::failure(&failure);
            }
            ExitCode::from(status(failure.code()))
        }
    }
}

fn run(command: Command, started: Instant) -> Result<ExitCode> {
    match command {
        Command::Connect(args) => return connect::run(*args, started),
        Command::Add(args) => return entries::add(*args),
        Command::List(args) => entries::list(&args)?,
        Command::Remove(args) => entries::remove(&args)?,
        Command::Install(args) => return hosts::install(&args),
        Command::Uninstall(args) => return hosts::uninstall(&args),
        Command::Doctor(args) => return doctor::run(*args),
        Command::Certs(args) => certs::run(args)?,
        Command::Demo(args) => on_runtime(demo::run(args))?,
        Command::Explain(args) => explain::run(&args)?,
        Command::Trust(args) => trust::run(&args)?,
        Command::Hosts(args) => hosts::opencode::run(&args)?,
        Command::Generate(args) => generate::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Help and version, or what is wrong with the command line: told to a host that runs `connect`
/// in the only way that hosts show.
fn usage(error: &clap::Error, started: Instant) -> ExitCode {
    let host =
        std::env::args_os().nth(1).is_some_and(|command| command == "connect") && !std::io::stdin().is_terminal();
    if error.use_stderr() && host {
        return connect::refuse(error, started).unwrap_or(ExitCode::from(ASKED_WRONGLY));
    }
    if connect::is_told_in_own_words(error) {
        render::notice(&format!("error: {}\n\nFor more information, try '--help'.", connect::misunderstood(error)));
    } else {
        render::usage(error);
    }
    ExitCode::from(u8::from(error.use_stderr()) * ASKED_WRONGLY)
}

/// One thread is enough for one host, and starts faster than a pool of them.
fn on_runtime(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Code::SystemFailed, "The operating system gives no event queue")
            .because_of(&error)
            .fix("End what uses up the processes and files of this user.")
    })?;
    let outcome = runtime.block_on(work);
    // A thread may still wait for a line on stdin that will never come, or for a program, which must not outlive us.
    runtime.shutdown_background();
    mcp_mtls_core::config::end_programs();
    #[cfg(feature = "pkcs11")]
    mcp_mtls_core::identity::close_tokens();
    outcome
}

fn status(code: Code) -> u8 {
    match code {
        Code::UsageInvalid | Code::SecretInArguments => ASKED_WRONGLY,
        _ => 1,
    }
}

const ASKED_WRONGLY: u8 = 2;

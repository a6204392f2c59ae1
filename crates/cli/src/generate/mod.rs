//! `mcp-mtls generate`: what is generated from the program itself.

mod opencode;
mod reference;
#[cfg(test)]
mod tests;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use mcp_mtls_core::config;
use mcp_mtls_core::error::{Code, Failure, Result, quoted};

use crate::{Cli, explain, render};

#[derive(clap::Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// The JSON Schema of a configuration file, for editors.
    Schema {
        /// Whose file.
        #[arg(value_enum, default_value_t)]
        of: Schema,
    },
    /// The manual page of the program, or of one command.
    Man {
        /// A command, as in `connect` or `certs show`.
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// What completes commands and flags in a shell.
    Completions {
        /// The shell that reads it.
        shell: Shell,
    },
    /// The reference of all settings, in Markdown.
    Reference,
    /// The list of all failures, in Markdown.
    Errors,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Schema {
    /// The configuration file of mcp-mtls.
    #[default]
    Config,
    /// opencode's configuration file, in which remote servers may have `tls`.
    Opencode,
}

pub(crate) fn run(args: &GenerateArgs) -> Result<()> {
    match &args.what {
        What::Schema { of: Schema::Config } => render::json(&config::schema()),
        What::Schema { of: Schema::Opencode } => render::json(&opencode::schema()),
        What::Man { command } => render::answer(man(command)?.trim_end()),
        What::Completions { shell } => render::answer(completions(*shell).trim_end()),
        What::Reference => render::answer(&reference::text(&built())),
        What::Errors => render::answer(&explain::index()),
    }
    Ok(())
}

fn man(words: &[String]) -> Result<String> {
    let built = built();
    let mut command = &built;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            Failure::new(Code::UsageInvalid, format!("There is no command {}", quoted(word)))
                .fix("`mcp-mtls --help` lists the commands.")
        })?;
    }
    let mut page = Vec::new();
    let source = format!("mcp-mtls {}", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone())
        .source(source)
        .render(&mut page)
        .map_err(|error| Failure::new(Code::SystemFailed, "The manual page cannot be written").because_of(&error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcp-mtls", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // clap_complete names the state of a command in two ways when the program has a hyphen in its name, and completes
        // nothing behind it (clap-rs/clap#6421).
        Shell::Bash => script.replace("mcp__subcmd__mtls__", "mcp__mtls__"),
        _ => script,
    }
}

/// The command line with all that clap adds to it.
fn built() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

//! `mcp-mtls generate`: what is generated from the program itself.

mod completions;
mod man;
mod opencode;
mod reference;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use mcp_mtls_core::config;
use mcp_mtls_core::error::Result;

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
        /// Which file: of mcp-mtls, or of opencode.
        #[arg(value_enum, default_value_t)]
        of: Schema,
    },
    /// The manual page of the program, or of one command.
    Man {
        /// A command, as in `connect` or `certs show`.
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
        /// Write the pages of all commands into this folder.
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        all: Option<PathBuf>,
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
        What::Man { all: Some(folder), .. } => man::all(&built(), folder)?,
        What::Man { command, all: None } => render::answer(man::page(&built(), command)?.trim_end()),
        What::Completions { shell } => render::answer(completions::script(*shell).trim_end()),
        What::Reference => render::answer(&reference::text(&built())),
        What::Errors => render::answer(&explain::index()),
    }
    Ok(())
}

/// The command line with the flags that clap adds to it.
fn built() -> clap::Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

//! opencode: its own entries with `tls`, as its plugin hands them over.

mod entries;
mod layers;
mod resolve;
mod section;

use std::path::PathBuf;

use mcp_mtls_core::error::Result;

pub(crate) use entries::Entries;

#[derive(clap::Args)]
pub(crate) struct HostsArgs {
    #[command(subcommand)]
    host: Host,
}

#[derive(clap::Subcommand)]
enum Host {
    /// What the plugin of opencode runs.
    Opencode {
        #[command(subcommand)]
        command: Command,
    },
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print, as JSON, the entries with `tls` as opencode is to have them. No value of theirs is in it.
    Resolve {
        /// The folder that opencode is started in.
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,

        /// The working tree that opencode takes it to be in.
        #[arg(long, value_name = "DIR")]
        worktree: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &HostsArgs) -> Result<()> {
    let Host::Opencode { command: Command::Resolve { directory, worktree } } = &args.host;
    resolve::run(directory, worktree.as_deref())
}

//! `mcp-mtls generate`: what is generated from the program itself.

use mcp_mtls_core::config;

use crate::{explain, render};

#[derive(clap::Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// The JSON Schema of the configuration file, for editors.
    Schema,
    /// The list of all failures, in Markdown.
    Errors,
}

pub(crate) fn run(args: &GenerateArgs) {
    match args.what {
        What::Schema => render::json(&config::schema()),
        What::Errors => render::answer(&explain::index()),
    }
}

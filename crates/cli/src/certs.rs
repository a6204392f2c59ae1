//! `mcp-mtls certs`: certificates for development, and a look at any certificate or key.

mod fetch;
mod make;
mod show;
mod view;

use clap::{Args, Subcommand};
use mcp_mtls_core::error::Result;

#[derive(Args)]
pub(crate) struct CertsArgs {
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: CertsCommand,
}

#[derive(Subcommand)]
enum CertsCommand {
    /// Make a certificate authority (CA) for development.
    Ca(make::CaArgs),
    /// Make one server certificate for DNS names and IP addresses.
    Server(make::ServerArgs),
    /// Make a client certificate for each name.
    Client(make::ClientArgs),
    /// Save the CA certificates that a server presents, without believing it.
    Fetch(fetch::FetchArgs),
    /// Show what is in certificate and key files, and what belongs together.
    Show(show::ShowArgs),
}

/// Runs one of the commands.
pub(crate) fn run(args: CertsArgs) -> Result<()> {
    match args.command {
        CertsCommand::Ca(ca) => make::ca(&ca, args.json),
        CertsCommand::Server(server) => make::server(&server, args.json),
        CertsCommand::Client(client) => make::clients(&client, args.json),
        CertsCommand::Fetch(fetch) => crate::on_runtime(fetch::fetch(fetch, args.json)),
        CertsCommand::Show(show) => show::show(&show, args.json),
    }
}

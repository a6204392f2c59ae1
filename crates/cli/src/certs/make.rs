//! `certs ca`, `certs server` and `certs client`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use mcp_mtls_core::devcerts::{Authority, KeyKind, Minted, Written, write};
use mcp_mtls_core::error::Result;
use serde_json::json;
use time::OffsetDateTime;

use super::view;
use crate::render;

#[derive(Args)]
pub(crate) struct CaArgs {
    /// The name that the CA gives itself [default: one that no other CA has].
    #[arg(long)]
    name: Option<String>,
    /// How many days it is valid.
    #[arg(long, default_value = "365", value_parser = days())]
    days: u16,
    /// The folder for `ca.pem` and `ca.key`.
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    out: PathBuf,
    /// The kind of its key.
    #[arg(long, value_name = "KIND", default_value = "p256")]
    key_type: KeyKind,
}

#[derive(Args)]
pub(crate) struct ServerArgs {
    /// The names in the server's URLs: localhost, mcp.example, *.example, 127.0.0.1.
    #[arg(required = true, value_name = "NAME_OR_IP")]
    names: Vec<String>,
    #[command(flatten)]
    leaf: LeafArgs,
}

#[derive(Args)]
pub(crate) struct ClientArgs {
    /// Who it is: alice, alice@corp.example, or a SPIFFE ID.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    leaf: LeafArgs,
}

#[derive(Args)]
struct LeafArgs {
    /// How many days it is valid, at most as long as the CA.
    #[arg(long, default_value = "90", value_parser = days())]
    days: u16,
    /// The folder of the CA that signs it.
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    ca: PathBuf,
    /// The folder for the new files [default: the folder of the CA].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The kind of its key.
    #[arg(long, value_name = "KIND", default_value = "p256")]
    key_type: KeyKind,
}

/// Makes a CA.
pub(crate) fn ca(args: &CaArgs, as_json: bool) -> Result<()> {
    // First, so that it is read before there is anything to lose.
    render::notice(&render::wrapped(SECRET, 0));
    let name = args.name.clone().map_or_else(Authority::fresh_name, Ok)?;
    let ca = Authority::new(&name, args.days, args.key_type)?;
    let next = [
        with_ca(&["mcp-mtls", "certs", "server", "localhost", "127.0.0.1"], &args.out),
        with_ca(&["mcp-mtls", "certs", "client", "alice"], &args.out),
    ];
    finish(&args.out, &[ca.minted()], &next, as_json)
}

/// Makes a server certificate.
pub(crate) fn server(args: &ServerArgs, as_json: bool) -> Result<()> {
    let ca = Authority::open(&args.leaf.ca)?;
    let minted = ca.server(&args.names, args.leaf.days, args.leaf.key_type)?;
    let next = with_ca(&["mcp-mtls", "certs", "client", "alice"], &args.leaf.ca);
    finish(args.leaf.out(), &[&minted], &[next], as_json)
}

/// Makes client certificates.
pub(crate) fn clients(args: &ClientArgs, as_json: bool) -> Result<()> {
    let ca = Authority::open(&args.leaf.ca)?;
    let minted = args.names.iter().map(|name| ca.client(name, args.leaf.days, args.leaf.key_type));
    let minted = minted.collect::<Result<Vec<_>>>()?;
    let out = args.leaf.out();
    let first = minted.first().map(|minted| out.join(minted.file_stem()).display().to_string()).unwrap_or_default();
    let (cert, key, ca) = (format!("{first}.pem"), format!("{first}.key"), args.leaf.ca.join("ca.pem"));
    let ca = ca.display().to_string();
    let next = ["mcp-mtls", "connect", "https://localhost:8443/mcp", "--cert", &cert, "--key", &key, "--ca", &ca];
    finish(out, &minted.iter().collect::<Vec<_>>(), &[render::command_line(&next, NEXT.len())], as_json)
}

impl LeafArgs {
    fn out(&self) -> &Path {
        self.out.as_deref().unwrap_or(&self.ca)
    }
}

fn finish(folder: &Path, minted: &[&Minted], next: &[String], as_json: bool) -> Result<()> {
    let written = write(folder, minted)?;
    if as_json {
        let made = minted.iter().zip(&written).map(|(minted, written)| {
            json!({
                "certificateFile": written.certificate,
                "keyFile": written.key,
                "certificate": view::certificate_json(minted.facts()),
            })
        });
        render::json(&json!({ "made": made.collect::<Vec<_>>() }));
    } else {
        render::answer(&told(minted, &written, next));
    }
    Ok(())
}

fn told(minted: &[&Minted], written: &[Written], next: &[String]) -> String {
    let now = OffsetDateTime::now_utc();
    let mut lines = Vec::new();
    for (minted, written) in minted.iter().zip(written) {
        lines.push(render::wrapped(&minted.facts().describe(now), 0));
        if minted.shortened() {
            lines.push("  It ends with its CA, sooner than asked.".to_owned());
        }
        lines.push(format!("  {}  the certificate", written.certificate.display()));
        lines.push(format!("  {}  its key, for you alone", written.key.display()));
    }
    lines.push(String::new());
    lines.push(next.join("\n").replacen(&" ".repeat(NEXT.len()), NEXT, 1));
    lines.join("\n")
}

fn with_ca(command: &[&str], ca: &Path) -> String {
    let ca_text = ca.display().to_string();
    let option = if ca == Path::new(FOLDER) { Vec::new() } else { vec!["--ca", &ca_text] };
    render::command_line(&[command, &option].concat(), NEXT.len())
}

fn days() -> RangedU64ValueParser<u16> {
    // A hundred years are enough, and every date stays one that X.509 can write.
    RangedU64ValueParser::new().range(1..=36_500)
}

/// A folder of its own, so that one line in `.gitignore` keeps the keys out of a repository.
const FOLDER: &str = "certs";

const NEXT: &str = "Next: ";

const SECRET: &str = "The key of a CA is a secret: whoever holds it can make certificates that your servers and clients \
     believe. Keep it on this machine, and use this CA for development only.\n";

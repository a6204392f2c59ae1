//! `certs fetch`: saves what a server presents, so that a person can compare it with what its owner says.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use mcp_mtls_core::Presented;
use mcp_mtls_core::config::{Entry, EntrySettings, TlsSettings};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::identity::facts::{CertificateFacts, date};
use mcp_mtls_core::identity::pem;
use mcp_mtls_core::secret::Secret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::view;
use crate::render::{self, Ink, Paint};

#[derive(Args)]
pub(crate) struct FetchArgs {
    /// The server: https://HOST:PORT/…, or HOST:PORT.
    #[arg(value_name = "URL")]
    server: String,
    /// The file for the certificates. One that is there is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The name to ask for (SNI), and to look for in the certificate, instead of the URL's host.
    #[arg(long, value_name = "NAME_OR_IP")]
    server_name: Option<String>,
    /// Proxy to the server. Without it `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` count.
    #[arg(long, value_name = "URL")]
    proxy: Option<Secret>,
}

/// What was presented, and which of it is worth saving.
struct Fetched {
    server: String,
    chain: Vec<CertificateFacts>,
    /// The places in the chain of what is saved.
    saved: Vec<usize>,
    verdict: Result<()>,
}

/// Connects, sends nothing, and saves.
pub(crate) async fn fetch(args: FetchArgs, as_json: bool) -> Result<()> {
    if args.out.symlink_metadata().is_ok() {
        return Err(exists(&args.out));
    }
    let url = if args.server.contains("://") { args.server.clone() } else { format!("https://{}", args.server) };
    let mut settings = EntrySettings::default();
    settings.proxy = args.proxy;
    let mut tls = TlsSettings::default();
    tls.server_name = args.server_name;
    settings.tls = Some(tls);
    let endpoint = Entry::from_flags(&url, settings).resolve()?;
    let presented = Presented::by(&endpoint).await?;
    let server = endpoint.url.host_str().unwrap_or_default();
    let server = format!("{server}:{}", endpoint.url.port_or_known_default().unwrap_or(443));

    let fetched = Fetched::of(server, &presented)?;
    let text = fetched.saved.iter().map(|at| pem::certificate(&presented.certificates[*at])).collect::<String>();
    save(&args.out, &text)?;
    if as_json {
        render::json(&fetched.json(&args.out));
    } else {
        render::answer(&fetched.text(&args.out, OffsetDateTime::now_utc(), Paint::stdout()));
    }
    Ok(())
}

impl Fetched {
    fn of(server: String, presented: &Presented) -> Result<Self> {
        let unread =
            |_| Failure::new(Code::ServerCertificateInvalid, format!("What {server} presents is no certificate"));
        let parse = |der: &Vec<u8>| CertificateFacts::parse(der).map_err(unread);
        let chain = presented.certificates.iter().map(parse).collect::<Result<Vec<_>>>()?;
        let saved = roots(&chain);
        match chain.first() {
            Some(leaf) if saved.is_empty() => Err(no_ca(&server, leaf)),
            _ => Ok(Self { server, chain, saved, verdict: presented.verdict.clone() }),
        }
    }

    fn text(&self, file: &Path, now: OffsetDateTime, paint: Paint) -> String {
        let mut blocks = vec![format!("{} presents:", paint.ink(Ink::Strong, &self.server))];
        blocks.extend(self.chain.iter().enumerate().map(|(at, facts)| {
            let text = view::certificate(facts, &[], now, paint);
            if self.saved.contains(&at) { format!("{text}\n    {}", paint.ink(Ink::Good, "saved")) } else { text }
        }));
        blocks.push(render::wrapped(&format!("Saved to {}.", file.display()), 0));
        blocks.push(render::wrapped(&self.in_words(), 0));
        blocks.extend(self.meaning(now).iter().map(|text| render::wrapped(text, 0)));
        blocks.join("\n\n")
    }

    fn json(&self, file: &Path) -> Value {
        let presented = self.chain.iter().enumerate().map(|(at, facts)| {
            let mut value = view::certificate_json(facts);
            value["saved"] = self.saved.contains(&at).into();
            value
        });
        json!({
            "server": self.server,
            "file": file,
            "presented": presented.collect::<Vec<_>>(),
            "verified": self.verdict.is_ok(),
            "failure": self.verdict.as_ref().err(),
            "provesOwner": false,
            "meaning": self.meaning(OffsetDateTime::now_utc()),
        })
    }

    fn in_words(&self) -> String {
        match &self.verdict {
            Ok(()) => "This system's roots vouch for the server and its name, so that `ca` is not needed.".to_owned(),
            Err(failure) => {
                let facts = failure.facts();
                format!("This system's roots do not vouch for it: {}. {}", facts.what, facts.why.join(" "))
            }
        }
    }

    /// What the file is good for, and what nobody has proved.
    fn meaning(&self, now: OffsetDateTime) -> Vec<String> {
        let mut told = vec![
            "This proves only what somebody on the path presented, which need not be the server. Before you set `ca` \
             to the file, compare each SHA-256 with whoever runs the server, over another channel: by phone, or on \
             its company's pages."
                .to_owned(),
        ];
        let saved = || self.saved.iter().filter_map(|at| self.chain.get(*at));
        let until = saved().map(|facts| facts.not_after).min().map_or_else(String::new, |end| date(end, now));
        if self.saved == [0] {
            told.push(format!(
                "The certificate is signed by itself: as `ca` it vouches for this server alone, until {until} or until \
                 the server gets another one."
            ));
        } else if !saved().any(|facts| facts.self_issued) {
            told.push(format!(
                "The root is not among them, as is usual. As `ca` the saved CA is believed by itself: for all servers \
                 that it vouches for, until {until} or until the server changes to another CA. The root, which \
                 its owner can give you, lasts longer."
            ));
        }
        told
    }
}

/// Which of the chain could be believed as `ca`: a leaf that signed itself, or the CAs above the leaf.
/// What else was presented has nothing to do with it.
fn roots(chain: &[CertificateFacts]) -> Vec<usize> {
    let Some(leaf) = chain.first() else { return Vec::new() };
    if leaf.self_issued {
        return vec![0];
    }
    let mut roots = Vec::new();
    let mut below = leaf;
    while let Some((at, above)) = chain
        .iter()
        .enumerate()
        .find(|(at, facts)| *at > 0 && !roots.contains(at) && facts.is_ca && facts.subject_der == below.issuer_der)
    {
        roots.push(at);
        below = above;
    }
    roots
}

fn save(file: &Path, text: &str) -> Result<()> {
    let created = std::fs::File::options().write(true).create_new(true).open(file);
    created.and_then(|mut created| created.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(file),
        _ => Failure::new(Code::FileUnwritable, "The file cannot be written")
            .at(file.display().to_string())
            .because(format!("{error}.")),
    })
}

fn exists(file: &Path) -> Failure {
    Failure::new(Code::FileExists, "The file exists already")
        .at(file.display().to_string())
        .fix("Choose another name, or remove it if what it vouches for is not believed any more.")
}

fn no_ca(server: &str, leaf: &CertificateFacts) -> Failure {
    Failure::new(
        Code::MaterialInvalid,
        format!("{server} presents no CA certificate, so that there is nothing to save"),
    )
    .because(format!("It presents its own certificate alone: {}.", leaf.describe(OffsetDateTime::now_utc())))
    .because(format!("The issuer is {}.", leaf.issuer))
    .because(format!("Its SHA-256 is {}, the pin of its key {}.", leaf.fingerprint, leaf.pin()))
    .fix("Get the certificate of that CA from whoever runs the server.")
}

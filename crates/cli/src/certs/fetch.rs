//! `certs fetch`: saves what a server presents, so that a person can compare it with what its owner says.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use mcp_mtls_core::Presented;
use mcp_mtls_core::config::{Entry, EntrySettings, TlsSettings};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::identity::facts::CertificateFacts;
use mcp_mtls_core::identity::pem;
use mcp_mtls_core::secret::Secret;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::view;
use crate::render::{self, Ink, Paint};

#[derive(Args)]
pub(crate) struct FetchArgs {
    /// The server: https://HOST:PORT/PATH, or HOST:PORT.
    #[arg(value_name = "URL")]
    server: String,
    /// The file for the certificates. One that is there is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The name to ask for (SNI), and to look for in the certificate, instead of the URL's host.
    #[arg(long, value_name = "NAME_OR_IP")]
    server_name: Option<String>,
    /// The oldest version of TLS to speak, `1.2` or `1.3` [default: 1.2].
    #[arg(long, value_name = "VERSION")]
    min_version: Option<String>,
    /// `classical` offers no post-quantum key exchange: for networks that lose its larger greeting.
    #[arg(long, value_name = "KIND")]
    key_exchange: Option<String>,
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
    check_free(&args.out)?;
    let url = if args.server.contains("://") { args.server.clone() } else { format!("https://{}", args.server) };
    let mut settings = EntrySettings::default();
    settings.proxy = args.proxy;
    let mut tls = TlsSettings::default();
    tls.server_name = args.server_name;
    tls.min_version = args.min_version;
    tls.key_exchange = args.key_exchange;
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
        match chain.as_slice() {
            [leaf, others @ ..] if presented.linked.is_empty() => Err(no_ca(&server, leaf, others.len())),
            _ => Ok(Self { server, chain, saved: presented.linked.clone(), verdict: presented.verdict.clone() }),
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
        blocks.extend(self.meaning().iter().map(|text| render::wrapped(text, 0)));
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
            "chainVerifies": self.verdict.is_ok(),
            "failure": self.verdict.as_ref().err(),
            "provesOwner": false,
            "meaning": self.meaning(),
        })
    }

    fn in_words(&self) -> String {
        match &self.verdict {
            Ok(()) => "This system's roots vouch for these certificates and the name: `ca` is not needed.".to_owned(),
            Err(failure) => {
                let facts = failure.facts();
                format!("This system's roots do not vouch for it: {}. {}", facts.what, facts.why.join(" "))
            }
        }
    }

    /// What the file is good for, and what nobody has proved.
    fn meaning(&self) -> Vec<&'static str> {
        let mut told = vec![
            "This proves only what somebody on the path presented, which need not be the server: certificates are \
             public, and the connection ends before the server would prove that it has the key. Before you set `ca` \
             to the file, compare each SHA-256 with whoever runs the server, over another channel: by phone, or on \
             its company's pages.",
        ];
        let mut saved = self.saved.iter().filter_map(|at| self.chain.get(*at));
        told.push(match self.saved.as_slice() {
            [0] if self.chain.first().is_some_and(|leaf| leaf.is_ca) => {
                "The certificate is signed by itself, and is that of a CA: as `ca` it vouches for every server whose \
                 certificate it signs, not for this one alone."
            }
            [0] => {
                "The certificate is signed by itself, and is not that of a CA: as `ca` it vouches for itself alone, \
                 until it ends or the server gets another one."
            }
            _ if saved.any(|facts| facts.self_issued) => {
                "As `ca` the file vouches for every server whose certificate one of its CAs signs."
            }
            _ => {
                "The root is not among them, as is usual. As `ca` the saved CA is believed by itself: for every server \
                 whose certificate it signs, until this server changes to another CA. The root, which its owner can \
                 give you, lasts longer."
            }
        });
        told
    }
}

/// Refuses a file that is there, before anybody connects.
fn check_free(file: &Path) -> Result<()> {
    if file.is_dir() {
        return Err(Failure::new(Code::FileUnwritable, "The file cannot be written")
            .at(file.display().to_string())
            .because("It is a folder.")
            .fix("Add the name of a new file in it."));
    }
    if file.symlink_metadata().is_ok() { Err(exists(file)) } else { Ok(()) }
}

/// Writes the file whole or not at all: half of it would stand in the way of the next try.
fn save(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = beside().tempfile_in(folder).and_then(|mut beside| {
        beside.write_all(text.as_bytes())?;
        beside.persist_noclobber(file).map_err(|refused| refused.error)
    });
    written.map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        kind => {
            let failure =
                Failure::new(Code::FileUnwritable, "The file cannot be written").at(file.display().to_string());
            match kind {
                io::ErrorKind::NotFound => failure.because("Its folder is not there."),
                _ => failure.because_of(&error),
            }
            .fix("Choose another file.")
        }
    })
}

/// A file that all may read whom the umask lets: certificates are public.
fn beside() -> tempfile::Builder<'static, 'static> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there it has no permissions to set"))]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

fn exists(file: &Path) -> Failure {
    Failure::new(Code::FileExists, "The file exists already")
        .at(file.display().to_string())
        .fix("Choose another name, or remove it if what it vouches for is not believed any more.")
}

fn no_ca(server: &str, leaf: &CertificateFacts, others: usize) -> Failure {
    let own = leaf.describe(OffsetDateTime::now_utc());
    Failure::new(
        Code::MaterialInvalid,
        format!("{server} presents no CA certificate that signed its own, so that there is nothing to save"),
    )
    .because(match others {
        0 => format!("It presents its own certificate alone: {own}."),
        _ => format!("Of the {} certificates that it presents, none signed its own: {own}.", others + 1),
    })
    .because(format!("The issuer is {}.", leaf.issuer))
    .because(format!("Its SHA-256 is {}, the pin of its key {}.", leaf.fingerprint, leaf.pin()))
    .fix("Get the certificate of that CA from whoever runs the server.")
}

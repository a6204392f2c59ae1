//! `mcp-mtls list`: what is configured. Nothing is connected to, and no program is run.

use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{self, Content, Entry, Listed, Material};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::identity::Identity;
use mcp_mtls_core::identity::facts::CertificateFacts;
use mcp_mtls_core::trust::Trust;
use tokio::task::JoinSet;

use super::view;
use crate::render::{self, Paint};

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Configuration file to read instead of the user's and the machine's.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One entry, or what keeps a whole file from being read.
pub(super) struct Row {
    pub(super) name: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) url: Option<String>,
    /// The kind of source that the client certificate comes from.
    pub(super) identity: Option<&'static str>,
    pub(super) state: State,
}

pub(super) enum State {
    /// With the certificate, if there is one.
    Enabled(Option<Box<CertificateFacts>>),
    /// It could be used; what its certificate says is not known, and why.
    Unknown(String),
    Disabled,
    Broken(Failure),
}

pub(crate) fn run(args: &ListArgs) -> Result<()> {
    // Whatever is overlooked below.
    config::forbid_programs();
    let config = config::file_of_flag(args.config.as_deref())?;
    let config = config.as_deref();
    let listed = if config.is_none() && config::files(None).iter().all(|file| is_missing(file)) {
        Vec::new()
    } else {
        config::list(config)
    };
    let mut rows = Vec::new();
    crate::on_runtime(async {
        let mut running = JoinSet::new();
        for (at, listed) in listed.into_iter().enumerate() {
            running.spawn(async move { (at, row(listed).await) });
        }
        while let Some(row) = running.join_next().await {
            rows.push(row.unwrap_or_else(|error| resume_unwind(error.into_panic())));
        }
        Ok(())
    })?;
    rows.sort_by_key(|(at, _)| *at);
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).filter(|row| !is_nothing(row)).collect();
    // A file that cannot be read may hold anything.
    if let [Row { name: None, state: State::Broken(failure), .. }] = rows.as_slice() {
        return Err(failure.clone());
    }
    if args.json {
        render::json(&view::list_json(&rows));
    } else {
        render::answer(&view::list(&rows, Paint::stdout()));
    }
    Ok(())
}

/// Whether there is no such file; one that may not be looked for is told.
fn is_missing(file: &Path) -> bool {
    file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Whether it says that there are no entries, which is no trouble here.
fn is_nothing(row: &Row) -> bool {
    matches!(&row.state, State::Broken(failure) if row.name.is_none() && failure.code() == Code::ConfigNoSuchEntry)
}

async fn row(listed: Listed) -> Row {
    let entry = match listed.entry {
        Ok(entry) => entry,
        Err(failure) => {
            let state = State::Broken(failure);
            return Row { name: listed.name, file: listed.file, url: None, identity: None, state };
        }
    };
    let (url, identity) = (entry.told_url(), entry.identity_kind());
    let state = state(entry).await.unwrap_or_else(State::Broken);
    Row { name: listed.name, file: listed.file, url, identity, state }
}

async fn state(entry: Entry) -> Result<State> {
    if !entry.is_enabled() {
        return Ok(State::Disabled);
    }
    let kind = entry.identity_kind();
    match (kind, entry.draft()?.programs.first()) {
        (Some("token"), Some(_)) => return Ok(State::Unknown(TOKEN.to_owned())),
        (_, Some(program)) => {
            return Ok(State::Unknown(format!("`{}` runs a program, which was not run", program.setting)));
        }
        (_, None) => {}
    }
    let limit = entry.timeout()?;
    let load = tokio::task::spawn_blocking(move || {
        let endpoint = entry.resolve()?;
        // A wrong PIN costs a try, and an agent is a process of its own.
        match kind {
            Some("token") => Ok(State::Unknown(TOKEN.to_owned())),
            _ if [&endpoint.tls.cert, &endpoint.tls.key].into_iter().flatten().any(is_on_token) => {
                Ok(State::Unknown(TOKEN.to_owned()))
            }
            Some("spiffe") => Ok(State::Unknown("the SPIFFE agent was not asked".to_owned())),
            _ => {
                let identity = Identity::load(&endpoint.tls)?;
                Trust::load(&endpoint.tls, identity.as_ref())?;
                Ok(State::Enabled(identity.map(|identity| Box::new(identity.facts().clone()))))
            }
        }
    });
    match tokio::time::timeout(limit, load).await {
        Ok(loaded) => loaded.unwrap_or_else(|error| resume_unwind(error.into_panic())),
        Err(_) => Err(Failure::new(Code::TimedOut, "A file that a setting names does not answer")),
    }
}

/// Whether it is on a token, which a reference may have said.
fn is_on_token(material: &Material) -> bool {
    matches!(material.content, Content::Token(_))
}

const TOKEN: &str = "the token was not asked";

//! `mcp-mtls trust`: which projects may have entries of their own, and what they were when somebody looked at them.

mod covered;
mod store;
mod view;

use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{Draft, Entry, Named, Value};
use mcp_mtls_core::error::{Code, Failure, Result};
use time::OffsetDateTime;

use crate::edit::turn;
use crate::entries::preview;
use crate::hosts::opencode::Entries;
use crate::render;
pub(crate) use covered::settings;
use covered::{changes, covered};
use store::{Store, Trusted};

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are flags")]
pub(crate) struct TrustArgs {
    /// The folder that opencode is started in [default: this one].
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Trust it without a question.
    #[arg(long, conflicts_with_all = ["list", "remove"])]
    yes: bool,

    /// List what is trusted.
    #[arg(long, conflicts_with_all = ["directory", "remove"])]
    list: bool,

    /// Trust it no more.
    #[arg(long)]
    remove: bool,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &TrustArgs) -> Result<()> {
    if args.list {
        let store = Store::read()?;
        answer(args.json, &view::list_json(&store), &view::list(&store));
        return Ok(());
    }
    let directory = args.directory.as_deref().unwrap_or(Path::new("."));
    if args.remove {
        return remove(directory, args.json);
    }
    let entries = Entries::read(directory, None)?;
    let names = entries.of_project();
    if names.is_empty() {
        answer(args.json, &view::nothing_json(&entries), &view::nothing(&entries));
        return Ok(());
    }
    let own = own(&entries)?;
    let covered = covered(&entries, &own)?;
    render::notice(&view::asked(&entries, &own, &covered));
    let allowed = view::allowed_json(&entries, &own, &covered);
    agreed(args.yes, &allowed)?;
    let _turn = turn::wait();
    let mut store = Store::read()?;
    let date = OffsetDateTime::now_utc().date().to_string();
    store.set(&entries.project.directory, Trusted { date, covered });
    store.write()?;
    answer(args.json, &allowed, &view::trusted(&entries, &names));
    Ok(())
}

/// Why the entries of the project are not trusted, if they are not: nobody has looked at them, or they are not what
/// they were.
pub(crate) fn distrust(entries: &Entries) -> Result<Option<String>> {
    let store = Store::read()?;
    let Some(trusted) = store.get(&entries.project.directory) else {
        return Ok(Some(
            "Only files of the project set it, and such files can name any server, file and program.".into(),
        ));
    };
    let changes = changes(&trusted.covered, &covered(entries, &own(entries)?)?);
    if changes.is_empty() {
        return Ok(None);
    }
    let more = changes.len().saturating_sub(CHANGES);
    let told = changes.into_iter().take(CHANGES).collect::<Vec<_>>().join("; ");
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Ok(Some(format!("It was trusted on {}, and is another one since: {told}{more}.", trusted.date)))
}

/// An entry of the project.
struct Own<'a> {
    name: &'a str,
    /// As `mcp-mtls` would write it.
    draft: Draft,
    files: Vec<Named>,
}

/// Every entry that the project has.
fn own(entries: &Entries) -> Result<Vec<Own<'_>>> {
    let one = |name| {
        let entry = entries.merged(name)?;
        let mut draft = entry.draft()?;
        refuse_references(&entry, &draft.entry)?;
        draft.programs.append(&mut draft.may_load);
        let files = entry.named(&draft)?;
        Ok(Own { name, draft, files })
    };
    entries.of_project().into_iter().map(one).collect()
}

/// Refuses references where whoever is asked would not see what they give.
fn refuse_references(entry: &Entry, settings: &Value) -> Result<()> {
    let refused = |setting: &str, why: &str, fix: &str| {
        let written = entry.written().into_iter().find(|written| written.setting == setting);
        let what = format!("A project's own entry has a reference in `{setting}`");
        let failure = Failure::new(Code::ConfigInvalidValue, what).because(why).fix(fix);
        written.iter().fold(failure, |failure, written| failure.at(written.origin.to_string()))
    };
    for setting in ["url", "proxy", "tls.serverName", "tls.exec", "tls.pkcs11Module"] {
        if any_text(settings, setting, &|text| preview::refers(text)) {
            let why = "Where it leads, and what it runs, must be seen by whoever is asked to trust it.";
            return Err(refused(setting, why, "Write out what it gives, or move the entry to a file of your own."));
        }
    }
    for setting in ["tls.cert", "tls.key", "tls.ca", "tls.crl"] {
        if any_text(settings, setting, &|text| text.contains("{file:")) {
            let why = "What the file gives could name another file, or a library.";
            return Err(refused(setting, why, "Write the path itself: the file is read all the same."));
        }
    }
    Ok(())
}

/// Whether any text of the setting is such a one.
fn any_text(settings: &Value, setting: &str, is_such: &dyn Fn(&str) -> bool) -> bool {
    match settings {
        Value::Text(text) => setting.is_empty() && is_such(text.expose()),
        Value::List(values) => values.iter().any(|value| any_text(value, setting, is_such)),
        Value::Map(keys) => {
            let (first, rest) = setting.split_once('.').unwrap_or((setting, ""));
            keys.iter().any(|(key, value)| key == first && any_text(value, rest, is_such))
        }
        _ => false,
    }
}

fn agreed(yes: bool, allowed: &serde_json::Value) -> Result<()> {
    if yes {
        return Ok(());
    }
    match render::confirmed("May opencode use these entries of the project?") {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Code::Stopped, "The project was not trusted, and nothing was run or written")),
        None => Err(Failure::new(Code::UsageInvalid, "Nobody can be asked whether the project may be trusted")
            .because("There is no terminal. Nothing was run or written.")
            .fix("Look at what is listed, and add --yes if it may.")
            .evidence("allows", allowed.clone())),
    }
}

fn remove(directory: &Path, as_json: bool) -> Result<()> {
    // One that is gone can be removed, too.
    let directory =
        directory.canonicalize().or_else(|_| std::path::absolute(directory)).unwrap_or_else(|_| directory.to_owned());
    let _turn = turn::wait();
    let mut store = Store::read()?;
    if !store.remove(&directory) {
        return Err(Failure::new(Code::UsageInvalid, "This folder is not trusted")
            .at(preview::path(&directory))
            .fix("`mcp-mtls trust --list` lists those that are."));
    }
    store.write()?;
    answer(as_json, &view::removed_json(&directory), &view::removed(&directory));
    Ok(())
}

fn answer(as_json: bool, json: &serde_json::Value, text: &str) {
    if as_json {
        render::json(json);
    } else {
        render::answer(text);
    }
}

/// How many changes are named.
const CHANGES: usize = 3;

//! `mcp-mtls trust`: which projects may have entries of their own, and what they were when somebody looked at them.

mod store;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{Draft, read_file};
use mcp_mtls_core::error::{Code, Failure, Result};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::hosts::opencode::Entries;
use crate::render;
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

/// The hash of every file that was looked at.
type Hashes = BTreeMap<PathBuf, String>;

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
    let drafts = drafts(&entries)?;
    let hashes = hashes(&entries, &drafts)?;
    render::notice(&view::asked(&entries, &drafts, &hashes));
    agreed(args.yes)?;
    let mut store = Store::read()?;
    let date = OffsetDateTime::now_utc().date().to_string();
    store.set(&entries.project.directory, Trusted { date, files: hashes });
    store.write()?;
    answer(args.json, &view::trusted_json(&entries, &names), &view::trusted(&entries, &names));
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
    let changes = changes(&trusted.files, &hashes(entries, &drafts(entries)?)?);
    if changes.is_empty() {
        return Ok(None);
    }
    let more = changes.len().saturating_sub(CHANGES);
    let told = changes.into_iter().take(CHANGES).collect::<Vec<_>>().join("; ");
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Ok(Some(format!("It was trusted on {}, and is another one since: {told}{more}.", trusted.date)))
}

/// Every entry that the project has, as `mcp-mtls` would write it.
fn drafts(entries: &Entries) -> Result<Vec<(&str, Draft)>> {
    let draft = |name| {
        let mut draft = entries.merged(name)?.draft()?;
        draft.programs.append(&mut draft.may_load);
        Ok((name, draft))
    };
    entries.of_project().into_iter().map(draft).collect()
}

/// The hashes of the project's files as they were parsed, and of what lies in the project and is run or loaded.
fn hashes(entries: &Entries, drafts: &[(&str, Draft)]) -> Result<Hashes> {
    let files = entries.files().into_iter();
    let mut hashes: Hashes = files.map(|(path, text)| (path.to_owned(), hash_of_settings(text))).collect();
    for path in programs(entries, drafts)? {
        if hashes.contains_key(&path) {
            continue;
        }
        let bytes = read_file(&path).map_err(|error| {
            Failure::new(Code::FileUnreadable, "A program of the project cannot be read")
                .at(path.display().to_string())
                .because_of(&error)
        })?;
        hashes.insert(path, hash(&bytes));
    }
    Ok(hashes)
}

/// The files in the project that the words of its programs name, also those that a shell or an interpreter is given.
fn programs(entries: &Entries, drafts: &[(&str, Draft)]) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for started in drafts.iter().flat_map(|(_, draft)| &draft.programs) {
        let line = started.line.expose();
        if matches!(started.setting.as_str(), "tls.cert" | "tls.key") && line.contains('%') {
            return Err(Failure::new(Code::ConfigInvalidValue, "The URI of a token hides the name of its module")
                .at(started.setting.clone())
                .fix("Write the name of the module without `%`, or set `pkcs11Module`."));
        }
        let mut words = shlex::split(line).unwrap_or_default();
        words.push(line.to_owned());
        let parts = words.iter().flat_map(|word| word.split(BETWEEN).chain([word.as_str()]));
        for part in parts.filter(|part| !part.is_empty() && part.len() <= LONGEST_PATH) {
            for folder in entries.folders() {
                let path = folder.join(part).canonicalize().ok();
                found.extend(path.filter(|path| path.is_file() && entries.project.holds(path)));
            }
        }
    }
    Ok(found)
}

/// Without the line that opencode adds to each of its files that has none like it.
fn hash_of_settings(text: &str) -> String {
    let text = text.trim_start();
    let rest = text.strip_prefix('{').map(|rest| rest.strip_prefix(ADDED).unwrap_or(rest));
    hash(rest.unwrap_or(text).as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Text takes whatever is written.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn changes(then: &Hashes, now: &Hashes) -> Vec<String> {
    let gone = then.keys().filter(|path| !now.contains_key(*path)).map(|path| format!("{} is gone", path.display()));
    let others = now.iter().filter_map(|(path, hash)| match then.get(path) {
        Some(before) if before == hash => None,
        Some(_) => Some(format!("{} has changed", path.display())),
        None => Some(format!("{} is new", path.display())),
    });
    gone.chain(others).collect()
}

fn agreed(yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    match render::confirmed("May opencode use these entries of the project?") {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Code::Stopped, "The project was not trusted, and nothing was run or written")),
        None => Err(Failure::new(Code::UsageInvalid, "Nobody can be asked whether the project may be trusted")
            .because("There is no terminal. What it would do is listed above; nothing was run or written.")
            .fix("Look at it, and add --yes if it may.")),
    }
}

fn remove(directory: &Path, as_json: bool) -> Result<()> {
    // One that is gone can be removed, too.
    let directory =
        directory.canonicalize().or_else(|_| std::path::absolute(directory)).unwrap_or_else(|_| directory.to_owned());
    let mut store = Store::read()?;
    if !store.remove(&directory) {
        return Err(Failure::new(Code::UsageInvalid, "This folder is not trusted")
            .at(directory.display().to_string())
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

/// What stands around a path within a word, as in `--config=./x` and `sh -c './x; ./y'`.
const BETWEEN: &[char] = &[' ', '\t', '\n', '=', ';', '&', '|', '(', ')', '<', '>', '\'', '"', '`', ',', ':', '$'];
const ADDED: &str = "\n  \"$schema\": \"https://opencode.ai/config.json\",";
const LONGEST_PATH: usize = 4096;
/// How many changes are named.
const CHANGES: usize = 3;

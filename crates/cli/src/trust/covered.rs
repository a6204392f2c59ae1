//! What trust covers: opencode's files of the project, and the files that its entries name, as they are now.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{StartedKind, path_of_flag, read_file};
use mcp_mtls_core::error::{Code, Failure, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Own;
use crate::entries::preview;
use crate::hosts::opencode::Entries;

/// By the path as it is written, absolute.
pub(crate) type Covered = BTreeMap<PathBuf, State>;

/// A file or folder as it was looked at.
#[derive(Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Where the links in the path lead.
    pub(super) target: PathBuf,
    /// Of what is in it. Not of what lies elsewhere and is the user's, such as a certificate that is renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

pub(super) fn covered(entries: &Entries, own: &[Own]) -> Result<Covered> {
    let mut cover = Cover { entries, found: Covered::new(), files: 0, bytes: 0 };
    for (path, state) in settings(entries) {
        cover.put(path, state)?;
    }
    for one in own {
        for named in one.files.iter().filter(|named| !named.path.is_dir()) {
            cover.add(&named.path, named.is_relative)?;
        }
        for started in one.draft.programs.iter().filter(|started| started.kind != StartedKind::UnnamedLibrary) {
            let line = started.line.expose();
            if matches!(started.setting.as_str(), "tls.cert" | "tls.key") && line.contains('%') {
                return Err(Failure::new(Code::ConfigInvalidValue, "The URI of a token hides the name of its module")
                    .at(started.setting.clone())
                    .fix("Write the name of the module without `%`, or set `pkcs11Module`."));
            }
            cover.add_words(line)?;
        }
    }
    Ok(cover.found)
}

/// opencode's files of the project.
pub(crate) fn settings(entries: &Entries) -> Covered {
    let state = |(path, text): (&Path, &str)| {
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        (path.to_owned(), State { target, sha256: Some(hash_of_settings(text)) })
    };
    entries.files().into_iter().map(state).collect()
}

pub(super) fn changes(then: &Covered, now: &Covered) -> Vec<String> {
    let told = |path: &Path, how: &str| format!("{} {how}", preview::path(path));
    let gone = then.keys().filter(|path| !now.contains_key(*path)).map(|path| told(path, "is gone"));
    let others = now.iter().filter_map(|(path, state)| match then.get(path) {
        Some(before) if before == state => None,
        Some(before) if before.target != state.target => Some(told(path, "leads elsewhere")),
        Some(_) => Some(told(path, "has changed")),
        None => Some(told(path, "is new")),
    });
    gone.chain(others).collect()
}

struct Cover<'a> {
    entries: &'a Entries,
    found: Covered,
    /// How many files and folders were read, and how much of them.
    files: usize,
    bytes: u64,
}

impl Cover<'_> {
    /// What the words of a program name, also those that a shell or an interpreter is given.
    fn add_words(&mut self, line: &str) -> Result<()> {
        let words = shlex::split(line).unwrap_or_default();
        if let Some(program) = words.first().filter(|program| !program.contains(['/', '\\'])) {
            self.add_from_path(program)?;
        }
        for word in words.iter().map(String::as_str).chain([line]) {
            // In a line for a shell `.` is no folder.
            let parts = word.split(BETWEEN).filter(|part| part.chars().any(|c| !matches!(c, '.' | '/' | '\\')));
            for part in parts.chain([word]).filter(|part| !part.is_empty() && part.len() <= LONGEST_PATH) {
                if part.starts_with('~') {
                    self.add(&path_of_flag(Path::new(part), "the word of a program")?, false)?;
                    continue;
                }
                for folder in self.entries.folders() {
                    self.add(&folder.join(part), Path::new(part).is_relative())?;
                }
            }
        }
        Ok(())
    }

    /// The program, where `PATH` leads into the project.
    fn add_from_path(&mut self, name: &str) -> Result<()> {
        let searched = env::var_os("PATH").unwrap_or_default();
        let folders = self.entries.folders();
        for path in env::split_paths(&searched).flat_map(|of| folders.iter().map(move |folder| folder.join(&of))) {
            let path = path.join(name);
            if path.canonicalize().is_ok_and(|target| self.entries.project.holds(&target)) {
                self.add(&path, true)?;
            }
        }
        Ok(())
    }

    /// A file or folder that may be there.
    fn add(&mut self, written: &Path, is_relative: bool) -> Result<()> {
        let path = std::path::absolute(written).unwrap_or_else(|_| written.to_owned());
        if self.found.contains_key(&path) {
            return Ok(());
        }
        let Ok(target) = path.canonicalize() else { return Ok(()) };
        let is_read = is_relative || self.entries.project.holds(&target);
        let sha256 = if is_read { Some(self.hash_of(&path, &target)?) } else { None };
        self.put(path, State { target, sha256 })
    }

    fn put(&mut self, path: PathBuf, state: State) -> Result<()> {
        // The list is JSON, which holds no others.
        if path.to_str().is_none() || state.target.to_str().is_none() {
            return Err(Failure::new(Code::ConfigInvalidValue, "A path that the project names is not UTF-8 text")
                .at(preview::path(&path))
                .fix("Rename the file or folder."));
        }
        self.found.insert(path, state);
        Ok(())
    }

    /// The hash of all that is in a file or folder; links in a folder are followed to what came with it.
    fn hash_of(&mut self, named: &Path, root: &Path) -> Result<String> {
        let unreadable = |path: &Path, error: &std::io::Error| {
            Failure::new(Code::FileUnreadable, "What an entry of the project names cannot be read")
                .at(preview::path(path))
                .because_of(error)
        };
        let mut all = Sha256::new();
        let mut left = vec![root.to_owned()];
        while let Some(path) = left.pop() {
            let target = path.canonicalize().unwrap_or_else(|_| path.clone());
            let kind =
                target.metadata().ok().filter(|_| target.starts_with(root) || self.entries.project.holds(&target));
            self.files += 1;
            let mut parts =
                vec![path.as_os_str().as_encoded_bytes().to_vec(), target.into_os_string().into_encoded_bytes()];
            if kind.as_ref().is_some_and(std::fs::Metadata::is_file) {
                self.bytes += kind.map_or(0, |kind| kind.len());
                self.is_within(named)?;
                let bytes = read_file(&path).map_err(|error| unreadable(&path, &error))?;
                parts.push(Sha256::digest(&bytes).to_vec());
            } else if kind.is_some_and(|kind| kind.is_dir()) {
                let mut inner = Vec::new();
                for entry in path.read_dir().map_err(|error| unreadable(&path, &error))? {
                    inner.push(entry.map_err(|error| unreadable(&path, &error))?.path());
                    if inner.len() > MOST_FILES {
                        return Err(too_much(named));
                    }
                }
                inner.sort();
                left.extend(inner);
            }
            self.is_within(named)?;
            for part in parts {
                all.update((part.len() as u64).to_be_bytes());
                all.update(part);
            }
        }
        Ok(hex(&all.finalize()))
    }

    fn is_within(&self, named: &Path) -> Result<()> {
        if self.files > MOST_FILES || self.bytes > MOST_BYTES { Err(too_much(named)) } else { Ok(()) }
    }
}

fn too_much(named: &Path) -> Failure {
    let what = format!("The entries of the project name more than {MOST_FILES} files or 64 MiB");
    Failure::new(Code::ConfigInvalidValue, what)
        .at(preview::path(named))
        .because("Trust covers all that is in a folder that a program is given.")
        .fix("Give the program the one file that it needs, or a smaller folder.")
}

/// Without the line that opencode adds to each of its files that has none like it.
fn hash_of_settings(text: &str) -> String {
    let text = text.trim_start();
    match text.strip_prefix('{').and_then(|rest| rest.strip_prefix(ADDED)) {
        Some(rest) => hex(&Sha256::new().chain_update("{").chain_update(rest).finalize()),
        None => hex(&Sha256::digest(text)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Text takes whatever is written.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What stands around a path within a word, as in `--config=./x` and `sh -c './x; ./y'`.
const BETWEEN: &[char] = &[' ', '\t', '\n', '=', ';', '&', '|', '(', ')', '<', '>', '\'', '"', '`', ',', ':', '$'];
const ADDED: &str = "\n  \"$schema\": \"https://opencode.ai/config.json\",";
const LONGEST_PATH: usize = 4096;
const MOST_FILES: usize = 1000;
const MOST_BYTES: u64 = 64 << 20;

//! The entries with `tls` in opencode's files, and which of them may be used.
//!
//! What is the user's and what came with a project is never mixed: an entry is of the one or of the other.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use mcp_mtls_core::config::Entry;
use mcp_mtls_core::error::{Code, Failure, Result, brief, plain};

use super::layers::{Layer, Owner, Project};
use super::section::{Key, Mention, SERVERS, Section, sections};
use crate::{render, trust};

/// All that the files say about servers.
pub(crate) struct Entries {
    pub(crate) project: Project,
    /// With the number of their layer, the last one over the others.
    sections: Vec<(usize, Section)>,
    /// Why the project is not trusted, if it is not.
    distrust: OnceCell<Result<Option<String>>>,
}

impl Entries {
    /// Reads opencode's files for this folder.
    ///
    /// # Errors
    /// Those of [`Project::read`], and `config-syntax`, `config-conflict` and `config-invalid-value` for what keeps
    /// anybody from knowing which entries a file has.
    pub(crate) fn read(directory: &Path, worktree: Option<&Path>) -> Result<Self> {
        Self::of(Project::read(directory, worktree)?)
    }

    pub(super) fn of(project: Project) -> Result<Self> {
        let mut all = Vec::new();
        for (at, layer) in project.layers.iter().enumerate() {
            all.extend(sections(layer)?.into_iter().map(|section| (at, section)));
        }
        let mut entries = Self { project, sections: all, distrust: OnceCell::new() };
        if entries.names().len() > MOST_ENTRIES {
            let what = format!("opencode's files have more than {MOST_ENTRIES} entries with `tls`");
            return Err(Failure::new(Code::ConfigInvalidValue, what).fix("Remove those that are not used."));
        }
        let names = entries.names().into_iter().map(str::to_owned).collect();
        entries.sections.iter_mut().try_for_each(|(_, section)| section.keep(&names))?;
        Ok(entries)
    }

    /// The names of the entries with `tls`, in their order. Those that are local wherever a `type` stands are none.
    pub(crate) fn names(&self) -> Vec<&str> {
        let names = |is_such: fn(&Mention) -> bool| {
            let mentions = self.mentions().map(|(.., mention)| mention);
            mentions.filter(move |mention| is_such(mention)).map(|mention| mention.name.as_str())
        };
        let local: HashSet<_> = names(|mention| mention.is_local == Some(true)).collect();
        let other: HashSet<_> = names(|mention| mention.is_local == Some(false)).collect();
        let is_ours = |name: &&str| !local.contains(name) || other.contains(name);
        let mut with_tls: HashSet<_> = names(|mention| mention.has_tls).filter(is_ours).collect();
        names(|_| true).filter(|name| with_tls.remove(name)).collect()
    }

    /// The entry, if it may be used.
    ///
    /// # Errors
    /// `config-no-such-entry`, `project-changes-entry`, `project-not-trusted`, and those of reading an entry.
    pub(crate) fn entry(&self, name: &str) -> Result<Entry> {
        let entry = self.merged(name)?;
        if !self.is_of_project(name) {
            return Ok(entry);
        }
        match self.distrust.get_or_init(|| trust::distrust(self)) {
            Ok(None) => Ok(entry.guarded(self.still_trusted(name))),
            Ok(Some(why)) => Err(self.not_trusted(name, why)),
            Err(failure) => Err(failure.clone()),
        }
    }

    /// What is asked before anything that the entry names is read or run again: whether it would still be used now,
    /// and by what the same files say. What somebody trusts that says otherwise need not cover what this one names.
    fn still_trusted(&self, name: &str) -> impl Fn() -> Result<()> + use<> {
        let (directory, worktree) = (self.project.directory.clone(), self.project.worktree.clone());
        let (name, then) = (name.to_owned(), trust::settings(self));
        move || {
            let now = Self::read(&directory, Some(&worktree))?;
            now.entry(&name)?;
            if trust::settings(&now) == then {
                return Ok(());
            }
            let what = format!("The entry `{}` is not the one that was trusted last", brief(&name));
            Err(Failure::new(Code::ProjectNotTrusted, what)
                .at(directory.display().to_string())
                .because("The project's files of opencode have changed since this connection began.")
                .fix("Start opencode anew."))
        }
    }

    /// The names of the entries that may be used as soon as the project is trusted.
    pub(crate) fn of_project(&self) -> Vec<&str> {
        let of_one = |name: &&str| self.is_of_project(name) && self.decisive(name, Owner::User).is_empty();
        self.names().into_iter().filter(of_one).collect()
    }

    /// What all files together say under this name, which is of one owner.
    ///
    /// # Errors
    /// As [`Self::entry`] has them, but for `project-not-trusted`.
    pub(crate) fn merged(&self, name: &str) -> Result<Entry> {
        if !self.names().contains(&name) {
            return Err(self.no_such(Some(name)));
        }
        let (theirs, own) = (self.decisive(name, Owner::Project), self.decisive(name, Owner::User));
        if !theirs.is_empty() && !own.is_empty() {
            return Err(self.changes(name, &theirs, &own));
        }
        let mut merged: Option<Entry> = None;
        for (layer, section, mention) in self.of_name(name) {
            if let Some(place) = mention.misplaced {
                return Err(misplaced(layer, mention, place));
            }
            let Some(entry) = section.entries.get(name).cloned().transpose()? else { continue };
            merged = Some(match merged {
                Some(below) => entry.over(below)?,
                None => entry,
            });
        }
        merged.ok_or_else(|| self.no_such(Some(name)))
    }

    /// The files of the project that were read, with their texts.
    pub(crate) fn files(&self) -> BTreeMap<&Path, &str> {
        let of_project = self.project.layers.iter().filter(|layer| layer.owner == Owner::Project);
        of_project.map(|layer| (layer.path.as_path(), layer.text.as_str())).collect()
    }

    /// What relative paths in the project's files may be relative to.
    pub(crate) fn folders(&self) -> Vec<&Path> {
        let of_project = self.project.layers.iter().filter(|layer| layer.owner == Owner::Project);
        let folders = of_project.map(|layer| layer.folder.as_path());
        folders.chain([self.project.directory.as_path()]).collect()
    }

    fn not_trusted(&self, name: &str, why: &str) -> Failure {
        let keys = self.decisive(name, Owner::Project);
        let key = keys.iter().find(|(_, key)| key.path.starts_with("tls")).or(keys.first());
        let what = format!("The entry `{}` is the project's, which is not trusted", brief(name));
        let failure = key
            .iter()
            .fold(Failure::new(Code::ProjectNotTrusted, what), |failure, (layer, key)| failure.at(place(layer, key)));
        let directory = &self.project.directory;
        let command = directory.to_str().map(|directory| format!("mcp-mtls trust {}", render::argument(directory)));
        let fix = |command: &str| format!("See what it does, and allow it, with `{command}`.");
        // Hosts cut their messages, and what cannot be pasted is of no use.
        let is_told = |command: &String| {
            let length = failure.facts().what.chars().count() + 2 + fix(command).chars().count();
            length <= LONGEST_MESSAGE && !command.contains(|c: char| c.is_control() || c == '`')
        };
        match command.filter(is_told) {
            Some(command) => failure.because(why).fix(fix(&command)),
            None => failure
                .because(why)
                .because(format!("DIR is {}, where opencode is started.", directory.display()))
                .fix(fix("mcp-mtls trust DIR")),
        }
    }

    fn changes(&self, name: &str, theirs: &[(&Layer, &Key)], own: &[(&Layer, &Key)]) -> Failure {
        // Every file has a `type`.
        let first = theirs.iter().find(|(_, key)| key.path != "type").or(theirs.first());
        let told = first.map_or_else(String::new, |(layer, key)| {
            let file = layer.path.strip_prefix(&self.project.root).unwrap_or(&layer.path);
            // Hosts cut their messages.
            let is_told = (1..=LONGEST_KEY).contains(&key.path.len());
            let told = if is_told { format!("`{}`", plain(&key.path)) } else { "it".to_owned() };
            format!("{}:{} sets {told}", brief(&file.display().to_string()), key.line)
        });
        let what = format!("The entry `{}` is yours, and the project's {told}", brief(name));
        let places = theirs.iter().take(PLACES).chain(own.first()).map(|(layer, key)| place(layer, key));
        places
            .fold(Failure::new(Code::ProjectChangesEntry, what), Failure::at)
            .because("The last of these places is yours, the others are the project's.")
            .because("A project must decide neither where your certificate and headers go nor which they are.")
            .fix("Rename one of the two.")
            .fix("Or remove that of the project, and look at what else it sets.")
    }

    fn is_of_project(&self, name: &str) -> bool {
        !self.decisive(name, Owner::Project).is_empty()
    }

    /// Every key of the entry that this owner sets and that says where something is sent, or what.
    fn decisive(&self, name: &str, owner: Owner) -> Vec<(&Layer, &Key)> {
        let of_owner = self.of_name(name).filter(|(layer, ..)| layer.owner == owner);
        let keys = of_owner.flat_map(|(layer, _, mention)| {
            // However it is written there, it is another entry.
            let keys = mention.keys.iter().filter(|key| mention.misplaced.is_some() || key.is_decisive());
            keys.map(move |key| (layer, key))
        });
        keys.collect()
    }

    fn of_name(&self, name: &str) -> impl Iterator<Item = (&Layer, &Section, &Mention)> {
        self.mentions().filter(move |(.., mention)| mention.name == name)
    }

    fn mentions(&self) -> impl Iterator<Item = (&Layer, &Section, &Mention)> {
        self.sections.iter().flat_map(move |(at, section)| {
            section.mentions.iter().map(move |mention| (&self.project.layers[*at], section, mention))
        })
    }

    /// That there is no entry of this name, or none at all.
    pub(crate) fn no_such(&self, name: Option<&str>) -> Failure {
        let names: Vec<_> = self.names().into_iter().map(|name| format!("`{}`", brief(name))).collect();
        let files = self.project.layers.iter();
        let what = match name {
            Some(name) => format!("opencode's files have no entry `{}` with `tls`", brief(name)),
            None => "opencode's files have no entry with `tls`".to_owned(),
        };
        let failure = files
            .fold(Failure::new(Code::ConfigNoSuchEntry, what), |failure, layer| {
                failure.at(layer.path.display().to_string())
            })
            .fix("Write `tls` beside its `url`, and start opencode again.");
        if names.is_empty() { failure } else { failure.because(format!("Those with `tls` are {}.", names.join(", "))) }
    }
}

fn misplaced(layer: &Layer, mention: &Mention, place_of: &str) -> Failure {
    let name = brief(&mention.name);
    let what = match place_of {
        SERVERS => format!("`{SERVERS}.{name}` stands one level too deep"),
        _ => format!("The entry `{name}` stands in `plugins`, which this opencode does not read"),
    };
    let failure = Failure::new(Code::ConfigInvalidValue, what);
    let failure = mention.keys.iter().take(1).fold(failure, |failure, key| failure.at(place(layer, key)));
    failure.fix(format!("Write it as `mcp.{name}`."))
}

fn place(layer: &Layer, key: &Key) -> String {
    format!("{}:{}, {}", layer.path.display(), key.line, key.full)
}

/// Each is read by itself, and a repository may have any number.
const MOST_ENTRIES: usize = 256;
const LONGEST_KEY: usize = 22;
const LONGEST_MESSAGE: usize = 200;
/// How many keys are named.
const PLACES: usize = 4;

//! What is to change in the files of a host, worked out before anything is written.

use std::path::PathBuf;

use mcp_mtls_core::config::Value;
use mcp_mtls_core::error::{Code, Failure, Result, plain as words};

use super::change;
use super::file::{Opened, Scope, open};
use super::host::Host;
use super::place::Surroundings;
use super::shape::{Run, WhenThere, whole};
use crate::edit::jsonc::plain;

/// A host, and what is to become of its files.
pub(super) struct Plan {
    pub(super) host: &'static Host,
    /// The files that it reads, in that order; nothing where it is not written, or could not be read.
    pub(super) files: Vec<Opened>,
    pub(super) entries: Vec<Outcome>,
    /// What is to be put into a file by hand.
    pub(super) snippet: Option<Snippet>,
    /// What deserves a word.
    pub(super) notes: Vec<String>,
    /// Why nothing can be done at all.
    pub(super) failure: Option<Failure>,
    /// What to do in the host, that it sees a new entry.
    pub(super) next: &'static str,
}

/// What becomes of an entry of that name that is not ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Theirs {
    IsReplaced,
    Stays,
    /// And it was `add` that found it.
    StaysAfterAdd,
}

pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) what: What,
    /// Which of the files.
    pub(super) file: usize,
    /// What changes in it.
    pub(super) lines: Vec<String>,
    /// How many comments go with that.
    pub(super) comments: usize,
}

pub(super) enum What {
    Add,
    Update,
    Replace,
    Same,
    Remove,
    Failed(Failure),
}

pub(super) struct Snippet {
    /// None where nobody knows the file.
    pub(super) file: Option<PathBuf>,
    pub(super) text: String,
}

impl Plan {
    pub(super) fn new(host: &'static Host) -> Self {
        let (files, entries, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { host, files, entries, snippet: None, notes, failure: None, next: host.next }
    }

    /// Puts these entries into the files of the host, or into a text to be copied.
    pub(super) fn install(
        host: &'static Host,
        scope: &Scope,
        around: &Surroundings,
        runs: &[Run],
        theirs: Theirs,
    ) -> Self {
        let mut plan = Self::new(host);
        if let (Scope::Project(_), Some(project)) = (scope, &host.project) {
            plan.next = project.next.unwrap_or(host.next);
        }
        if let Err(failure) = plan.fill(scope, around, runs, theirs) {
            plan.failure = Some(failure);
        }
        plan
    }

    fn fill(&mut self, scope: &Scope, around: &Surroundings, runs: &[Run], theirs: Theirs) -> Result<()> {
        let host = self.host;
        if !host.is_written {
            self.snippet = Some(snippet(host, scope, around, &runs.iter().collect::<Vec<_>>())?);
            return Ok(());
        }
        self.files = open(host, scope, around)?;
        for run in runs {
            let at = self.file_of(&run.name);
            let before = self.files.get(at).map(Opened::state);
            let mut outcome = Outcome::of(&run.name, at, self.put(at, run, theirs));
            if let (Some(file), Some(before)) = (self.files.get_mut(at), before) {
                match &outcome.what {
                    // One half of an entry is no entry.
                    What::Failed(_) => file.restore(host, &before)?,
                    _ => outcome.tell_comments(file.comments - before.comments),
                }
            }
            self.entries.push(outcome);
        }
        self.guard(match theirs {
            Theirs::IsReplaced => None,
            Theirs::Stays => Some("Make it writable, or add --force."),
            Theirs::StaysAfterAdd => Some("Make it writable, and put the entry there with `mcp-mtls install`."),
        });
        self.show(scope, around, runs)
    }

    /// Shows what could not be written, to be put there by hand.
    pub(super) fn show(&mut self, scope: &Scope, around: &Surroundings, runs: &[Run]) -> Result<()> {
        let unwritable =
            |entry: &&Outcome| matches!(&entry.what, What::Failed(failure) if failure.code() == Code::FileUnwritable);
        let names: Vec<_> = self.entries.iter().filter(unwritable).map(|entry| entry.name.as_str()).collect();
        let by_hand: Vec<_> = runs.iter().filter(|run| names.contains(&run.name.as_str())).collect();
        if !by_hand.is_empty() {
            self.snippet = Some(snippet(self.host, scope, around, &by_hand)?);
        }
        Ok(())
    }

    /// Keeps files that are read-only from being replaced, for which the mode of a file is no hindrance; with a word
    /// instead, if there is no remedy to be told.
    fn guard(&mut self, fix: Option<&str>) {
        for at in 0..self.files.len() {
            let file = &mut self.files[at];
            if !file.changed || !file.is_read_only() {
                continue;
            }
            let Some(fix) = fix else {
                self.notes.push(format!("{} is read-only, and stays so", file.told()));
                continue;
            };
            file.changed = false;
            let what = format!("The file of {} is read-only, and was not changed", self.host.title);
            let failure = Failure::new(Code::FileUnwritable, what).at(file.told());
            self.fail(at, &failure.because("Somebody, or the program that makes it, wants it so.").fix(fix));
        }
    }

    /// All that was to change in a file does not.
    fn fail(&mut self, at: usize, failure: &Failure) {
        let own = self.entries.iter_mut().filter(|entry| entry.file == at && entry.changes());
        own.for_each(|entry| (entry.what, entry.comments) = (What::Failed(failure.clone()), 0));
    }

    /// The file in which the entry is, or would be: what is read last counts.
    fn file_of(&self, name: &str) -> usize {
        let last = self.files.len().saturating_sub(1);
        self.files.iter().rposition(|file| self.host.entry(file, name).is_some()).unwrap_or(last)
    }

    fn put(&mut self, at: usize, run: &Run, theirs: Theirs) -> Result<(What, Vec<String>)> {
        let host = self.host;
        host.check_name(&run.name)?;
        let mut others = self.files.iter().enumerate().filter(|(other, _)| *other != at);
        // Hosts with several files merge what they find.
        let is_theirs = |entry: serde_json::Value| host.found(&entry).ours(&run.name).is_none();
        let other = others.find(|(_, file)| host.entry(file, &run.name).is_some_and(is_theirs));
        if let Some((_, other)) = other {
            return Err(host
                .taken(other, &run.name, run.url.as_deref())
                .fix("Remove one of the two: the host would mix them."));
        }
        let Some(file) = self.files.get_mut(at) else { return Err(Failure::new(Code::SystemFailed, "No file")) };
        let found = host.entry(file, &run.name);
        let path = host.path(&run.name);
        let seen = found.as_ref().map(|entry| host.found(entry));
        let (Some(entry), Some(seen)) = (found, seen) else {
            let value = whole(host.pieces(run, None)?);
            let there = file.depth(&path);
            file.set(host, &path, &value)?;
            return Ok((What::Add, change::come(host.format, &path, there, &value)?));
        };
        let Some(ours) = seen.ours(&run.name) else {
            if theirs != Theirs::IsReplaced {
                let failure = host.taken(file, &run.name, run.url.as_deref());
                return Err(failure.fix(theirs.instead(host, run)));
            }
            let value = whole(host.pieces(run, None)?);
            file.set(host, &path, &value)?;
            // What stood there may hold secrets of others.
            let mut lines = vec![format!("- (what stood there as {})", words(&run.name))];
            lines.extend(change::come(host.format, &path, host.keys.len(), &value)?);
            return Ok((What::Replace, lines));
        };
        let before = file.document.text().to_owned();
        let mut new = Vec::new();
        for mut piece in host.pieces(run, Some(&entry))? {
            let path: Vec<_> = path.iter().copied().chain(piece.path.iter().map(String::as_str)).collect();
            let there = file.document.get(&path);
            let stays = match (piece.when_there, &there) {
                (WhenThere::New, _) | (WhenThere::Theirs, Some(_)) => true,
                (WhenThere::Ours | WhenThere::Among, Some(there)) => *there == plain(&piece.value),
                (_, None) => false,
            };
            if stays {
                continue;
            }
            file.set(host, &path, &piece.value)?;
            if let (WhenThere::Among, Value::List(values), Some(there)) = (piece.when_there, &mut piece.value, there) {
                // What else is in the list was there before.
                values.drain(..there.as_array().map_or(0, Vec::len).min(values.len()));
            }
            new.push(piece);
        }
        let mut lines: Vec<_> = change::gone(&before, file.document.text()).into_iter().collect();
        if !new.is_empty() {
            lines.extend(change::come(host.format, &path, path.len(), &whole(new))?);
        }
        if let Some(config) = ours.config.filter(|config| *config != run.config) {
            let name = words(&run.name);
            self.notes.push(format!("until now {name} of {} was that of {}", host.title, words(config)));
        }
        let off =
            [("enabled", false), ("disabled", true)].iter().any(|(key, off)| entry.get(key) == Some(&(*off).into()));
        if off {
            self.notes.push(format!("{} is switched off in {}, and stays so", words(&run.name), host.title));
        }
        Ok((if lines.is_empty() { What::Same } else { What::Update }, lines))
    }

    /// Takes what is ours out of the files of the host: these entries, or all.
    pub(super) fn uninstall(host: &'static Host, scope: &Scope, around: &Surroundings, names: &[String]) -> Self {
        let mut plan = Self::new(host);
        match open(host, scope, around) {
            Ok(files) => plan.files = files,
            Err(failure) => plan.failure = Some(failure),
        }
        let mut wanted: Vec<(usize, String)> = Vec::new();
        for (at, file) in plan.files.iter().enumerate() {
            wanted.extend(host.ours(file).into_iter().map(|(name, _)| (at, name)));
            let theirs = host.theirs(file).into_iter().filter(|_| names.is_empty());
            let told = |name: String| {
                format!("{} starts mcp-mtls, but not as `install` would write it, and stays", words(&name))
            };
            plan.notes.extend(theirs.map(told));
        }
        if plan.files.is_empty() && plan.failure.is_none() && names.is_empty() {
            plan.notes.push(match host.user {
                Some(_) => format!("where the file of {} is on this system is not known", host.title),
                None => {
                    format!("of {}, files of projects alone are known: name a folder with --project=DIR", host.title)
                }
            });
        }
        if !names.is_empty() {
            wanted.retain(|(_, name)| names.contains(name));
            let missing = names.iter().filter(|name| !wanted.iter().any(|(_, there)| there == *name));
            let failures: Vec<_> = missing.map(|name| (name.clone(), plan.not_ours(name))).collect();
            if plan.failure.is_none() {
                plan.entries.extend(failures.into_iter().map(|(name, failure)| Outcome::of(&name, 0, Err(failure))));
            }
        }
        for (at, name) in wanted {
            let Some(file) = plan.files.get_mut(at) else { continue };
            if !host.is_written {
                let failure = by_hand(host, file, &name);
                plan.entries.push(Outcome::of(&name, at, Err(failure)));
                continue;
            }
            let before = file.comments;
            let done = file.remove(host, &host.path(&name)).map(|lines| (What::Remove, lines));
            let mut outcome = Outcome::of(&name, at, done);
            outcome.tell_comments(file.comments - before);
            plan.entries.push(outcome);
        }
        plan.guard(Some("Make it writable, and try again."));
        plan
    }

    fn not_ours(&self, name: &str) -> Failure {
        let (host, told) = (self.host, words(name));
        if let Some(file) = self.files.iter().rfind(|file| host.entry(file, name).is_some()) {
            let what = format!("The entry `{told}` of {} is not of mcp-mtls", host.title);
            return Failure::new(Code::ConfigConflict, what)
                .at(host.told(file, name))
                .because("It stays as it is.")
                .fix(format!("Remove it in {} itself.", host.title));
        }
        if self.files.is_empty() {
            let what = format!("Where {} has its entries is not known here, so `{told}` is not looked for", host.title);
            return Failure::new(Code::ConfigNoSuchEntry, what).fix(match host.user {
                Some(_) => format!("Remove it in {} itself.", host.title),
                None => "Name the folder of the project with --project=DIR.".to_owned(),
            });
        }
        let failure = Failure::new(Code::ConfigNoSuchEntry, format!("{} has no entry `{told}`", host.title));
        let failure = self.files.iter().fold(failure, |failure, file| failure.at(file.told()));
        failure.fix("`mcp-mtls install --list` tells what there is.")
    }

    /// Writes what has changed. A file that cannot be written fails for all its entries, and for nothing else.
    pub(super) fn write(&mut self) {
        for at in 0..self.files.len() {
            if self.files[at].changed
                && let Err(failure) = self.files[at].write()
            {
                self.fail(at, &failure);
            }
        }
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = &Failure> {
        let entries = self.entries.iter().filter_map(|entry| match &entry.what {
            What::Failed(failure) => Some(failure),
            _ => None,
        });
        self.failure.iter().chain(entries)
    }

    pub(super) fn changes(&self) -> bool {
        self.entries.iter().any(Outcome::changes)
    }
}

impl Outcome {
    fn of(name: &str, file: usize, done: Result<(What, Vec<String>)>) -> Self {
        let (what, lines) = done.unwrap_or_else(|failure| (What::Failed(failure), Vec::new()));
        Self { name: name.to_owned(), what, file, lines, comments: 0 }
    }

    fn tell_comments(&mut self, count: usize) {
        self.comments = count;
        if count > 0 {
            self.lines.insert(1.min(self.lines.len()), format!("- ({})", change::comments(count)));
        }
    }

    pub(super) fn changes(&self) -> bool {
        !matches!(self.what, What::Same | What::Failed(_))
    }
}

impl Theirs {
    fn instead(self, host: &Host, run: &Run) -> String {
        match self {
            Self::StaysAfterAdd => {
                let command = super::command(host.id, &run.name, run.config.as_ref());
                format!("Replace it with `{command} --force`, or give yours another name.")
            }
            Self::IsReplaced | Self::Stays => "Replace it with --force, or give yours another name.".to_owned(),
        }
    }
}

fn by_hand(host: &Host, file: &Opened, name: &str) -> Failure {
    let what = format!("mcp-mtls does not write the file of {}, in which `{}` is", host.title, words(name));
    Failure::new(Code::FileUnwritable, what).at(host.told(file, name)).fix("Take it out there by hand.")
}

fn snippet(host: &Host, scope: &Scope, around: &Surroundings, runs: &[&Run]) -> Result<Snippet> {
    for run in runs {
        host.check_name(&run.name)?;
    }
    let scope = match (scope, &host.user) {
        (Scope::User, None) => &Scope::Project(PathBuf::new()),
        (scope, _) => scope,
    };
    let file = host.file(scope, around)?;
    let value = |run: &Run| Ok(whole(host.pieces(run, None)?));
    let value = if host.shape.in_list {
        Value::List(runs.iter().map(|run| value(run)).collect::<Result<_>>()?)
    } else {
        Value::Map(runs.iter().map(|run| Ok((run.name.clone(), value(run)?))).collect::<Result<_>>()?)
    };
    Ok(Snippet { file, text: change::alone(host.format, host.keys, &value)? })
}

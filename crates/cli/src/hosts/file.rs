//! The files of a host, opened, and what is in them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use mcp_mtls_core::config::Value;
use mcp_mtls_core::error::{Code, Failure, Result, plain as words};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::change;
use super::host::Host;
use super::place::Surroundings;
use super::shape::Found;
use crate::edit::write::{Backup, Target};
use crate::edit::{Document, Format, Trouble};

/// Whose file it is.
#[derive(Clone)]
pub(super) enum Scope {
    User,
    /// That of the project in this folder.
    Project(PathBuf),
}

/// A file of a host as it is to be.
pub(super) struct Opened {
    pub(super) target: Target,
    pub(super) document: Box<dyn Document>,
    pub(super) changed: bool,
    /// How many comments went with what was changed.
    pub(super) comments: usize,
    /// Whether there was an entry of ours in it.
    has_ours: bool,
    /// Where the old text is, after the new one was written.
    pub(super) backup: Option<Backup>,
}

/// A file in between.
pub(super) struct State {
    text: Zeroizing<String>,
    changed: bool,
    pub(super) comments: usize,
}

impl Opened {
    fn read(target: Target, format: Format, host: &Host) -> Result<Self> {
        let document = format.parse(target.text()?).map_err(|trouble| host.trouble(trouble, &target))?;
        let mut file = Self { target, document, changed: false, comments: 0, has_ours: false, backup: None };
        file.has_ours = !host.ours(&file).is_empty();
        Ok(file)
    }

    /// Writes what has changed.
    pub(super) fn write(&mut self) -> Result<()> {
        let text = self.document.text();
        self.backup = if self.has_ours {
            self.target.replace_again(text)?
        } else {
            self.target.replace(text)?.map(|path| Backup { path, is_new: true })
        };
        Ok(())
    }

    /// How many of these keys are there.
    pub(super) fn depth(&self, path: &[&str]) -> usize {
        (1..=path.len()).take_while(|depth| self.document.get(&path[..*depth]).is_some()).count()
    }

    /// Whether nobody is to change it.
    pub(super) fn is_read_only(&self) -> bool {
        self.target.path().metadata().is_ok_and(|there| there.is_file() && there.permissions().readonly())
    }

    pub(super) fn set(&mut self, host: &Host, path: &[&str], value: &Value) -> Result<()> {
        let comments = self.document.set(path, value).map_err(|trouble| host.trouble(trouble, &self.target))?;
        self.comments += comments.len();
        self.changed = true;
        Ok(())
    }

    /// What it is now, to go back to.
    pub(super) fn state(&self) -> State {
        State { text: Zeroizing::new(self.document.text().to_owned()), changed: self.changed, comments: self.comments }
    }

    pub(super) fn restore(&mut self, host: &Host, state: &State) -> Result<()> {
        self.document = host.format.parse(&state.text).map_err(|trouble| host.trouble(trouble, &self.target))?;
        (self.changed, self.comments) = (state.changed, state.comments);
        Ok(())
    }

    pub(super) fn remove(&mut self, host: &Host, path: &[&str]) -> Result<Vec<String>> {
        let lines = |text: &str| text.lines().count();
        let before = lines(self.document.text());
        let comments = self.document.remove(path).map_err(|trouble| host.trouble(trouble, &self.target))?;
        self.comments += comments.map_or(0, |comments| comments.len());
        self.changed = true;
        self.remove_emptied(host, path)?;
        let gone = before.saturating_sub(lines(self.document.text()));
        let name = words(path.last().unwrap_or(&""));
        let gone = if gone == 0 { "part of a line".to_owned() } else { change::lines(gone) };
        Ok(vec![format!("- {name} ({gone})")])
    }

    /// Removes the maps on the way in which nothing is left, not even a comment.
    fn remove_emptied(&mut self, host: &Host, path: &[&str]) -> Result<()> {
        for depth in (1..path.len()).rev() {
            let keys = &path[..depth];
            if self.document.get(keys) != Some(Json::Object(serde_json::Map::new())) {
                break;
            }
            let before = self.state();
            if !matches!(self.document.remove(keys), Ok(Some(comments)) if comments.is_empty()) {
                return self.restore(host, &before);
            }
        }
        Ok(())
    }

    pub(super) fn told(&self) -> String {
        self.target.path().display().to_string()
    }
}

impl Host {
    /// The keys to an entry, where entries stand in a map.
    pub(super) fn path<'a>(&self, name: &'a str) -> Vec<&'a str> {
        self.keys.iter().copied().chain([name]).collect()
    }

    pub(super) fn entry(&self, file: &Opened, name: &str) -> Option<serde_json::Value> {
        if self.shape.in_list {
            return self.entries(file).into_iter().find(|(other, _)| other == name).map(|(_, entry)| entry);
        }
        file.document.get(&self.path(name))
    }

    /// The entries in a file, by their names.
    fn entries(&self, file: &Opened) -> Vec<(String, Json)> {
        match file.document.get(self.keys) {
            Some(Json::Object(entries)) if !self.shape.in_list => entries.into_iter().collect(),
            Some(Json::Array(entries)) if self.shape.in_list => {
                let named = |entry: Json| Some((entry.get("name")?.as_str()?.to_owned(), entry));
                entries.into_iter().filter_map(named).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Our entries in a file, and the configuration file that each names.
    pub(super) fn ours(&self, file: &Opened) -> Vec<(String, Option<String>)> {
        let named = |(name, entry): (String, Json)| {
            let found = self.found(&entry);
            let config = found.ours(&name)?.config.map(str::to_owned);
            Some((name, config))
        };
        self.entries(file).into_iter().filter_map(named).collect()
    }

    /// The names of entries that start this program, and that somebody has written in a way of her own.
    pub(super) fn theirs(&self, file: &Opened) -> Vec<String> {
        let fits = |name: &str, found: Found| found.is_started() && found.ours(name).is_none();
        let entries = self.entries(file).into_iter();
        entries.filter(|(name, entry)| fits(name, self.found(entry))).map(|(name, _)| name).collect()
    }

    pub(super) fn told(&self, file: &Opened, name: &str) -> String {
        if self.shape.in_list {
            return format!("{}, {}, `name: {}`", file.told(), self.keys.join("."), words(name));
        }
        format!("{}, {}.{}", file.told(), self.keys.join("."), words(name))
    }

    /// Why an entry of this name, for the server of this URL, is not put there.
    pub(super) fn taken(&self, file: &Opened, name: &str, own: Option<&str>) -> Failure {
        let what = format!("{} has an entry `{}` already that is not of mcp-mtls", self.title, words(name));
        let failure = Failure::new(Code::ConfigConflict, what).at(self.told(file, name));
        let Some(entry) = self.entry(file, name) else { return failure };
        let found = self.found(&entry);
        match found.url {
            Some(_) if self.id == OPENCODE && entry.get("tls").is_some() => failure
                .because("It has `tls`: the plugin connects to it with that certificate, and needs no other entry."),
            None if found.is_started() => failure.because("It starts mcp-mtls, but not as `install` would write it."),
            Some(url) if own == Some(url.as_str()) && !found.is_started() => {
                failure.because("It is the same server, to which the host connects by itself, without the certificate.")
            }
            Some(_) if found.is_started() => failure.because("It has both a command and a URL."),
            Some(_) => failure.because("It is a remote server, to which the host connects by itself."),
            None => failure,
        }
    }

    pub(super) fn check_name(&self, name: &str) -> Result<()> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let refused = |why: String| {
            let what = format!("`{}` cannot be the name of an entry in {}", words(name), self.title);
            Err(Failure::new(Code::ConfigInvalidValue, what).because(why).fix("Give the entry another name."))
        };
        if name.is_empty() {
            return refused("It is empty.".to_owned());
        }
        if name.starts_with('-') {
            return refused("`connect` would take it for a flag.".to_owned());
        }
        if name.contains(['$', '{', '}']) {
            return refused("Hosts take `$` and `{` for references.".to_owned());
        }
        if name == "__proto__" && self.format == Format::Jsonc {
            return refused("It is no key for programs in JavaScript.".to_owned());
        }
        if self.strict_names && !name.chars().all(fits) {
            return refused(format!("{} wants letters, digits, `-` and `_` alone.", self.title));
        }
        Ok(())
    }

    fn trouble(&self, trouble: Trouble, target: &Target) -> Failure {
        let (title, path) = (self.title, target.path().display());
        match trouble {
            Trouble::Syntax { line, what } => {
                let format = match self.format {
                    Format::Jsonc => "JSON",
                    Format::Toml => "TOML",
                    Format::Yaml => "YAML",
                };
                Failure::new(
                    Code::ConfigSyntax,
                    format!("The file of {title} is not valid {format}, and was not touched"),
                )
                .at(format!("{path}:{line}"))
                .because(words(&what))
                .fix("Mend the syntax there.")
            }
            Trouble::NoMap { line, path: keys } => {
                let map = match self.format {
                    Format::Jsonc => "a JSON object",
                    Format::Toml => "a table",
                    Format::Yaml => "a map of keys",
                };
                let what = if keys.is_empty() { "What is".to_owned() } else { format!("`{}`", words(&keys)) };
                let last = words(keys.rsplit('.').next().unwrap_or_default());
                let fix = match self.format {
                    _ if keys.is_empty() => "Put what it holds elsewhere.".to_owned(),
                    Format::Jsonc => format!("Write `\"{last}\": {{}}`, or remove it."),
                    Format::Toml => format!("Make it the table `[{}]`, or remove it.", words(&keys)),
                    Format::Yaml => format!("Write `{last}: {{}}`, or remove it."),
                };
                Failure::new(Code::ConfigInvalidValue, format!("{what} in the file of {title} is not {map}"))
                    .at(format!("{path}:{line}"))
                    .because("Something has to be put into it by its name; nothing was changed.")
                    .fix(fix)
            }
            Trouble::Twice { line, path: keys } => {
                let what = format!("`{}` is twice in the file of {title}, and it was not touched", words(&keys));
                Failure::new(Code::ConfigConflict, what)
                    .at(format!("{path}:{line}"))
                    .because("Nobody knows which of the two is meant.")
                    .fix("Remove one of them.")
            }
            Trouble::Strange => Failure::new(
                Code::FileUnwritable,
                format!("The file of {title} is written in a way that cannot be changed"),
            )
            .at(path.to_string())
            .because("The change would have damaged something else, so nothing was written.")
            .fix("Make the change in an editor."),
        }
    }

    /// The files that are there, in the order in which they are read; the one to be made where there is none.
    fn files(&self, scope: &Scope, around: &Surroundings) -> Result<Option<(Vec<PathBuf>, PathBuf)>> {
        match scope {
            Scope::Project(folder) => match &self.project {
                Some(project) => Ok(Some(project.files.within(folder))),
                None => {
                    Err(Failure::new(Code::UsageInvalid, format!("No file of a project is known of {}", self.title))
                        .fix("Leave out --project."))
                }
            },
            Scope::User => self.user.as_ref().map_or(Ok(None), |files| files.paths(around)),
        }
    }

    /// The file that is there, or would be made.
    pub(super) fn file(&self, scope: &Scope, around: &Surroundings) -> Result<Option<PathBuf>> {
        let there =
            |(files, new): (Vec<PathBuf>, PathBuf)| files.into_iter().rfind(|file| file.exists()).unwrap_or(new);
        Ok(self.files(scope, around)?.map(there))
    }

    /// Whether it is on this machine: its file or the folder of that, or its program.
    pub(super) fn is_here(&self, around: &Surroundings) -> bool {
        let home = around.home.as_deref().map(PathBuf::from);
        let file = self.file(&Scope::User, around).ok().flatten();
        let folder = file.as_ref().and_then(|file| file.parent()).filter(|folder| home.as_deref() != Some(*folder));
        let program = self.program.is_some_and(|name| around.programs(name).next().is_some());
        program || folder.is_some_and(std::path::Path::is_dir) || file.is_some_and(|file| file.exists())
    }
}

/// The host that has a plugin of ours.
const OPENCODE: &str = "opencode";

/// Refuses a file that is not in the folder of the project: whoever has written the project has no say outside of it.
fn stays_within(folder: &Path, target: &Target) -> Result<()> {
    let real = target.real();
    // A part of the path that is not there yet is no link, but may go back over one.
    let there = real.ancestors().find(|there| there.symlink_metadata().is_ok());
    let resolved = there.and_then(|there| Some((there, fs::canonicalize(there).ok()?)));
    let is_within = resolved.is_some_and(|(there, resolved)| {
        let mut rest = real.strip_prefix(there).into_iter().flat_map(Path::components);
        rest.all(|part| matches!(part, Component::Normal(_)))
            && fs::canonicalize(folder).is_ok_and(|folder| resolved.starts_with(folder))
    });
    if is_within {
        return Ok(());
    }
    Err(Failure::new(Code::FileUnwritable, "The file of the project is a link that leads out of it")
        .at(target.path().display().to_string())
        .because(format!("It leads to {}.", words(&real.display().to_string())))
        .because("Whoever wrote the project must not choose which of your files is changed; nothing was.")
        .fix("Put a file in its place, or leave out --project."))
}

pub(super) fn open(host: &Host, scope: &Scope, around: &Surroundings) -> Result<Vec<Opened>> {
    let Some((paths, new)) = host.files(scope, around)? else { return Ok(Vec::new()) };
    let read = |path: &PathBuf| {
        Target::of_host(path).map_err(|failure| failure.because(format!("{} has its servers there.", host.title)))
    };
    let read = paths.iter().map(read);
    let mut targets = read.collect::<Result<Vec<_>>>()?;
    targets.retain(Target::exists);
    if targets.is_empty() {
        targets.push(Target::of_host(&new)?);
    }
    if let Scope::Project(folder) = scope {
        targets.iter().try_for_each(|target| stays_within(folder, target))?;
    }
    targets.into_iter().map(|target| Opened::read(target, host.format, host)).collect()
}

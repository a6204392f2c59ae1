//! The files of a host, opened, and what is in them.

use std::path::PathBuf;

use mcp_mtls_core::config::Value;
use mcp_mtls_core::error::{Code, Failure, Result, plain as words};
use serde_json::Value as Json;

use super::change;
use super::host::Host;
use super::place::Surroundings;
use super::shape::{Found, Run};
use crate::edit::write::Target;
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
    /// Where the old text is, after the new one was written.
    pub(super) backup: Option<PathBuf>,
}

impl Opened {
    fn read(target: Target, format: Format, host: &Host) -> Result<Self> {
        let document = format.parse(target.text()?).map_err(|trouble| host.trouble(trouble, &target))?;
        Ok(Self { target, document, changed: false, backup: None })
    }

    pub(super) fn set(&mut self, host: &Host, path: &[&str], value: &Value) -> Result<()> {
        self.document.set(path, value).map_err(|trouble| host.trouble(trouble, &self.target))?;
        self.changed = true;
        Ok(())
    }

    /// Goes back to this text.
    pub(super) fn restore(&mut self, host: &Host, text: &str, changed: bool) -> Result<()> {
        self.document = host.format.parse(text).map_err(|trouble| host.trouble(trouble, &self.target))?;
        self.changed = changed;
        Ok(())
    }

    pub(super) fn remove(&mut self, host: &Host, path: &[&str]) -> Result<Vec<String>> {
        let lines = |text: &str| text.lines().count();
        let before = lines(self.document.text());
        let comments = self.document.remove(path).map_err(|trouble| host.trouble(trouble, &self.target))?;
        self.changed = true;
        let gone = before.saturating_sub(lines(self.document.text()));
        let name = words(path.last().unwrap_or(&""));
        let gone = if gone == 0 { "part of a line".to_owned() } else { change::lines(gone) };
        let mut told = vec![format!("- {name} ({gone})")];
        told.extend(comments.into_iter().flatten().map(|_| "- (a comment above it)".to_owned()));
        Ok(told)
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

    /// The names of our entries in a file.
    pub(super) fn ours(&self, file: &Opened) -> Vec<String> {
        self.named(file, Found::is_ours)
    }

    /// The names of entries that start this program, and that somebody has written in a way of her own.
    pub(super) fn theirs(&self, file: &Opened) -> Vec<String> {
        self.named(file, |found, name| found.is_started() && !found.is_ours(name))
    }

    fn named(&self, file: &Opened, fits: impl Fn(&Found, &str) -> bool) -> Vec<String> {
        let entries = self.entries(file).into_iter();
        entries.filter(|(name, entry)| fits(&self.found(entry), name)).map(|(name, _)| name).collect()
    }

    pub(super) fn told(&self, file: &Opened, name: &str) -> String {
        if self.shape.in_list {
            return format!("{}, {}, `name: {}`", file.told(), self.keys.join("."), words(name));
        }
        format!("{}, {}.{}", file.told(), self.keys.join("."), words(name))
    }

    pub(super) fn taken(&self, file: &Opened, run: &Run) -> Failure {
        let what = format!("{} has an entry `{}` already that is not of mcp-mtls", self.title, words(&run.name));
        let failure = Failure::new(Code::ConfigConflict, what).at(self.told(file, &run.name));
        let Some(found) = self.entry(file, &run.name).map(|entry| self.found(&entry)) else { return failure };
        match found.url {
            None if found.is_started() => failure.because("It starts mcp-mtls, but not as `install` would write it."),
            Some(url) if run.url.as_ref() == Some(&url) && !found.is_started() => {
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
    targets.into_iter().map(|target| Opened::read(target, host.format, host)).collect()
}

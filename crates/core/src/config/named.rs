//! The files that an entry names.

use std::path::{Path, PathBuf};

use super::Entry;
use super::draft::{Draft, Value};
use super::locate::expand;
use super::material::is_on_token;
use super::reference::{Part, parse};
use crate::error::Result;

/// A file that a setting names, which need not be there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Named {
    /// The path, absolute.
    pub path: PathBuf,
    /// Whether it is written relative to the file that the setting stands in.
    pub is_relative: bool,
}

impl Entry {
    /// The files that the settings of its draft name: those of `{file:}`, and certificates, keys, CAs, revocation lists
    /// and modules. But not those that a program or a file gives, and not the words of programs.
    ///
    /// # Errors
    /// `reference-unresolved` for `~` without a home folder.
    pub fn named(&self, draft: &Draft) -> Result<Vec<Named>> {
        let mut found = Vec::new();
        self.walk("", &draft.entry, draft, &mut found)?;
        Ok(found)
    }

    fn walk(&self, setting: &str, value: &Value, draft: &Draft, found: &mut Vec<Named>) -> Result<()> {
        match value {
            Value::Map(keys) => keys.iter().try_for_each(|(key, value)| {
                let setting = if setting.is_empty() { key.clone() } else { format!("{setting}.{key}") };
                self.walk(&setting, value, draft, found)
            }),
            Value::List(values) => values.iter().try_for_each(|value| self.walk(setting, value, draft, found)),
            Value::Text(text) => self.of_text(setting, text.expose(), draft, found),
            Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn of_text(&self, setting: &str, text: &str, draft: &Draft, found: &mut Vec<Named>) -> Result<()> {
        let origin = self.origins.of(setting);
        let mut add = |written: &str| -> Result<()> {
            let path = expand(written, self.folder(&origin), &origin)?;
            let is_moved = draft.moved.iter().any(|one| one.setting == setting && begins(written, &one.to));
            // What a variable gives may be relative, too.
            let is_relative = is_moved || !(Path::new(written).is_absolute() || written.starts_with('~'));
            found.push(Named { path, is_relative });
            Ok(())
        };
        let parts = parse(text, &origin)?;
        for part in &parts {
            if let Part::File(path) = part {
                add(path)?;
            }
        }
        if is_on_token(text) {
            let sources = text.split([';', '?', '&']).filter_map(|attribute| attribute.split_once('='));
            let sources = sources.filter(|(name, _)| name.trim().eq_ignore_ascii_case("pin-source"));
            return sources.map(|(_, source)| source.strip_prefix("file:").unwrap_or(source)).try_for_each(add);
        }
        if !PATHS.contains(&setting) || text.contains("-----BEGIN") || text.contains('\n') {
            return Ok(());
        }
        match parts.iter().map(known).collect::<Option<String>>() {
            Some(path) if !path.is_empty() => add(&path),
            _ => Ok(()),
        }
    }
}

/// What the part gives, if nothing has to be read or run for it.
fn known(part: &Part<'_>) -> Option<String> {
    match part {
        Part::Literal(text) => Some((*text).to_owned()),
        Part::Env(name) => std::env::var(name).ok(),
        Part::File(_) | Part::Command(_) => None,
    }
}

/// A reference may follow within the name.
fn begins(path: &str, with: &Path) -> bool {
    with.to_str().is_some_and(|with| path.starts_with(with))
}

/// The settings that are paths, unless they are text or the URI of an object on a token.
const PATHS: [&str; 5] = ["tls.cert", "tls.key", "tls.ca", "tls.crl", "tls.pkcs11Module"];

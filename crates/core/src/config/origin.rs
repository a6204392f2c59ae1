//! Where a value was written, for messages.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// In a configuration file.
    File {
        /// The file.
        file: Arc<PathBuf>,
        /// The line, from 1.
        line: usize,
        /// The path of keys to it, as in `mcp.corp.tls.cert`.
        key: String,
    },
    /// On the command line; the text names the flag.
    Flag(String),
    /// In an environment variable of this name.
    Variable(String),
    /// In a call of the library; the text names the setting.
    Program(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An entry that is all of its file.
            Self::File { file, line, key } if key.is_empty() => write!(f, "{}:{line}", file.display()),
            Self::File { file, line, key } => write!(f, "{}:{line}, {key}", file.display()),
            Self::Flag(flag) => write!(f, "{flag} on the command line"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Program(key) => write!(f, "the setting {key}"),
        }
    }
}

/// The origin of each value of an entry, by its key path within the entry (`tls.cert`).
#[derive(Clone, Debug)]
pub(super) struct Origins {
    known: BTreeMap<String, Origin>,
    rest: Rest,
}

/// Where a value without an origin of its own comes from.
#[derive(Clone, Debug)]
enum Rest {
    Program,
    Flags,
    Entry(Origin),
}

impl Origins {
    pub(super) fn program() -> Self {
        Self { known: BTreeMap::new(), rest: Rest::Program }
    }

    pub(super) fn flags() -> Self {
        Self { known: BTreeMap::new(), rest: Rest::Flags }
    }

    /// Values of the entry at `place` in a file.
    pub(super) fn entry(place: Origin) -> Self {
        Self { known: BTreeMap::new(), rest: Rest::Entry(place) }
    }

    pub(super) fn set(&mut self, key: &str, origin: Origin) {
        self.known.insert(key.to_owned(), origin);
    }

    pub(super) fn set_flag(&mut self, key: &str) {
        self.set(key, Origin::Flag(flag(key)));
    }

    /// Those of two entries that are merged: below, but for what the upper one has `set`.
    pub(super) fn over(&self, below: &Self, set: impl Fn(&str) -> bool) -> Self {
        let mut known = below.known.clone();
        for (key, origin) in &self.known {
            if set(key) || !known.contains_key(key) {
                known.insert(key.clone(), origin.clone());
            }
        }
        Self { known, rest: self.rest.clone() }
    }

    /// Where the entry stands, when it stands in a file.
    pub(super) fn entry_place(&self) -> Option<&Origin> {
        match &self.rest {
            Rest::Entry(place) => Some(place),
            Rest::Program | Rest::Flags => None,
        }
    }

    pub(super) fn of(&self, key: &str) -> Origin {
        self.known.get(key).cloned().unwrap_or_else(|| match &self.rest {
            Rest::Program => Origin::Program(key.to_owned()),
            Rest::Flags => Origin::Flag(flag(key)),
            Rest::Entry(place) => place.clone(),
        })
    }
}

/// The flag of a setting: `tls.cert` is `--cert`, a header `-H NAME`, the URL the argument itself.
fn flag(key: &str) -> String {
    match key.rsplit_once('.') {
        None if key == "url" => "URL".to_owned(),
        None => format!("--{key}"),
        Some(("headers", "")) => "-H".to_owned(),
        Some(("headers", name)) => format!("-H {name}"),
        Some((_, "pins")) => "--pin".to_owned(),
        Some((_, name)) => name.chars().fold("--".to_owned(), |mut flag, c| {
            if c.is_ascii_uppercase() {
                flag.push('-');
            }
            flag.push(c.to_ascii_lowercase());
            flag
        }),
    }
}

//! Changes to files of people: what is not the changed value stays as it is, byte for byte.

pub(crate) mod jsonc;
pub(crate) mod toml;
pub(crate) mod write;
pub(crate) mod yaml;

use mcp_mtls_core::config::Value;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "only JSON is written so far")]
pub(crate) enum Format {
    /// JSON with comments.
    Jsonc,
    Toml,
    Yaml,
}

#[allow(dead_code, reason = "only JSON is written so far")]
impl Format {
    /// Reads a text; one with nothing in it is an empty map.
    pub(crate) fn parse(self, text: &str) -> Result<Box<dyn Document>, Trouble> {
        Ok(match self {
            Self::Jsonc => Box::new(jsonc::Jsonc::parse(text)?),
            Self::Toml => Box::new(toml::Toml::parse(text)?),
            Self::Yaml => Box::new(yaml::Yaml::parse(text)?),
        })
    }
}

/// A text of one format, changed at a path of keys. Every change is checked against what was asked for before it counts.
pub(crate) trait Document {
    /// The text as it is now.
    fn text(&self) -> &str;

    /// The value at this path of keys, if there is one.
    fn get(&self, path: &[&str]) -> Option<serde_json::Value>;

    /// Sets the value at this path of keys. Maps that are missing on the way are made; a value that is there already
    /// is replaced, and its key and all around it stay.
    fn set(&mut self, path: &[&str], value: &Value) -> Result<(), Trouble>;

    /// Removes the value at this path of keys, with its key and the comments that are about it alone. Returns those that
    /// went with it, or nothing if there is no such value.
    fn remove(&mut self, path: &[&str]) -> Result<Option<Vec<String>>, Trouble>;
}

/// Why a file cannot be changed as asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The text is not what the format wants.
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A key on the way holds something that has no keys.
    NoMap {
        /// From 1.
        line: usize,
        /// The keys to it.
        path: String,
    },
    /// The change would have changed more than it should.
    Strange,
}

//! TOML: set a value at a path of keys, or remove it.

use mcp_mtls_core::config::Value;
use zeroize::Zeroizing;

use super::{Document, Trouble};

/// A file of TOML.
pub(crate) struct Toml {
    text: Zeroizing<String>,
}

impl Toml {
    /// Reads a text; one with nothing in it is an empty map.
    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        Ok(Self { text: Zeroizing::new(text.to_owned()) })
    }
}

impl Document for Toml {
    fn text(&self) -> &str {
        &self.text
    }

    fn get(&self, _path: &[&str]) -> Option<serde_json::Value> {
        None
    }

    fn set(&mut self, _path: &[&str], _value: &Value) -> Result<(), Trouble> {
        Err(Trouble::Strange)
    }

    fn remove(&mut self, _path: &[&str]) -> Result<Option<Vec<String>>, Trouble> {
        Err(Trouble::Strange)
    }
}

//! The file in which it stands what is trusted, beside the user's configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mcp_mtls_core::config::user_file;
use mcp_mtls_core::error::{Code, Failure, Result};
use serde::{Deserialize, Serialize};

use super::covered::Covered;
use crate::edit::write::Target;
use crate::render;

pub(super) struct Store {
    target: Target,
    content: Content,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    projects: BTreeMap<PathBuf, Trusted>,
}

/// A folder as it was when somebody looked at it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trusted {
    pub(super) date: String,
    pub(super) covered: Covered,
}

impl Store {
    /// Reads it. One that cannot be read trusts nobody, and is told.
    pub(super) fn read() -> Result<Self> {
        let target = Target::read(&user_file()?.with_file_name(FILE))?;
        let content = if target.exists() {
            // The words of the reader may repeat what stands there.
            serde_json::from_str(target.text()?).map_err(|error| {
                Failure::new(Code::ConfigSyntax, "The list of trusted projects cannot be read")
                    .at(format!("{}:{}", target.path().display(), error.line()))
                    .fix("Remove the file, and run `mcp-mtls trust DIR` for each project again.")
            })?
        } else {
            Content::default()
        };
        Ok(Self { target, content })
    }

    pub(super) fn get(&self, directory: &Path) -> Option<&Trusted> {
        self.content.projects.get(directory)
    }

    pub(super) fn projects(&self) -> impl Iterator<Item = (&PathBuf, &Trusted)> {
        self.content.projects.iter()
    }

    pub(super) fn set(&mut self, directory: &Path, trusted: Trusted) {
        self.content.projects.insert(directory.to_owned(), trusted);
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, directory: &Path) -> bool {
        self.content.projects.remove(directory).is_some()
    }

    pub(super) fn write(&self) -> Result<()> {
        self.target.replace(&render::json_text(&self.content)).map(drop)
    }
}

const FILE: &str = "trusted.json";

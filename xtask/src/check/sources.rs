//! Rules about the sources that no other tool holds.

use std::fs;
use std::path::{Path, PathBuf};

use crate::programs::{Outcome, cargo, printed, root};

/// A member without the lints of the workspace would be checked by none of them.
pub(super) fn members_take_the_lints() -> Outcome {
    let bare = members()?.into_iter().filter(|(_, manifest)| {
        fs::read_to_string(manifest).map_or(true, |text| !text.replace(' ', "").contains("[lints]\nworkspace=true"))
    });
    let bare: Vec<String> = bare.map(|(name, _)| name).collect();
    if bare.is_empty() { Ok(()) } else { Err(format!("no `[lints] workspace = true` in {}", bare.join(", ")).into()) }
}

/// A file that passes the limit is asked to split, so that a reader may stop halfway.
pub(super) fn sizes() -> Outcome {
    let mut long = Vec::new();
    for (_, manifest) in members()? {
        let folder = manifest.parent().unwrap_or(&manifest);
        for file in rust_files(folder) {
            let lines = fs::read_to_string(&file)?.lines().count();
            if lines > MOST_LINES {
                long.push(format!("{} has {lines} lines", file.strip_prefix(root()).unwrap_or(&file).display()));
            }
        }
    }
    if long.is_empty() { Ok(()) } else { Err(long.join("\n").into()) }
}

/// The members of the workspace: names, and where their manifests are.
pub(super) fn members() -> Outcome<Vec<(String, PathBuf)>> {
    let metadata = printed(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let member = |package: &serde_json::Value| {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        (text("name"), PathBuf::from(text("manifest_path")))
    };
    Ok(packages.iter().map(member).collect())
}

/// Every Rust source under a folder; none when there is no such folder.
pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

const MOST_LINES: usize = 400;

//! What the library brings along.

use crate::programs::{Outcome, cargo, printed};

/// An application that embeds the library must not compile a parser for command lines.
pub(super) fn library_without_clap() -> Outcome {
    let tree = ["tree", "--package", "mcp-mtls-core", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let tree = printed(&mut cargo(&tree))?;
    if !named(&tree, "tokio") {
        return Err(format!("this is not the tree of the library:\n{tree}").into());
    }
    if named(&tree, "clap") {
        return Err("mcp-mtls-core depends on clap by default: `cargo tree -p mcp-mtls-core -i clap` shows how".into());
    }
    Ok(())
}

/// Whether the tree holds a package of this name, or one that belongs to it (`clap_builder`).
fn named(tree: &str, name: &str) -> bool {
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .any(|package| package == name || package.strip_prefix(name).is_some_and(|rest| rest.starts_with(['_', '-'])))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_package_is_found_by_its_name_and_its_parts() {
        let tree = "mcp-mtls-core v0.1.0 (/x/clap)\ntokio v1.54.0\nclap_builder v4.6.0\n";
        assert!(named(tree, "tokio") && named(tree, "clap"));
        assert!(!named(tree, "cla") && !named(tree, "x"));
    }
}

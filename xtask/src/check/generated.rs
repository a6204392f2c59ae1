//! Files that come from the program itself: written by `cargo xtask generate`, held fresh by `cargo xtask check generated`.

use std::fs;

use crate::programs::{Outcome, cargo, printed, root};

/// Fails when a generated file is not what the program prints today.
pub(crate) fn check() -> Outcome {
    for (file, args) in FILES {
        let path = root().join(file);
        let kept = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}; {HOW}"))?;
        if let Some(line) = first_difference(&kept, &generate(args)?) {
            return Err(format!("{file} is stale from line {line} on; {HOW}").into());
        }
    }
    Ok(())
}

/// Writes every generated file.
pub(crate) fn write() -> Outcome {
    for (file, args) in FILES {
        let path = root().join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, generate(args)?)?;
        println!("wrote {file}");
    }
    Ok(())
}

fn generate(args: &[&str]) -> Outcome<String> {
    printed(&mut cargo(&[&["run", "--quiet", "--package", "mcp-mtls", "--"], args].concat()))
}

/// The first line that differs, counted from one. Line ends count: a file with others is another file.
fn first_difference(kept: &str, fresh: &str) -> Option<usize> {
    if kept == fresh {
        return None;
    }
    let (kept, fresh) = (kept.split('\n'), fresh.split('\n'));
    Some(kept.zip(fresh).take_while(|(kept, fresh)| kept == fresh).count() + 1)
}

/// Each file, and what prints it.
const FILES: &[(&str, &[&str])] = &[
    ("schema/config.schema.json", &["generate", "schema"]),
    ("schema/opencode.schema.json", &["generate", "schema", "opencode"]),
    ("docs/guide/configuration.md", &["generate", "reference"]),
    ("docs/errors/README.md", &["generate", "errors"]),
];

const HOW: &str = "`cargo xtask generate` writes it";

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn a_difference_is_found_on_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\nb\n", "a\nb"), Some(3));
        assert_eq!(first_difference("a\r\nb\n", "a\nb\n"), Some(1));
    }
}

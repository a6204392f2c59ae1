//! Whether every line of `docs/protocol.md` has its test, and every such test its line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::sources::rust_files;
use crate::programs::{Outcome, root};

/// A line is a promise to whoever evaluates the program; without a test nobody would see it break.
pub(super) fn lines_have_tests() -> Outcome {
    let document = fs::read_to_string(root().join(DOCUMENT)).map_err(|e| format!("{DOCUMENT}: {e}"))?;
    let mut tests = Vec::new();
    // Not those of xtask: the tests below hold sources that only look like tests.
    for file in rust_files(&root().join("crates")) {
        let place = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        tests.extend(tests_in(&fs::read_to_string(&file)?).into_iter().map(|name| (name, place.clone())));
    }
    let faults = faults(&lines(&document), &tests);
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// What is wrong, a line each.
fn faults(lines: &[(String, String)], tests: &[(String, String)]) -> Vec<String> {
    if lines.is_empty() {
        return vec![format!("{DOCUMENT} has no line that begins with `{BEGIN}`")];
    }
    let mut tested: BTreeMap<&str, bool> = BTreeMap::new();
    let mut faults = Vec::new();
    for (id, _) in lines {
        if tested.insert(id, false).is_some() {
            faults.push(format!("{id} stands twice in {DOCUMENT}"));
        }
    }
    let parts: BTreeSet<&str> = lines.iter().filter_map(|(id, _)| id.get(..1)).collect();
    for (name, place) in tests {
        let Some(id) = id_of(name).filter(|id| parts.contains(&id[..1])) else { continue };
        match tested.get_mut(id.as_str()) {
            Some(has) => *has = true,
            None => faults.push(format!("{place}: `{name}` is the test of {id}, which {DOCUMENT} does not have")),
        }
    }
    let untested = lines.iter().filter(|(id, _)| tested.get(id.as_str()) == Some(&false));
    faults.extend(untested.map(|(id, words)| format!("{id} has no test `{}_…`: {words}", id.to_ascii_lowercase())));
    faults
}

/// The lines of the document: their ids, and how they begin.
fn lines(document: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (id, words) = line.strip_prefix(BEGIN)?.split_once("**")?;
        let words: String = words.trim().chars().take(SHOWN).collect();
        Some((id.to_owned(), format!("{words}…")))
    };
    document.lines().filter_map(line).collect()
}

/// The id that a test names: `B6` for `b6_…`.
fn id_of(test: &str) -> Option<String> {
    let (id, _) = test.split_once('_')?;
    let (letter, number) = id.split_at_checked(1)?;
    let is_id = letter.starts_with(|c: char| c.is_ascii_lowercase())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| id.to_ascii_uppercase())
}

/// The names of the tests in a source: functions under `#[test]` or `#[tokio::test]`.
fn tests_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if ATTRIBUTES.iter().any(|attribute| line.starts_with(attribute)) {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ")
            && !line.starts_with("//")
            && !line.starts_with("#[")
            && std::mem::take(&mut is_test)
        {
            names.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
        }
    }
    names
}

const DOCUMENT: &str = "docs/protocol.md";
const BEGIN: &str = "- **";
const ATTRIBUTES: [&str; 3] = ["#[test]", "#[tokio::test]", "#[tokio::test("];
/// How much of a line without a test is shown.
const SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# Title\n- **A1** One message a line.\n- a point\n- **A12** Another.\n- **B3** A third.\n";

    fn found(names: &[&str]) -> Vec<String> {
        let tests: Vec<_> = names.iter().map(|name| ((*name).to_owned(), "it.rs".to_owned())).collect();
        faults(&lines(DOCUMENT), &tests)
    }

    #[test]
    fn tests_are_those_with_the_attribute() {
        let source = "
            #[test]
            fn a1_plain() {}
            // #[test]
            fn a2_no_test() {}
            #[cfg(unix)]
            #[tokio::test(start_paused = true)]
            #[expect(clippy::x, reason = \"fn x(\")]
            // A word on the fn below.
            pub(crate) async fn a3_later() {
                fn a4_inner() {}
            }
        ";
        assert_eq!(tests_in(source), ["a1_plain", "a3_later"]);
    }

    #[test]
    fn each_line_wants_a_test_of_exactly_its_id() {
        assert_eq!(found(&["a1_x", "a12_x", "a12_y", "b3_x", "other", "x_1", "h2_x"]), [""; 0]);
        let faults = found(&["a1_x", "a12_x", "b31_x", "ab3_x", "b3x"]);
        assert_eq!(
            faults,
            [
                "it.rs: `b31_x` is the test of B31, which docs/protocol.md does not have",
                "B3 has no test `b3_…`: A third.…"
            ]
        );
    }

    #[test]
    fn a_line_that_stands_twice_and_a_document_without_lines_are_faults() {
        let twice = format!("{DOCUMENT}- **A1** Again.\n");
        let tests = ["a1_x", "a12_x", "b3_x"].map(|name| (name.to_owned(), String::new()));
        assert_eq!(faults(&lines(&twice), &tests), ["A1 stands twice in docs/protocol.md"]);
        assert_eq!(faults(&lines("* A1 One\n"), &tests).len(), 1);
    }
}

//! What a change of a text looks like, without any of the text that was there before and is nobody's business.

use mcp_mtls_core::error;

/// The lines that went and came. Of a line of which only a part changed, that part.
pub(super) fn lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut lines = Vec::new();
    for at in 0..old.len().max(new.len()) {
        match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                let [gone, come] = parts(old, new);
                lines.extend(gone.map(|gone| format!("- {}", printable(&gone))));
                lines.extend(come.map(|come| format!("+ {}", printable(&come))));
            }
            (Some(old), None) => lines.push(format!("- {}", printable(old))),
            (None, Some(new)) => lines.push(format!("+ {}", printable(new))),
            (None, None) => {}
        }
    }
    lines
}

fn printable(line: &str) -> String {
    error::printable(&line.replace('\t', "    "))
}

/// What of a line went, and what came in its place.
fn parts(old: &str, new: &str) -> [Option<String>; 2] {
    let same = |(old, new): &(char, char)| old == new;
    let head: usize = old.chars().zip(new.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let rest = (&old[head..], &new[head..]);
    let tail: usize = rest.0.chars().rev().zip(rest.1.chars().rev()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    // Where text was replaced by text, that is a value of ours, which reads better as a whole.
    let replaced = tail < rest.0.len() && tail < rest.1.len();
    let within = |c: char| !c.is_whitespace() && !"\"',:=[]{}".contains(c);
    let (head, tail) = if replaced {
        let (start, end) = (old[..head].trim_end_matches(within).len(), &old[old.len() - tail..]);
        (start, end.trim_start_matches(within).len())
    } else {
        (head, tail)
    };
    let shown = |line: &str| {
        let changed = &line[head..line.len() - tail];
        if changed.is_empty() {
            return None;
        }
        // The indentation tells where it is.
        let (before, blank) = match line[..head].trim_start() {
            "" => ("", &line[..head]),
            _ => ("…", ""),
        };
        Some(format!("{blank}{before}{changed}{}", if tail > 0 { "…" } else { "" }))
    };
    [shown(old), shown(new)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let before = "{\n  \"other\": { \"token\": \"hunter2\" } // hunter3\n}\n";
        let after =
            "{\n  \"other\": { \"token\": \"hunter2\" }, // hunter3\n  \"corp\": {\n    \"command\": \"x\"\n  }\n}\n";
        assert_eq!(lines(before, after), ["+ …,…", "+   \"corp\": {", "+     \"command\": \"x\"", "+   }"]);
        let before = r#"{"mcp":{"other":{"token":"hunter2"}}}"#;
        let after = r#"{"mcp":{"other":{"token":"hunter2"},"corp":{"command":"x"}}}"#;
        assert_eq!(lines(before, after), [r#"+ …,"corp":{"command":"x"}…"#]);
        assert_eq!(lines("  a: one\n  b: two\n", "  a: one\n  b: too\n"), ["- …two", "+ …too"]);
        let [before, after] = ["old", "new"].map(|word| format!(r#"{{"t":"hunter2","args":["a","/{word}/b"]}}"#));
        assert_eq!(lines(&before, &after), ["- …/old/b…", "+ …/new/b…"]);
        assert_eq!(lines("", "a: 1\n"), ["+ a: 1"]);
        assert_eq!(lines("x\n", "x\n"), [""; 0]);
    }
}

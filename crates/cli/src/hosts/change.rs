//! What a change of a text looks like, without any of the text that was there before and is nobody's business.

use std::collections::HashMap;

use mcp_mtls_core::config::Value;
use mcp_mtls_core::error::{Code, Failure, Result, printable};

use crate::edit::Format;

/// The lines of this value, as they are written where nothing else is. Of the keys to it, so many are there already.
pub(super) fn come(format: Format, path: &[&str], there: usize, value: &Value) -> Result<Vec<String>> {
    let text = alone(format, path, value)?;
    // The braces around a file are no change.
    let inner = text.trim_end().strip_prefix("{\n").and_then(|text| text.strip_suffix("\n}"));
    let lines = inner.map_or_else(
        || text.lines().map(printable).collect(),
        |inner| inner.lines().map(|line| printable(line.strip_prefix("  ").unwrap_or(line))).collect::<Vec<_>>(),
    );
    // Where each key has a line, and a brace at the end; tables have all of them in one.
    let (open, close) = match format {
        Format::Jsonc => (there, there),
        Format::Yaml => (there, 0),
        Format::Toml => (0, 0),
    };
    let new = open..lines.len().saturating_sub(close);
    let told = |(at, line)| format!("{} {line}", if new.contains(&at) { '+' } else { ' ' });
    Ok(lines.into_iter().enumerate().map(told).collect())
}

/// How many lines are not what they were, if there are any.
pub(super) fn gone(before: &str, after: &str) -> Option<String> {
    let mut left: HashMap<&str, usize> = HashMap::new();
    after.lines().for_each(|line| *left.entry(line).or_default() += 1);
    let mut stays = |line: &str| left.get_mut(line).filter(|left| **left > 0).map(|left| *left -= 1).is_some();
    match before.lines().filter(|line| !stays(line)).count() {
        0 => None,
        count => Some(format!("- ({})", lines(count))),
    }
}

pub(super) fn lines(count: usize) -> String {
    counted(count, "line")
}

pub(super) fn comments(count: usize) -> String {
    counted(count, "comment")
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A text with nothing but this value.
pub(super) fn alone(format: Format, path: &[&str], value: &Value) -> Result<String> {
    let strange = |_| Failure::new(Code::SystemFailed, "The entry cannot be put into words");
    let mut document = format.parse("").map_err(strange)?;
    document.set(path, value).map_err(strange)?;
    Ok(document.text().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_shown() {
        let value = Value::Map(vec![("command".to_owned(), Value::text("x"))]);
        for (format, lines) in [
            (Format::Jsonc, &["+ \"m\": {", "+   \"corp\": {", "+     \"command\": \"x\"", "+   }", "+ }"][..]),
            (Format::Toml, &["+ [m.corp]", "+ command = \"x\""]),
            (Format::Yaml, &["+ m:", "+   corp:", "+     command: x"]),
        ] {
            assert_eq!(come(format, &["m", "corp"], 0, &value).unwrap(), lines, "{format:?}");
        }
        let there = come(Format::Jsonc, &["m", "corp"], 1, &value).unwrap();
        assert_eq!(there, ["  \"m\": {", "+   \"corp\": {", "+     \"command\": \"x\"", "+   }", "  }"]);
        assert_eq!(come(Format::Yaml, &["m", "corp"], 1, &value).unwrap(), ["  m:", "+   corp:", "+     command: x"]);
        assert_eq!(gone("a\nb\nb\nc\n", "b\nc\nd\n").as_deref(), Some("- (2 lines)"));
        assert_eq!(gone("a b", "a c").as_deref(), Some("- (1 line)"));
        assert_eq!(gone("a\nb\n", "a\nx\nb\n"), None);
    }
}

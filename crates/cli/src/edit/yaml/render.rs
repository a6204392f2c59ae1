//! How values are written.

use mcp_mtls_core::config::Value;

use super::tree::{Kind, Node};
use crate::edit::{lines, quoted};

/// How a file is written.
pub(super) struct Style {
    pub(super) newline: &'static str,
    /// One step of indentation.
    pub(super) unit: usize,
    /// How far the items of a list are behind its key.
    list: usize,
}

impl Style {
    pub(super) fn of(text: &str, root: &Node) -> Self {
        let (mut unit, mut list) = (None, None);
        steps(text, root, &mut unit, &mut list);
        let unit = unit.unwrap_or(2);
        Self { newline: lines::newline(text), unit, list: list.unwrap_or(unit) }
    }

    /// A key and its value, each line behind a line break; the key is behind so many blanks.
    pub(super) fn entry(&self, name: &str, value: &Value, column: usize) -> String {
        format!("{}{}{}:{}", self.newline, " ".repeat(column), scalar(name), self.value(value, column))
    }

    /// A value behind the colon of its key, which is behind so many blanks.
    pub(super) fn value(&self, value: &Value, column: usize) -> String {
        match value {
            Value::Map(keys) if !keys.is_empty() => {
                keys.iter().map(|(key, value)| self.entry(key, value, column + self.unit)).collect()
            }
            Value::List(values) if !values.is_empty() => {
                values.iter().map(|value| self.item(value, column + self.list)).collect()
            }
            _ => format!(" {}", inline(value)),
        }
    }

    fn item(&self, value: &Value, column: usize) -> String {
        let start = format!("{}{}", self.newline, " ".repeat(column));
        match value {
            Value::Map(keys) if !keys.is_empty() => {
                let keys: String = keys.iter().map(|(key, value)| self.entry(key, value, column + 2)).collect();
                // The first key is on the line of the dash.
                format!("{start}- {}", keys[start.len() + 2..].to_owned())
            }
            _ => format!("{start}- {}", inline(value)),
        }
    }
}

/// Finds the first step of indentation to a map in a map, and to a list in a map.
fn steps(text: &str, node: &Node, unit: &mut Option<usize>, list: &mut Option<usize>) {
    let column = |node: &Node| node.start - lines::start(text, node.start);
    match &node.kind {
        Kind::Map { flow: false, entries } => {
            for entry in entries {
                let step = column(&entry.value).checked_sub(column(node));
                match &entry.value.kind {
                    Kind::Map { flow: false, .. } if unit.is_none() => *unit = step.filter(|step| *step > 0),
                    Kind::List { flow: false, .. } if list.is_none() => *list = step,
                    _ => {}
                }
                steps(text, &entry.value, unit, list);
            }
        }
        Kind::List { flow: false, items } => items.iter().for_each(|item| steps(text, item, unit, list)),
        _ => {}
    }
}

/// Whether a value is written on the line of its key.
pub(super) fn is_inline(value: &Value) -> bool {
    match value {
        Value::Map(keys) => keys.is_empty(),
        Value::List(values) => values.is_empty(),
        _ => true,
    }
}

/// `key: value`
pub(super) fn pair(key: &str, value: &Value) -> String {
    format!("{}: {}", scalar(key), inline(value))
}

/// A value on one line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(text) => scalar(text.expose()),
        Value::List(values) => format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(keys) => {
            let pairs: Vec<_> = keys.iter().map(|(key, value)| pair(key, value)).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        // A kind of value that came later has no form here.
        _ => "null".to_owned(),
    }
}

/// A text, in quotes where any reader of YAML 1.1 or 1.2 may take it for anything else.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+' | '@' | '%'))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if plain { text.to_owned() } else { quoted(text) }
}

const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

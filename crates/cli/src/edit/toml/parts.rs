//! Where the keys of a file stand.

use std::ops::Range;

use toml_edit::{Item, Table, Value};

use crate::edit::lines;

/// A header of a table, or a key with its value, outside of tables that are written on one line.
pub(super) struct Part {
    /// All keys to it. Those of the elements of an array are those of the array.
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[table]`
    Table,
    /// `[[element]]`
    Element,
    /// `key = value`
    Pair,
}

impl Part {
    pub(super) fn is_in(&self, path: &[&str]) -> bool {
        self.path.len() >= path.len() && path.iter().zip(&self.path).all(|(key, own)| key == own)
    }
}

/// All parts of a file, in their order.
pub(super) struct Parts {
    pub(super) all: Vec<Part>,
}

impl Parts {
    pub(super) fn of(text: &str, root: &Table) -> Self {
        let mut parts = Self { all: Vec::new() };
        parts.collect(root, &[]);
        // The key that the parser tells is the last of several names, which all are on one line.
        for part in parts.all.iter_mut().filter(|part| part.kind == Kind::Pair) {
            part.start = lines::start(text, part.start) + lines::indent(text, part.start).len();
        }
        parts.all.sort_by_key(|part| part.start);
        parts
    }

    fn collect(&mut self, table: &Table, path: &[String]) {
        for (name, item) in table {
            let path: Vec<_> = path.iter().cloned().chain([name.to_owned()]).collect();
            match item {
                Item::Value(value) => {
                    if let (Some(key), Some(value)) = (table.key(name).and_then(toml_edit::Key::span), value.span()) {
                        self.all.push(Part { path, kind: Kind::Pair, start: key.start, end: value.end });
                    }
                }
                Item::Table(table) => {
                    if !table.is_implicit() {
                        self.header(table, &path, Kind::Table);
                    }
                    self.collect(table, &path);
                }
                Item::ArrayOfTables(tables) => {
                    for table in tables {
                        self.header(table, &path, Kind::Element);
                        self.collect(table, &path);
                    }
                }
                Item::None => {}
            }
        }
    }

    fn header(&mut self, table: &Table, path: &[String], kind: Kind) {
        if let Some(span) = table.span() {
            self.all.push(Part { path: path.to_owned(), kind, start: span.start, end: span.end });
        }
    }

    /// The last part in the map of this path.
    pub(super) fn last_in(&self, path: &[&str]) -> Option<usize> {
        self.all.iter().rposition(|part| part.is_in(path))
    }

    /// The keys of the header that a part stands under, or is.
    pub(super) fn header_of(&self, at: usize) -> &[String] {
        self.all[..=at].iter().rfind(|part| part.kind != Kind::Pair).map_or(&[], |part| &part.path)
    }

    /// The last pair under the header with this path, or that header.
    pub(super) fn last_pair_of(&self, path: &[&str]) -> Option<usize> {
        let from = match path {
            [] => 0,
            _ => self.all.iter().position(|part| part.kind == Kind::Table && part.path == path)? + 1,
        };
        let pairs = self.all[from..].iter().take_while(|part| part.kind == Kind::Pair).count();
        (from + pairs).checked_sub(1)
    }

    /// The parts in the map of this path, by neighbourhood.
    pub(super) fn runs(&self, path: &[&str]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (at, _) in self.all.iter().enumerate().filter(|(_, part)| part.is_in(path)) {
            match runs.last_mut() {
                Some(run) if run.end == at => run.end += 1,
                _ => runs.push(at..at + 1),
            }
        }
        runs
    }
}

/// The same value for comparison.
pub(super) fn json(item: &Item) -> serde_json::Value {
    match item {
        Item::None => serde_json::Value::Null,
        Item::Value(value) => json_of_value(value),
        Item::Table(table) => table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect(),
        Item::ArrayOfTables(tables) => {
            let table = |table: &Table| table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect();
            tables.iter().map(table).collect::<Vec<serde_json::Value>>().into()
        }
    }
}

fn json_of_value(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => {
            let number = *number.value();
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Into::into)
        }
        Value::Boolean(value) => (*value.value()).into(),
        Value::Datetime(date) => date.value().to_string().into(),
        Value::Array(values) => values.iter().map(json_of_value).collect(),
        Value::InlineTable(table) => table.iter().map(|(key, value)| (key.to_owned(), json_of_value(value))).collect(),
    }
}

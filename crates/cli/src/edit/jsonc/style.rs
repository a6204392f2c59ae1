//! How a file is written, so that what is added looks like the rest.

use jsonc_parser::ast::Object;
use jsonc_parser::common::Ranged;
use mcp_mtls_core::config::Value;

use super::space;

/// How a file is written.
pub(super) struct Style {
    pub(super) newline: &'static str,
    /// One step of indentation.
    pub(super) unit: String,
    /// Whether it has no line breaks between values.
    pub(super) one_line: bool,
    /// What stands between values on a line.
    pub(super) gap: &'static str,
}

impl Style {
    /// The style of a text with this object in it.
    pub(super) fn of(text: &str, root: Option<&Object<'_>>) -> Self {
        let newline = match text.find('\n') {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        let mut first = root.into_iter().flat_map(|root| &root.properties).map(Ranged::start);
        let unit = first.find(|start| space::begins_line(text, *start)).map(|start| space::indent(text, start));
        let unit = unit.filter(|unit| !unit.is_empty()).unwrap_or_else(|| "  ".to_owned());
        let content = text.trim();
        let one_line = content.len() > 2 && !content.contains('\n');
        let gap = if one_line && !content.contains(": ") && !content.contains(", ") { "" } else { " " };
        Self { newline, unit, one_line, gap }
    }

    /// What stands between the properties of an object that is written on one line; none if each has its own.
    pub(super) fn compact_in(&self, object: &Object<'_>, text: &str) -> Option<&'static str> {
        let last = object.properties.last()?;
        (!space::begins_line(text, last.start())).then_some(self.gap)
    }

    /// A key and its value. With `compact`, on one line, with that between its parts.
    pub(super) fn property(&self, key: &str, value: &Value, indent: &str, compact: Option<&str>) -> String {
        format!("{}:{}{}", quoted(key), compact.unwrap_or(" "), self.render(value, indent, compact))
    }

    /// A value; its further lines are behind `indent`.
    pub(super) fn render(&self, value: &Value, indent: &str, compact: Option<&str>) -> String {
        match value {
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Text(text) => quoted(text.expose()),
            Value::List(values) => {
                let values: Vec<_> = values.iter().map(|value| self.render(value, indent, compact)).collect();
                format!("[{}]", values.join(if compact == Some("") { "," } else { ", " }))
            }
            Value::Map(keys) if keys.is_empty() => "{}".to_owned(),
            Value::Map(keys) => {
                if let Some(gap) = compact {
                    let keys: Vec<_> = keys.iter().map(|(key, value)| self.property(key, value, "", compact)).collect();
                    format!("{{{gap}{}{gap}}}", keys.join(&format!(",{gap}")))
                } else {
                    let inner = format!("{indent}{}", self.unit);
                    let keys = keys.iter().map(|(key, value)| {
                        format!("{}{inner}{}", self.newline, self.property(key, value, &inner, None))
                    });
                    format!("{{{}{}{indent}}}", keys.collect::<Vec<_>>().join(","), self.newline)
                }
            }
            // A kind of value that came later has no form here.
            _ => "null".to_owned(),
        }
    }
}

/// The same value for comparison: the order of keys has no meaning.
pub(crate) fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(value) => (*value).into(),
        Value::Text(text) => text.expose().into(),
        Value::List(values) => values.iter().map(plain).collect(),
        Value::Map(keys) => {
            serde_json::Value::Object(keys.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
        _ => serde_json::Value::Null,
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

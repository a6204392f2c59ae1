//! How values are written.

use mcp_mtls_core::config::Value;

use crate::edit::{lines, quoted};

/// How a file is written.
pub(super) struct Style {
    pub(super) newline: &'static str,
    /// What stands between tables.
    pub(super) gap: String,
}

impl Style {
    pub(super) fn of(text: &str) -> Self {
        let newline = lines::newline(text);
        Self { newline, gap: newline.repeat(2) }
    }

    /// A table with its header. One that holds nothing but tables needs none.
    pub(super) fn table(&self, path: &[&str], keys: &[(String, Value)]) -> String {
        let body = self.body(path, keys);
        let is_map = |value: &Value| matches!(value, Value::Map(_));
        if !keys.is_empty() && keys.iter().all(|(_, value)| is_map(value)) {
            return body[self.gap.len()..].to_owned();
        }
        format!("[{}]{body}", key(path))
    }

    /// What stands behind the header of a table.
    pub(super) fn body(&self, path: &[&str], keys: &[(String, Value)]) -> String {
        let (mut pairs, mut tables) = (String::new(), String::new());
        for (name, value) in keys {
            if let Value::Map(keys) = value {
                let path: Vec<_> = path.iter().copied().chain([name.as_str()]).collect();
                tables.push_str(&self.gap);
                tables.push_str(&self.table(&path, keys));
            } else {
                pairs.push_str(self.newline);
                pairs.push_str(&pair(&[name], value));
            }
        }
        pairs + &tables
    }
}

/// `key = value`
pub(super) fn pair(path: &[&str], value: &Value) -> String {
    format!("{} = {}", key(path), inline(value))
}

/// A value on one line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(text) => quoted(text.expose()),
        Value::List(values) => format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(keys) if keys.is_empty() => "{}".to_owned(),
        Value::Map(keys) => {
            let pairs: Vec<_> = keys.iter().map(|(key, value)| pair(&[key], value)).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        // A kind of value that came later has no form here, and what has none is no TOML.
        _ => String::new(),
    }
}

fn key(path: &[&str]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let one = |key: &&str| if !key.is_empty() && key.chars().all(bare) { (*key).to_owned() } else { quoted(key) };
    path.iter().map(one).collect::<Vec<_>>().join(".")
}

//! Tables on one line: `{ key = value }`.

use mcp_mtls_core::config::Value;
use toml_edit::{InlineTable, Item, Value as Parsed};

use super::{lines, render};
use crate::edit::{Splice, Trouble, nested};

/// The table on one line that the value at a path of keys stands in, and the keys within.
pub(super) fn within<'a, 'p>(root: &'a Item, path: &'p [&'p str]) -> Option<(&'a InlineTable, &'p [&'p str])> {
    let mut item = root;
    for (depth, key) in path.iter().enumerate() {
        if let Item::Value(Parsed::InlineTable(table)) = item {
            return Some((table, &path[depth..]));
        }
        item = item.as_table()?.get(key)?;
    }
    None
}

/// Sets the value at a path of keys: those to this table, and those within.
pub(super) fn set(
    text: &str,
    table: &InlineTable,
    (way, path): (&[&str], &[&str]),
    value: &Value,
) -> Result<Vec<Splice>, Trouble> {
    let (mut table, mut way, mut path) = (table, way.to_owned(), path);
    loop {
        let (key, rest) = path.split_first().ok_or(Trouble::Strange)?;
        way.push(key);
        match table.get(key) {
            None => return inserted(text, table, &render::pair(&[key], &nested(rest, value))),
            Some(there) if rest.is_empty() && !is_dotted(there) => {
                return Ok(vec![(there.span().ok_or(Trouble::Strange)?, render::inline(value))]);
            }
            Some(Parsed::InlineTable(next)) => table = next,
            Some(there) => {
                let line = lines::number(text, there.span().map_or(0, |span| span.start));
                return Err(Trouble::NoMap { line, path: way.join(".") });
            }
        }
        path = rest;
    }
}

fn inserted(text: &str, table: &InlineTable, pair: &str) -> Result<Vec<Splice>, Trouble> {
    // The text of `a.b = 1, a.c = 2` has no place that is `a` alone.
    if table.is_dotted() {
        return Err(Trouble::Strange);
    }
    let last = table.get_values().iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max();
    if let Some(last) = last {
        return Ok(vec![(last..last, format!(", {pair}"))]);
    }
    let span = table.span().ok_or(Trouble::Strange)?;
    let inner = span.start + 1..span.end - 1;
    if text[inner.clone()].trim().is_empty() {
        return Ok(vec![(inner, format!(" {pair} "))]);
    }
    Ok(vec![(inner.start..inner.start, format!(" {pair}"))])
}

/// What has to go with the value at this path of keys within the table.
pub(super) fn removed(text: &str, table: &InlineTable, path: &[&str]) -> Result<Splice, Trouble> {
    let (last, way) = path.split_last().ok_or(Trouble::Strange)?;
    let table = way.iter().try_fold(table, |table, key| table.get(key)?.as_inline_table()).ok_or(Trouble::Strange)?;
    let (key, value) = table.get_key_value(last).ok_or(Trouble::Strange)?;
    if table.is_dotted() || value.as_value().is_none_or(is_dotted) {
        return Err(Trouble::Strange);
    }
    let (Some(key), Some(value), Some(span)) = (key.span(), value.span(), table.span()) else {
        return Err(Trouble::Strange);
    };
    // A comment between values, which only readers of newer TOML know, may be about any of them.
    let has_comment = |from: usize, to: usize| text[from..to].contains('#');
    let others: Vec<_> = table.get_values().iter().filter_map(|(_, value)| value.span()).collect();
    if let Some(before) = others.iter().filter(|other| other.end <= key.start).map(|other| other.end).max() {
        let range = (before..value.end, String::new());
        return if has_comment(before, key.start) { Err(Trouble::Strange) } else { Ok(range) };
    }
    let rest = &text[value.end..span.end];
    let comma = rest.trim_start().strip_prefix(',').map(|rest| rest.trim_start_matches([' ', '\t']));
    match comma {
        Some(rest) if others.len() > 1 => Ok((key.start..span.end - rest.len(), String::new())),
        _ if has_comment(span.start, key.start) || has_comment(value.end, span.end) => Err(Trouble::Strange),
        _ => Ok((span.start + 1..span.end - 1, String::new())),
    }
}

fn is_dotted(value: &Parsed) -> bool {
    value.as_inline_table().is_some_and(InlineTable::is_dotted)
}

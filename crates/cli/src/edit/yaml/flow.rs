//! Maps in braces: `{key: value}`.

use mcp_mtls_core::config::Value;

use super::render;
use super::tree::{Entry, Kind, Node};
use crate::edit::{Splice, Trouble};

/// The first entry of a map.
pub(super) fn filled(text: &str, map: &Node, key: &str, value: &Value) -> Result<Splice, Trouble> {
    if !matches!(map.kind, Kind::Map { flow: true, .. }) || text[map.start..map.end].contains('#') {
        return Err(Trouble::Strange);
    }
    Ok((map.start..map.end, format!("{{{}}}", render::pair(key, value))))
}

/// An entry behind the last of its map.
pub(super) fn inserted(text: &str, map: &Node, last: &Entry, pair: &str) -> Result<Splice, Trouble> {
    let end = end(text, last);
    // Some readers take `a:,` for a key with a colon in it, or do not get over a tab.
    if last.colon == Some(end) || text[map.start..map.end].contains('\t') {
        return Err(Trouble::Strange);
    }
    Ok((end..end, format!(", {pair}")))
}

/// Where an entry ends; with the blanks behind a colon without a value.
fn end(text: &str, entry: &Entry) -> usize {
    let end = entry.value.end.max(entry.key.end);
    let blanks = text[end..].len() - text[end..].trim_start_matches(' ').len();
    if entry.colon == Some(end) { end + blanks } else { end }
}

/// Another value for an entry.
pub(super) fn replaced(text: &str, entry: &Entry, value: &Value) -> Result<Splice, Trouble> {
    let old = &entry.value;
    let value = render::inline(value);
    Ok(match entry.colon {
        _ if old.start < old.end => {
            if old.is_empty() && text[old.start..old.end].contains('#') {
                return Err(Trouble::Strange);
            }
            (old.start..old.end, value)
        }
        Some(colon) => (colon..colon, format!(" {value}")),
        None => (entry.key.end..entry.key.end, format!(": {value}")),
    })
}

/// What has to go with an entry of the map.
pub(super) fn removed(text: &str, map: &Node, entry: &Entry) -> Result<Splice, Trouble> {
    let Kind::Map { entries, .. } = &map.kind else { return Err(Trouble::Strange) };
    let at = entries.iter().position(|other| std::ptr::eq(other, entry)).ok_or(Trouble::Strange)?;
    let end = |entry: &Entry| end(text, entry);
    let before = at.checked_sub(1).map(|before| &entries[before]);
    let next = entries.get(at + 1);
    // A comment between entries may be about any of them, and a mark of what follows must not go with this.
    let gap = |from: usize, to: usize| {
        if text[from..to].contains(['#', '&', '!', '?']) { Err(Trouble::Strange) } else { Ok(()) }
    };
    let range = match (before, next) {
        (Some(before), _) => {
            gap(end(before), entry.key.start)?;
            end(before)..end(entry)
        }
        (None, Some(next)) => {
            gap(map.start, entry.key.start)?;
            gap(end(entry), next.key.start)?;
            entry.key.start..next.key.start
        }
        (None, None) => {
            gap(map.start, entry.key.start)?;
            gap(end(entry), map.end)?;
            map.start + 1..map.end - 1
        }
    };
    Ok((range, String::new()))
}

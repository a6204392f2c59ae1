//! YAML: set a value at a path of keys, or remove it.
//!
//! As with JSON, a change is a handful of replaced ranges, and its result is parsed and compared with what was asked
//! for. What others may refer to (anchors), maps that take keys from others, and values with a tag are not touched.

mod flow;
mod render;
mod tree;

use std::ops::Range;

use mcp_mtls_core::config::Value;
use zeroize::Zeroizing;

use super::{Removal, Splice, Syntax, Trouble, body, lines, nested};
use render::Style;
use tree::{Entry, Kind, Node, Tree};

/// A file of YAML.
pub(crate) struct Yaml {
    text: Zeroizing<String>,
}

impl Yaml {
    /// Reads a text; one with nothing in it is an empty map.
    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        let document = Self { text: Zeroizing::new(text.to_owned()) };
        let tree = Tree::read(body(&document.text))?;
        match tree.root.kind {
            Kind::Map { .. } => Ok(document),
            _ if tree.root.is_empty() => Ok(document),
            _ => Err(no_map(body(&document.text), &tree.root, &[])),
        }
    }
}

impl Syntax for Yaml {
    fn whole(&self) -> &str {
        &self.text
    }

    fn replace_whole(&mut self, text: Zeroizing<String>) {
        self.text = text;
    }

    fn values(body: &str) -> Result<serde_json::Value, Trouble> {
        values(body)
    }

    fn comments(body: &str, range: Range<usize>) -> Vec<String> {
        lines::comments(body.get(range).unwrap_or_default())
    }

    fn to_set(&self, path: &[&str], value: &Value) -> Result<Vec<Splice>, Trouble> {
        Change::of(body(&self.text))?.set(path, value)
    }

    // What holds for comments in JSON holds here. Those below that are further to the right go, too.
    fn to_remove(&self, path: &[&str]) -> Result<Removal, Trouble> {
        Ok(Removal { splices: Change::of(body(&self.text))?.remove(path)?, keys: path.len() })
    }
}

/// What is needed to find out which ranges of a text change.
struct Change<'a> {
    text: &'a str,
    tree: Tree,
    style: Style,
}

impl<'a> Change<'a> {
    fn of(text: &'a str) -> Result<Self, Trouble> {
        let tree = Tree::read(text)?;
        let style = Style::of(text, &tree.root);
        Ok(Self { text, tree, style })
    }

    fn set(&self, path: &[&str], value: &Value) -> Result<Vec<Splice>, Trouble> {
        let mut map = &self.tree.root;
        // The entry whose value the map is, and the map that holds it.
        let mut owner: Option<(&Node, &Entry)> = None;
        for (depth, key) in path.iter().enumerate() {
            if map.is_empty() {
                let value = nested(&path[depth..], value);
                return match (owner, value) {
                    (Some((map, entry)), value) => self.replaced(map, entry, &value),
                    (None, Value::Map(keys)) if keys.len() == 1 => self.first(&keys[0].0, &keys[0].1),
                    (None, _) => Err(Trouble::Strange),
                };
            }
            let Kind::Map { .. } = map.kind else { return Err(no_map(self.text, map, &path[..depth])) };
            let Some(entry) = map.entry(key)? else {
                let value = nested(&path[depth + 1..], value);
                return self.inserted(map, key, &value).map(|splice| vec![splice]);
            };
            owner = Some((map, entry));
            map = &entry.value;
        }
        let (map, entry) = owner.ok_or(Trouble::Strange)?;
        self.replaced(map, entry, value)
    }

    /// The first entry of a file.
    fn first(&self, key: &str, value: &Value) -> Result<Vec<Splice>, Trouble> {
        let root = &self.tree.root;
        if root.anchored || root.tagged {
            return Err(Trouble::Strange);
        }
        if root.start < root.end {
            return Ok(vec![flow::filled(self.text, root, key, value)?]);
        }
        let entry = self.style.entry(key, value, 0);
        Ok(vec![match lines::last_content(self.text, self.tree.end) {
            Some(end) => (end..end, format!("{}{entry}", self.gap_below_comment(end))),
            None => (0..0, format!("{}{}", &entry[self.style.newline.len()..], self.style.newline)),
        }])
    }

    /// An entry behind the last of its map.
    fn inserted(&self, map: &Node, key: &str, value: &Value) -> Result<Splice, Trouble> {
        let Kind::Map { flow, entries } = &map.kind else { return Err(Trouble::Strange) };
        let last = entries.last().ok_or(Trouble::Strange)?;
        if *flow {
            return flow::inserted(self.text, map, last, &render::pair(key, value));
        }
        let column = self.column(map)?;
        let is_root = std::ptr::eq(map, &raw const self.tree.root);
        let mut end = self.end_of_entry(last, column);
        let mut gap = "";
        if is_root {
            // Behind the comments at the end of the file.
            end = end.max(lines::last_content(self.text, self.tree.end).unwrap_or(end));
            gap = self.gap_below_comment(end);
        }
        let has_gaps = || entries.windows(2).all(|pair| self.has_blank_between(&pair[0], &pair[1]));
        if entries.len() > 1 && has_gaps() {
            gap = self.style.newline;
        }
        if last.value.keeps_blank() {
            gap = "";
        }
        Ok((end..end, format!("{gap}{}", self.style.entry(key, value, column))))
    }

    /// What makes an entry at the top of a file none that the comment above it is about.
    fn gap_below_comment(&self, end: usize) -> &'static str {
        let line = &self.text[lines::start(self.text, end)..end];
        if lines::comment(line).is_some() { self.style.newline } else { "" }
    }

    fn has_blank_between(&self, before: &Entry, entry: &Entry) -> bool {
        let floor = lines::end(self.text, before.value.end);
        let start = lines::comments_above(self.text, floor, entry.key.start, |_| false);
        let end = lines::last_content(self.text, start).unwrap_or_default().max(floor);
        self.text.get(end..start).is_some_and(|between| between.matches('\n').count() > 1)
    }

    /// How many blanks are before the keys of a map.
    fn column(&self, map: &Node) -> Result<usize, Trouble> {
        let before = &self.text[lines::start(self.text, map.start)..map.start];
        if before.bytes().all(|byte| byte == b' ') { Ok(before.len()) } else { Err(Trouble::Strange) }
    }

    /// Where an entry of a map at this column ends, with the comments below that are in it.
    fn end_of_entry(&self, entry: &Entry, column: usize) -> usize {
        self.comments_within(lines::end(self.text, entry.value.end.max(entry.key.end)), column)
    }

    fn comments_within(&self, mut end: usize, column: usize) -> usize {
        let mut at = lines::next_content(self.text, end);
        while lines::comment(&self.text[at..lines::end(self.text, at)]).is_some() {
            if lines::indent(self.text, at).len() <= column {
                break;
            }
            end = lines::end(self.text, at);
            at = lines::next_content(self.text, at);
        }
        end
    }

    /// Where the last of the empty lines behind this one ends.
    fn end_of_blank(&self, mut end: usize) -> usize {
        loop {
            let next = lines::next(self.text, end);
            let line = lines::end(self.text, next);
            if next == self.text.len() || !self.text[next..line].bytes().all(|byte| byte == b' ') {
                return end;
            }
            end = line;
        }
    }

    /// Another value for an entry.
    fn replaced(&self, map: &Node, entry: &Entry, value: &Value) -> Result<Vec<Splice>, Trouble> {
        let (text, old) = (self.text, &entry.value);
        if old.has_anchor() || old.tagged {
            return Err(Trouble::Strange);
        }
        if matches!(map.kind, Kind::Map { flow: true, .. }) {
            return flow::replaced(text, entry, value).map(|splice| vec![splice]);
        }
        let column = self.column(map)?;
        let colon = entry.colon.ok_or(Trouble::Strange)?;
        let line = lines::end(text, colon);
        let is_inline = render::is_inline(value);
        let inserted = self.style.value(value, column);
        let end = lines::end(text, old.end);
        Ok(match &old.kind {
            // Lines below the one of the key. What stands behind the colon stays.
            Kind::Map { flow: false, .. } | Kind::List { flow: false, .. } if is_inline => {
                vec![(colon..colon, inserted), (line..end, String::new())]
            }
            Kind::Map { flow: false, .. } | Kind::List { flow: false, .. } => vec![(line..end, inserted)],
            Kind::Scalar { block: Some(_), .. } => vec![(colon..old.end, inserted)],
            _ if old.start == old.end && is_inline => vec![(colon..colon, inserted)],
            _ if old.start == old.end => {
                let end = self.comments_within(line, column);
                vec![(end..end, inserted)]
            }
            Kind::Map { entries, .. } if !entries.is_empty() => vec![(old.start..old.end, render::inline(value))],
            Kind::List { items, .. } if !items.is_empty() => vec![(old.start..old.end, render::inline(value))],
            _ if is_inline => vec![(old.start..old.end, render::inline(value))],
            Kind::Map { .. } | Kind::List { .. } if text[old.start..old.end].contains('#') => {
                return Err(Trouble::Strange);
            }
            _ => {
                let same_line = old.start < line;
                let from = if same_line { colon } else { lines::last_content(text, old.start).unwrap_or(colon) };
                // Behind the comments that stand in it already.
                let end = self.comments_within(end, column);
                vec![(from..old.end, String::new()), (end..end, inserted)]
            }
        })
    }

    /// What has to go with this path.
    fn remove(&self, path: &[&str]) -> Result<Vec<Splice>, Trouble> {
        let (last, way) = path.split_last().ok_or(Trouble::Strange)?;
        let (mut map, mut owner) = (&self.tree.root, None);
        for key in way {
            let entry = map.entry(key)?.ok_or(Trouble::Strange)?;
            owner = Some(entry);
            map = &entry.value;
        }
        let entry = map.entry(last)?.ok_or(Trouble::Strange)?;
        let Kind::Map { flow, entries } = &map.kind else { return Err(Trouble::Strange) };
        if entry.key.has_anchor() || entry.value.has_anchor() {
            return Err(Trouble::Strange);
        }
        if *flow {
            return Ok(vec![flow::removed(self.text, map, entry)?]);
        }
        let column = self.column(map)?;
        let before_key = &self.text[lines::start(self.text, entry.key.start)..entry.key.start];
        if entry.colon.is_none() || before_key != " ".repeat(column) {
            return Err(Trouble::Strange);
        }
        let at = entries.iter().position(|other| std::ptr::eq(other, entry)).ok_or(Trouble::Strange)?;
        let before = at.checked_sub(1).map(|before| &entries[before]);
        let floor = before.map(|before| self.end_of_entry(before, column));
        let start = match floor {
            None => lines::start(self.text, entry.key.start),
            Some(floor) => lines::comments_above(self.text, floor, entry.key.start, is_code),
        };
        let mut end = self.end_of_entry(entry, column);
        if before.is_some_and(|before| before.value.keeps_blank()) {
            // What is before must not get the empty lines behind.
            end = self.end_of_blank(end);
        }
        let range = match lines::last_content(self.text, start).max(floor) {
            Some(floor) => floor..end,
            None => 0..lines::next_content(self.text, end),
        };
        // A map without keys is not null.
        let emptied = owner.filter(|_| entries.len() == 1).and_then(|owner| owner.colon);
        let empty = emptied.map(|colon| (colon..colon, " {}".to_owned()));
        Ok(empty.into_iter().chain([(range, String::new())]).collect())
    }
}

fn values(text: &str) -> Result<serde_json::Value, Trouble> {
    let root = Tree::read(text)?.root;
    Ok(if root.is_empty() { serde_json::Map::new().into() } else { root.json() })
}

fn no_map(text: &str, node: &Node, path: &[&str]) -> Trouble {
    Trouble::NoMap { line: lines::number(text, node.start), path: path.join(".") }
}

/// Whether somebody has commented out a key or an item.
fn is_code(comment: &str) -> bool {
    let comment = comment.trim_start_matches(['#', ' ', '\t']);
    let key = comment.split_once(": ").map_or_else(|| comment.strip_suffix(':'), |(key, _)| Some(key));
    comment.starts_with("- ") || key.is_some_and(|key| !key.is_empty() && !key.contains(' '))
}

#[cfg(test)]
mod tests;

//! TOML: set a value at a path of keys, or remove it.
//!
//! As with JSON, a change is a handful of replaced ranges, and its result is parsed and compared with what was asked
//! for. A map becomes a table of its own below the tables of the same parent, unless these are written in another way.

mod inline;
mod parts;
mod render;

use std::ops::Range;

use mcp_mtls_core::config::Value;
use toml_edit::{Document as Parsed, Item};
use zeroize::Zeroizing;

use super::{Removal, Splice, Syntax, Trouble, lines};
use parts::{Kind, Part, Parts};
use render::Style;

/// A file of TOML.
pub(crate) struct Toml {
    text: Zeroizing<String>,
}

impl Toml {
    /// Reads a text; one with nothing in it is an empty map.
    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        let document = Self { text: Zeroizing::new(text.to_owned()) };
        parsed(document.body())?;
        Ok(document)
    }

    fn body(&self) -> &str {
        super::body(&self.text)
    }

    fn changed(&self, path: &[&str], value: &Value) -> Result<Vec<Splice>, Trouble> {
        let text = self.body();
        let document = parsed(text)?;
        let style = Style::of(text);
        let mut item = document.as_item();
        for (depth, key) in path.iter().enumerate() {
            let next = match item {
                Item::Table(table) => table.get(key),
                Item::Value(toml_edit::Value::InlineTable(table)) => {
                    return inline::set(text, table, (&path[..depth], &path[depth..]), value);
                }
                _ => return Err(no_map(text, item, &path[..depth])),
            };
            let Some(next) = next else {
                let value = super::nested(&path[depth + 1..], value);
                let change = Change { text, parts: Parts::of(text, document.as_table()), style };
                return Ok(vec![change.inserted(path, depth, &value)]);
            };
            item = next;
        }
        if let Item::Value(there) = item {
            return Ok(vec![(there.span().ok_or(Trouble::Strange)?, render::inline(value))]);
        }
        Change { text, parts: Parts::of(text, document.as_table()), style }.replaced(path, value)
    }
}

impl Syntax for Toml {
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
        self.changed(path, value)
    }

    // What holds for comments in JSON holds here. Those right below the last line of a table are in it, and go, too, unless
    // there is anything among them that was commented out.
    fn to_remove(&self, path: &[&str]) -> Result<Removal, Trouble> {
        let text = self.body();
        let document = parsed(text)?;
        if let Some((table, rest)) = inline::within(document.as_item(), path) {
            let splices = vec![inline::removed(text, table, rest)?];
            return Ok(Removal { splices, keys: path.len() });
        }
        let parts = Parts::of(text, document.as_table());
        // Maps without a header of their own are gone with the last that was in them.
        let gone = (1..path.len()).find(|depth| parts.runs(&path[..*depth]) == parts.runs(path));
        let splices = Change { text, parts, style: Style::of(text) }.removed(path);
        Ok(Removal { splices, keys: gone.unwrap_or(path.len()) })
    }
}

/// What is needed to find out which ranges of a text change.
struct Change<'a> {
    text: &'a str,
    parts: Parts,
    style: Style,
}

impl Change<'_> {
    /// A value that is not there yet; the map with this many keys of the path is.
    fn inserted(&self, path: &[&str], depth: usize, value: &Value) -> Splice {
        let (parent, key) = (&path[..depth], path[depth]);
        let last = self.parts.last_in(parent);
        let header = last.map_or(&[][..], |last| self.parts.header_of(last));
        // Its parent is a part of the keys of others, as in `parent.key = …`.
        let dotted = header.len() < parent.len();
        let indent = |part: &Part| lines::indent(self.text, part.start).to_owned();
        if let (true, Some(last)) = (dotted, last) {
            let last = &self.parts.all[last];
            let name: Vec<_> = parent[header.len()..].iter().copied().chain([key]).collect();
            let pair = format!("{}{}", indent(last), render::pair(&name, value));
            let end = lines::end(self.text, last.end);
            return (end..end, format!("{}{pair}", self.style.newline));
        }
        if let Value::Map(keys) = value {
            return self.table(last, &path[..=depth], keys);
        }
        let pair = render::pair(&[key], value);
        match self.parts.last_pair_of(parent) {
            // Behind the last pair of its parent, or right below its header.
            Some(before) => {
                let before = &self.parts.all[before];
                let end = lines::end(self.text, before.end);
                (end..end, format!("{}{}{pair}", self.style.newline, indent(before)))
            }
            None if parent.is_empty() => {
                let newline = self.style.newline;
                let gap = if self.parts.all.is_empty() { newline.to_owned() } else { newline.repeat(2) };
                (0..0, format!("{pair}{gap}"))
            }
            // There are only tables in its parent, which gets a header now.
            None => self.table(last, parent, &[(key.to_owned(), value.clone())]),
        }
    }

    /// A table below the last part of its parent.
    fn table(&self, last: Option<usize>, path: &[&str], keys: &[(String, Value)]) -> Splice {
        let table = self.style.table(path, keys);
        match last.map(|last| self.end_of_table(last)).or_else(|| lines::last_content(self.text, self.text.len())) {
            Some(end) => (end..end, format!("{}{table}", self.style.gap)),
            None => (0..0, format!("{table}{}", self.style.newline)),
        }
    }

    /// Where a table ends that ends with this part: behind the comments below it that are not about what follows.
    fn end_of_table(&self, last: usize) -> usize {
        let end = lines::end(self.text, self.parts.all[last].end);
        let Some(next) = self.parts.all.get(last + 1) else {
            return lines::last_content(self.text, self.text.len()).unwrap_or(end).max(end);
        };
        let lead = lines::comments_above(self.text, end, next.start, |_| false);
        let (mut end, _) = lines::comments_below(self.text, end);
        // What was commented out behind an empty line belongs to the table as well.
        let mut at = lines::next_content(self.text, end);
        while at < lead {
            if !lines::comment(&self.text[at..lines::end(self.text, at)]).is_some_and(is_pair) {
                break;
            }
            end = lines::end(self.text, at);
            at = lines::next_content(self.text, at);
        }
        end
    }

    /// A map that is there, in whatever way.
    fn replaced(&self, path: &[&str], value: &Value) -> Result<Vec<Splice>, Trouble> {
        let runs = self.parts.runs(path);
        let (run, others) = runs.split_first().ok_or(Trouble::Strange)?;
        let (first, last) = (&self.parts.all[run.start], &self.parts.all[run.end - 1]);
        let end = lines::end(self.text, last.end);
        let splice = match (value, first.kind) {
            (_, Kind::Pair) => {
                let header = self.parts.header_of(run.start).len();
                (first.start..last.end, render::pair(&path[header..], value))
            }
            // Its header stays, with the comment behind it.
            (Value::Map(keys), Kind::Table) if first.path == path => {
                (lines::end(self.text, first.end)..end, self.style.body(path, keys))
            }
            (Value::Map(keys), _) => (first.start..end, self.style.table(path, keys)),
            _ => return Err(Trouble::Strange),
        };
        let others = others.iter().map(|run| self.without(run, false));
        Ok([splice].into_iter().chain(others).collect())
    }

    /// What has to go with this path.
    fn removed(&self, path: &[&str]) -> Vec<Splice> {
        let parent = &path[..path.len() - 1];
        let mut splices = Vec::new();
        for run in self.parts.runs(path).into_iter().flat_map(|run| self.without_tables_of_others(run, path)) {
            // Those above the first of its parent may be about all in it.
            let follows = self.parts.all[..run.start]
                .iter()
                .any(|part| part.is_in(parent) && !(part.path == parent && part.kind == Kind::Table));
            splices.push(self.without(&run, follows));
        }
        splices
    }

    /// The pieces of a run between which somebody has commented out tables that are not in it.
    fn without_tables_of_others(&self, run: Range<usize>, path: &[&str]) -> Vec<Range<usize>> {
        let (mut pieces, mut start) = (Vec::new(), run.start);
        for (next, pair) in (run.start + 1..).zip(self.parts.all[run.clone()].windows(2)) {
            let between = lines::end(self.text, pair[0].end)..lines::start(self.text, pair[1].start);
            let mut comments = self.text.get(between).unwrap_or_default().lines().filter_map(lines::comment);
            if comments.any(|comment| header(comment).is_some_and(|parts| parts.last_in(path).is_none())) {
                pieces.push(start..next);
                start = next;
            }
        }
        pieces.push(start..run.end);
        pieces
    }

    /// Neighbouring parts, with the comments above if they go, too.
    fn without(&self, run: &Range<usize>, with_comments_above: bool) -> Splice {
        let (first, last) = (&self.parts.all[run.start], &self.parts.all[run.end - 1]);
        let start = if with_comments_above {
            let floor = run.start.checked_sub(1).map_or(0, |before| self.parts.all[before].end);
            lines::comments_above(self.text, floor, first.start, is_code)
        } else {
            lines::start(self.text, first.start)
        };
        let is_table = self.parts.all[run.clone()].iter().any(|part| part.kind != Kind::Pair);
        let (mut end, below) = lines::comments_below(self.text, last.end);
        let stay = below.iter().any(|comment| is_code(comment));
        if !is_table || stay {
            end = lines::end(self.text, last.end);
        }
        let range = match lines::last_content(self.text, start) {
            // The empty line above what stays below is kept.
            Some(_) if is_table && stay => start..lines::next(self.text, end),
            Some(before) => before..end,
            None => 0..lines::next_content(self.text, end),
        };
        (range, String::new())
    }
}

fn parsed(text: &str) -> Result<Parsed<&str>, Trouble> {
    Parsed::parse(text).map_err(|error| Trouble::Syntax {
        line: lines::number(text, error.span().map_or(0, |span| span.start.min(text.len()))),
        what: error.message().to_owned(),
    })
}

fn values(text: &str) -> Result<serde_json::Value, Trouble> {
    Ok(parts::json(parsed(text)?.as_item()))
}

fn no_map(text: &str, item: &Item, path: &[&str]) -> Trouble {
    Trouble::NoMap { line: lines::number(text, item.span().map_or(0, |span| span.start)), path: path.join(".") }
}

/// Whether somebody has commented out a part of a file, which may be one line of several.
fn is_code(comment: &str) -> bool {
    let comment = commented(comment);
    let is_key = |key: &str| !key.is_empty() && !key.contains(char::is_whitespace);
    comment.starts_with(['[', ']', '{', '}', '"', '\''])
        || comment.split_once('=').is_some_and(|(key, _)| is_key(key.trim()))
        || !comment.is_empty() && parsed(comment).is_ok()
}

fn is_pair(comment: &str) -> bool {
    is_code(comment) && !commented(comment).starts_with('[')
}

/// The header of a table that somebody has commented out.
fn header(comment: &str) -> Option<Parts> {
    let comment = commented(comment);
    let document = parsed(comment).ok().filter(|_| comment.starts_with('['))?;
    Some(Parts::of(comment, document.as_table()))
}

fn commented(comment: &str) -> &str {
    comment.trim_start_matches(['#', ' ', '\t'])
}

#[cfg(test)]
mod tests;

//! JSON with comments: set a value at a path of keys, or remove it.
//!
//! Every change is a handful of replaced ranges, found by the parser. The result is parsed again and compared with
//! what was asked for, so that no text, however it is written, can be damaged.

mod space;
mod style;

use std::borrow::Cow;
use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, Value as Ast};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use mcp_mtls_core::config::Value;
use zeroize::Zeroizing;

use super::{Removal, Splice, Syntax, Trouble, nested};
use space::Around;
use style::Style;
pub(crate) use style::plain;

/// A file of JSON with comments.
pub(crate) struct Jsonc {
    text: Zeroizing<String>,
    /// What it was before it got the braces that every change needs, until there is a change.
    without_braces: Option<Zeroizing<String>>,
}

impl Jsonc {
    /// Reads a text; one with nothing in it is an empty object.
    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        let mut document = Self { text: Zeroizing::new(text.to_owned()), without_braces: None };
        if parsed(&readable(document.body()))?.is_none() {
            let style = Style::of(document.body(), None);
            let gap = if document.body().is_empty() || text.ends_with('\n') { "" } else { style.newline };
            let braced = Zeroizing::new(format!("{text}{gap}{{}}{}", style.newline));
            document.without_braces = Some(std::mem::replace(&mut document.text, braced));
        }
        document.root(|_| Ok(()))?;
        Ok(document)
    }

    /// Whether there is no value in the text, not even an empty object.
    pub(crate) fn is_nothing(&self) -> bool {
        self.without_braces.is_some()
    }

    /// The last line of the comments that stand right above the value at this path of keys.
    pub(crate) fn comment_above(&self, path: &[&str]) -> Option<String> {
        let above = |root: &Object<'_>| {
            Ok(find(root, path)
                .and_then(|property| space::comment_above(self.body(), property.start()))
                .map(str::to_owned))
        };
        self.root(above).ok().flatten()
    }

    fn body(&self) -> &str {
        super::body(&self.text)
    }

    fn root<T>(&self, work: impl FnOnce(&Object<'_>) -> Result<T, Trouble>) -> Result<T, Trouble> {
        match parsed(&readable(self.body()))? {
            Some(Ast::Object(root)) => work(&root),
            _ => Err(Trouble::NoMap { line: 1, path: String::new() }),
        }
    }

    fn line_of(&self, property: &ObjectProp<'_>) -> usize {
        1 + self.body()[..property.start()].matches('\n').count()
    }

    /// The property of the last of these keys.
    fn property<'a, 'b>(&self, object: &'b Object<'a>, path: &[&str]) -> Result<Option<&'b ObjectProp<'a>>, Trouble> {
        let Some(key) = path.last() else { return Ok(None) };
        let mut found = object.properties.iter().filter(|property| property.name.as_str() == *key);
        match (found.next(), found.next()) {
            (_, Some(again)) => Err(Trouble::Twice { line: self.line_of(again), path: path.join(".") }),
            (found, None) => Ok(found),
        }
    }

    fn inserted(&self, object: &Object<'_>, key: &str, value: &Value, style: &Style) -> Vec<Splice> {
        let text = self.body();
        let Some(last) = object.properties.last() else { return self.filled(object, key, value, style) };
        let tail = Around::behind(text, last.end(), object.end() - 1);
        let comma = tail.comma.is_none().then(|| (last.end()..last.end(), ",".to_owned()));
        let more = if tail.comma.is_some() { "," } else { "" };
        let in_comment = space::ends_in_line_comment(text, last.end(), tail.end);
        let compact = style.compact_in(object, text).filter(|_| !in_comment);
        // On the line of the others, or on one of its own.
        let inserted = if let Some(gap) = compact {
            format!("{gap}{}{more}", style.property(key, value, "", compact))
        } else {
            let indent = space::indent(text, last.start());
            format!("{}{indent}{}{more}", style.newline, style.property(key, value, &indent, None))
        };
        comma.into_iter().chain([(tail.end..tail.end, inserted)]).collect()
    }

    /// The first property of an object.
    fn filled(&self, object: &Object<'_>, key: &str, value: &Value, style: &Style) -> Vec<Splice> {
        let text = self.body();
        let (open, close) = (object.start() + 1, object.end() - 1);
        let inner = Around::inside(text, open, close);
        if style.one_line && !inner.has_comment {
            let gap = style.gap;
            return vec![(open..close, format!("{gap}{}{gap}", style.property(key, value, "", Some(gap))))];
        }
        let outer = space::indent(text, object.start());
        let indent = format!("{outer}{}", style.unit);
        let property = style.property(key, value, &indent, None);
        let newline = style.newline;
        if inner.has_comment && text[inner.end..close].contains('\n') {
            return vec![(inner.end..inner.end, format!("{newline}{indent}{property}"))];
        }
        vec![(inner.end..close, format!("{newline}{indent}{property}{newline}{outer}"))]
    }

    /// What has to go with the property at this place.
    fn removed(&self, object: &Object<'_>, at: usize) -> Vec<Splice> {
        let text = self.body();
        let (property, next) = (&object.properties[at], object.properties.get(at + 1));
        let before = at.checked_sub(1).map(|before| &object.properties[before]);
        let tail = Around::behind(text, property.end(), next.map_or(object.end() - 1, Ranged::start));
        let floor =
            before.map_or(object.start() + 1, |before| Around::behind(text, before.end(), property.start()).end);
        let start = match before {
            Some(_) => space::comments_above(text, floor, property.start()),
            None => property.start(),
        };
        let blank = space::blank_before(text, floor, start);
        let behind = &text[tail.end..];
        let rest_of_line = behind.trim_start_matches([' ', '\t']);
        let mut range = blank..tail.end;
        let same_line = !rest_of_line.starts_with(['\n', '\r']);
        let from = before.map_or(object.start() + 1, Ranged::end);
        if same_line && before.is_none() && next.is_some() {
            // What follows takes its place.
            range = start..text.len() - rest_of_line.len();
        } else if same_line && space::ends_in_line_comment(text, from, blank) {
            // What follows must not become a part of the comment.
            range = start..tail.end;
        }
        let mut splices = Vec::new();
        if let (Some(before), None, None) = (before, next, tail.comma) {
            let comma = Around::behind(text, before.end(), property.start()).comma;
            splices.extend(comma.map(|comma| (comma..comma + 1, String::new())));
        }
        if object.properties.len() == 1 {
            let (open, close) = (object.start() + 1, object.end() - 1);
            let around = [&text[open..range.start], &text[range.end..close]];
            if around.iter().all(|text| text.trim().is_empty()) {
                range = open..close;
            }
        }
        splices.push((range, String::new()));
        splices
    }
}

impl Syntax for Jsonc {
    fn whole(&self) -> &str {
        &self.text
    }

    fn shown(&self) -> &str {
        self.without_braces.as_ref().unwrap_or(&self.text)
    }

    fn replace_whole(&mut self, text: Zeroizing<String>) {
        self.text = text;
        self.without_braces = None;
    }

    fn values(body: &str) -> Result<serde_json::Value, Trouble> {
        values(body)
    }

    fn comments(body: &str, range: Range<usize>) -> Vec<String> {
        space::comments(body, &range)
    }

    fn to_set(&self, path: &[&str], value: &Value) -> Result<Vec<Splice>, Trouble> {
        self.root(|root| {
            let style = Style::of(self.body(), Some(root));
            let mut object = root;
            for (depth, key) in path.iter().enumerate() {
                let rest = &path[depth + 1..];
                match (self.property(object, &path[..=depth])?, rest) {
                    (None, _) => {
                        return Ok(self.inserted(object, key, &nested(rest, value), &style));
                    }
                    (Some(property), []) => {
                        let indent = space::indent(self.body(), property.start());
                        let compact = style.compact_in(object, self.body());
                        let text = style.render(value, &indent, compact);
                        return Ok(vec![(property.value.start()..property.value.end(), text)]);
                    }
                    (Some(property), _) => {
                        let Ast::Object(next) = &property.value else {
                            return Err(Trouble::NoMap {
                                line: self.line_of(property),
                                path: path[..=depth].join("."),
                            });
                        };
                        object = next;
                    }
                }
            }
            Err(Trouble::Strange)
        })
    }

    // The comment behind the value on its line goes, too, and the comments right above it, but not values that were
    // commented out; those above the first of a map stay, since they may be about all of them.
    fn to_remove(&self, path: &[&str]) -> Result<Removal, Trouble> {
        self.root(|root| {
            let mut object = root;
            for depth in 1..path.len() {
                let property = self.property(object, &path[..depth])?;
                object = property.and_then(|property| property.value.as_object()).ok_or(Trouble::Strange)?;
            }
            let property = self.property(object, path)?.ok_or(Trouble::Strange)?;
            let at =
                object.properties.iter().position(|other| std::ptr::eq(other, property)).ok_or(Trouble::Strange)?;
            Ok(Removal { splices: self.removed(object, at), keys: path.len() })
        })
    }
}

fn parsed(text: &str) -> Result<Option<Ast<'_>>, Trouble> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS);
    let parsed = parsed.map_err(|error| Trouble::Syntax {
        line: error.line_display(),
        what: format!("{}, in column {}.", error.kind(), error.column_display()),
    })?;
    Ok(parsed.value)
}

fn values(text: &str) -> Result<serde_json::Value, Trouble> {
    Ok(parsed(&readable(text))?.map_or(serde_json::Value::Null, Into::into))
}

/// The same text, every byte in its place, with another character for halves of surrogate pairs. RFC 8259 allows them,
/// and programs in JavaScript write them where they have cut an emoji; the parser does not take them.
fn readable(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let (mut at, mut halves) = (0, Vec::new());
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        at += match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                halves.push(at);
                6
            }
            Some(_) => 6,
            None => 2,
        };
        at = at.min(bytes.len());
    }
    if halves.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_owned();
    for at in halves {
        text.replace_range(at..at + 6, "\\ufffd");
    }
    Cow::Owned(text)
}

fn find<'a, 'b>(root: &'b Object<'a>, path: &[&str]) -> Option<&'b ObjectProp<'a>> {
    let (last, way) = path.split_last()?;
    let object = way.iter().try_fold(root, |object, key| object.get(key)?.value.as_object())?;
    object.get(last)
}

/// As hosts and core read it: strict but for comments and trailing commas.
pub(crate) const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

#[cfg(test)]
mod tests;

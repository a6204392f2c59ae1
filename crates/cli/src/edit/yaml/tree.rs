//! The values of a file with the places where they stand.

use std::collections::HashSet;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle};
use serde_json::Value as Json;

use crate::edit::{MARK, Trouble, lines};

/// What a file holds.
pub(super) struct Tree {
    pub(super) root: Node,
    /// Where its values end: before `...`, or at the end.
    pub(super) end: usize,
}

pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether others may refer to it.
    pub(super) anchored: bool,
    pub(super) tagged: bool,
}

pub(super) enum Kind {
    Scalar {
        text: String,
        json: Json,
        block: Option<Block>,
    },
    Map {
        flow: bool,
        entries: Vec<Entry>,
    },
    List {
        flow: bool,
        items: Vec<Node>,
    },
    /// What stands for another value, by its name.
    Alias(String),
}

/// How text below `|` or `>` is written.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Whether the empty lines behind it belong to it, too.
    keeps_blank: bool,
}

pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) name: String,
    /// Where its colon ends; none if it has none, or stands elsewhere.
    pub(super) colon: Option<usize>,
    pub(super) value: Node,
}

impl Tree {
    pub(super) fn read(text: &str) -> Result<Self, Trouble> {
        // A line break of its own only for some readers.
        if let Some((at, _)) = text.match_indices('\r').find(|(at, _)| !text[at + 1..].starts_with('\n')) {
            return Err(syntax(lines::number(text, at), "There is a carriage return without a line feed."));
        }
        // Readers do not agree on whether such a text ends with a line break, so none may be put behind it.
        let options = granit_parser::options! { block_scalar_eof_without_line_feed: true };
        let mut reader = Reader { text, events: Parser::new_from_str_with_options(text, options) };
        let from = match reader.next()? {
            (Event::DocumentStart(..), range) => range.end,
            _ => return Ok(Self { root: Node::empty(text.len()), end: text.len() }),
        };
        let (event, range) = reader.next()?;
        let root = reader.node(event, range, from)?;
        // To some readers a part of the first key.
        if let Some(at) = text[..root.start].find(MARK) {
            return Err(syntax(lines::number(text, at), "There is a byte order mark within the text."));
        }
        let (_, end) = reader.next()?;
        match reader.next()? {
            (Event::StreamEnd, _) => Ok(Self { root, end: end.start }),
            (_, next) => Err(syntax(lines::number(text, next.start), "There are several documents.")),
        }
    }
}

impl Node {
    fn empty(at: usize) -> Self {
        let kind = Kind::Scalar { text: String::new(), json: Json::Null, block: None };
        Self { kind, start: at, end: at, anchored: false, tagged: false }
    }

    /// Whether there is no text for it.
    fn is_nothing(&self) -> bool {
        self.start == self.end && !self.tagged && !self.anchored
    }

    /// Whether it is null, or a map without keys.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Scalar { json, .. } => json.is_null(),
            Kind::Map { entries, .. } => entries.is_empty(),
            _ => false,
        }
    }

    /// Whether an empty line behind it would belong to it.
    pub(super) fn keeps_blank(&self) -> bool {
        match &self.kind {
            Kind::Scalar { block, .. } => block.is_some_and(|block| block.keeps_blank),
            Kind::Map { flow: false, entries } => entries.last().is_some_and(|entry| entry.value.keeps_blank()),
            Kind::List { flow: false, items } => items.last().is_some_and(Self::keeps_blank),
            _ => false,
        }
    }

    /// Whether it, or anything within, may be what others refer to.
    pub(super) fn has_anchor(&self) -> bool {
        self.anchored
            || match &self.kind {
                Kind::Map { entries, .. } => {
                    entries.iter().any(|entry| entry.key.has_anchor() || entry.value.has_anchor())
                }
                Kind::List { items, .. } => items.iter().any(Self::has_anchor),
                Kind::Scalar { .. } | Kind::Alias(_) => false,
            }
    }

    /// The value of a key, in a map that is what it looks like.
    pub(super) fn entry(&self, name: &str) -> Result<Option<&Entry>, Trouble> {
        let Kind::Map { entries, .. } = &self.kind else { return Ok(None) };
        if self.anchored || self.tagged || entries.iter().any(|entry| entry.name == "<<") {
            return Err(Trouble::Strange);
        }
        let mut named = entries.iter().filter(|entry| entry.name == name);
        match (named.next(), named.next()) {
            // The number and the text, as in `1` and `"1"`.
            (_, Some(_)) => Err(Trouble::Strange),
            (found, None) => Ok(found),
        }
    }

    /// The same value for comparison.
    pub(super) fn json(&self) -> Json {
        match &self.kind {
            Kind::Scalar { json, .. } => json.clone(),
            Kind::Map { entries, .. } => entries.iter().map(|entry| (entry.name.clone(), entry.value.json())).collect(),
            Kind::List { items, .. } => items.iter().map(Self::json).collect(),
            Kind::Alias(name) => name.as_str().into(),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Range<usize>), Trouble> {
        loop {
            let (event, span) = self.events.next().ok_or(Trouble::Strange)?.map_err(|error| scan(&error))?;
            if !matches!(event, Event::StreamStart) {
                return Ok((event, range(&span)?));
            }
        }
    }

    /// The value of an event, somewhere behind `from`.
    fn node(&mut self, event: Event<'a>, range: Range<usize>, from: usize) -> Result<Node, Trouble> {
        let (mut start, mut end) = (range.start, range.end);
        let (anchored, tagged) = (event.anchor_id().is_some(), event.tag().is_some());
        let kind = match event {
            Event::Scalar(text, style, ..) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded).then(|| {
                    let header = self.text[from..start].split(['\n', '#']).next().unwrap_or_default();
                    Block { keeps_blank: header.contains('+') }
                });
                if let Some(block) = block {
                    end = self.end_of_block(block, &range);
                }
                let json = if style == ScalarStyle::Plain { plain(&text) } else { text.as_ref().into() };
                Kind::Scalar { text: text.into_owned(), json, block }
            }
            Event::Alias(_) => Kind::Alias(self.text[range].to_owned()),
            Event::SequenceStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                let mut items: Vec<Node> = Vec::new();
                loop {
                    let (event, range) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        end = range.end;
                        break;
                    }
                    let before = items.last().map_or(from, |item| item.end);
                    let dash = self.end_of_dash(before).filter(|_| !flow);
                    if let (true, Some(dash)) = (items.is_empty(), dash) {
                        // The parser has the start of some lists behind their first dash.
                        start = dash - 1;
                    }
                    let item = self.node(event, range, dash.unwrap_or(before))?;
                    items.push(if item.is_nothing() { Node::empty(dash.unwrap_or(item.end)) } else { item });
                }
                if !flow {
                    end = items.last().map_or(start, |item| item.end);
                }
                Kind::List { flow, items }
            }
            Event::MappingStart(style, ..) => {
                let mut entries: Vec<Entry> = Vec::new();
                let mut names = HashSet::new();
                loop {
                    let (event, range) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        end = range.end;
                        break;
                    }
                    let key = self.node(event, range, from)?;
                    let entry = self.entry(key)?;
                    let is_text = matches!(&entry.key.kind, Kind::Scalar { json, .. } if json.is_string());
                    if !names.insert((entry.name.clone(), is_text)) {
                        return Err(syntax(
                            lines::number(self.text, entry.key.start),
                            "There is a key twice in a map.",
                        ));
                    }
                    entries.push(entry);
                }
                let flow = style == StructureStyle::Flow;
                if !flow {
                    end = entries.last().map_or(start, |entry| entry.value.end);
                }
                Kind::Map { flow, entries }
            }
            _ => return Err(Trouble::Strange),
        };
        Ok(Node { kind, start, end, anchored, tagged })
    }

    fn entry(&mut self, key: Node) -> Result<Entry, Trouble> {
        let name = match &key.kind {
            Kind::Scalar { text, .. } => text.clone(),
            _ => self.text[key.start..key.end].to_owned(),
        };
        let rest = &self.text[key.end..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let colon = rest[blanks..].starts_with(':').then_some(key.end + blanks + 1);
        let from = colon.unwrap_or(key.end);
        let (event, range) = self.next()?;
        let value = self.node(event, range, from)?;
        // The parser has what is not there before the colon.
        let value = if value.is_nothing() { Node::empty(from) } else { value };
        Ok(Entry { key, name, colon, value })
    }

    /// Where the dash ends that is next behind blanks and comments.
    fn end_of_dash(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = self.text[at..].trim_start();
            at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return rest.starts_with('-').then_some(at + 1);
            }
            at = lines::end(self.text, at);
        }
    }

    /// Where a text below `|` or `>` ends: with the empty lines at its end if they belong to it.
    fn end_of_block(&self, block: Block, range: &Range<usize>) -> usize {
        if block.keeps_blank {
            // It ends where the next line with something else begins.
            let line = &self.text[..lines::start(self.text, range.end)];
            let line = if self.text[line.len()..range.end].trim().is_empty() { line } else { &self.text[..range.end] };
            return line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\n')).unwrap_or(line).len();
        }
        lines::last_content(self.text, range.end).unwrap_or(range.end)
    }
}

/// A scalar without quotes: numbers are told from text only as far as we write them.
fn plain(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) => {
            serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| text.into(), Json::Number)
        }
        _ => text.into(),
    }
}

fn range(span: &Span) -> Result<Range<usize>, Trouble> {
    span.byte_range().ok_or(Trouble::Strange)
}

fn scan(error: &ScanError) -> Trouble {
    syntax(error.marker().line(), &error.info())
}

fn syntax(line: usize, what: &str) -> Trouble {
    Trouble::Syntax { line, what: what.to_owned() }
}

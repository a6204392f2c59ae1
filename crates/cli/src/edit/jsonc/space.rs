//! What stands between the values: blanks, commas and comments.

use std::ops::Range;

/// What stands around or behind a value, on its line.
pub(super) struct Around {
    /// Where the comma is, if there is one.
    pub(super) comma: Option<usize>,
    /// Where it ends: behind the comma, and behind the comments on the same line.
    pub(super) end: usize,
    /// Whether there is any comment.
    pub(super) has_comment: bool,
}

impl Around {
    /// What belongs to a value that ends at `from`; another value, or the end of the object, is at `to`.
    pub(super) fn behind(text: &str, from: usize, to: usize) -> Self {
        let pieces = pieces(text, from, to);
        let comma = pieces.iter().find(|piece| piece.kind == Kind::Comma).map(|piece| piece.start);
        let mut around = Self { comma, end: comma.map_or(from, |comma| comma + 1), has_comment: false };
        let newline = |from: usize, to: usize| text[from..to].contains('\n');
        for piece in pieces.iter().filter(|piece| piece.kind == Kind::Comment && piece.start >= from) {
            // A comment before the comma is within; one behind belongs to the value if it is the last of the line.
            if piece.start < around.end {
                continue;
            }
            let ends_line = text[piece.end..].trim_start_matches([' ', '\t']).starts_with(['\n', '\r']);
            let last = piece.end == to || text[piece.end..to].trim().is_empty();
            if newline(around.end, piece.start) || !(ends_line || last) {
                break;
            }
            around.end = piece.end;
            around.has_comment = true;
        }
        around
    }

    /// What stands in an object without properties; it ends behind the last comment.
    pub(super) fn inside(text: &str, from: usize, to: usize) -> Self {
        let last = pieces(text, from, to).into_iter().rfind(|piece| piece.kind == Kind::Comment);
        Self { comma: None, has_comment: last.is_some(), end: last.map_or(from, |piece| piece.end) }
    }
}

/// Where the first of the comments on lines of their own right above `start` begins; `floor` is the end of what belongs
/// to others.
pub(super) fn comments_above(text: &str, floor: usize, start: usize) -> usize {
    let mut first = start;
    for piece in pieces(text, floor, start).iter().rev().filter(|piece| piece.kind == Kind::Comment) {
        let between = &text[piece.end..first];
        let own_line = text[..piece.start].trim_end_matches([' ', '\t']).ends_with('\n');
        if between.matches('\n').count() != 1 || !own_line || is_code(&text[piece.start..piece.end]) {
            break;
        }
        first = piece.start;
    }
    first
}

/// All comments of a text that begin in this range.
pub(super) fn comments(text: &str, range: &Range<usize>) -> Vec<String> {
    let (mut at, mut comments) = (0, Vec::new());
    while let Some(start) = text[at..range.end].find(['"', '/']).map(|found| found + at) {
        let rest = &text[start..];
        at = start
            + if rest.starts_with('"') {
                end_of_string(rest)
            } else if rest.starts_with("//") {
                rest.find(['\n', '\r']).unwrap_or(rest.len())
            } else {
                rest[2..].find("*/").map_or(rest.len(), |end| end + 4)
            };
        if start >= range.start && !rest.starts_with('"') {
            comments.push(text[start..at].to_owned());
        }
        if at >= range.end {
            break;
        }
    }
    comments
}

/// The length of the string that a text begins with.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return at + 1,
            byte => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    text.len()
}

/// Whether a comment ends with the line of a value, or of a part of one: what somebody has commented out.
fn is_code(comment: &str) -> bool {
    let last = comment.trim_end_matches("*/").trim_end().lines().last().unwrap_or_default();
    last.trim_start_matches(['/', '*', ' ', '\t']).starts_with(['"', '{', '}', '[', ']'])
}

/// The end of the comment on the line above, if this place begins its own.
pub(super) fn comment_above(text: &str, start: usize) -> Option<&str> {
    let above = text[..start].trim_end_matches([' ', '\t']).strip_suffix('\n').filter(|_| begins_line(text, start))?;
    let line = above.trim_end().lines().last().unwrap_or_default().trim_start();
    let is_right_above = above.len() - above.trim_end_matches(['\n', '\r']).len() <= 1;
    (is_right_above && (line.starts_with("//") || line.ends_with("*/"))).then_some(line)
}

/// Where the blanks before `start` begin.
pub(super) fn blank_before(text: &str, floor: usize, start: usize) -> usize {
    floor + text[floor..start].trim_end().len()
}

/// Whether a range without values ends in a comment that ends with its line.
pub(super) fn ends_in_line_comment(text: &str, from: usize, to: usize) -> bool {
    pieces(text, from, to).last().is_some_and(|piece| piece.end == to && text[piece.start..].starts_with("//"))
}

/// The blanks with which the line of this place begins.
pub(super) fn indent(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..].chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

/// Whether something is the first on its line.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    text[..at].trim_end_matches([' ', '\t']).ends_with('\n')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comma,
    Comment,
}

struct Piece {
    kind: Kind,
    start: usize,
    end: usize,
}

/// The commas and comments of a range without values.
fn pieces(text: &str, from: usize, to: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = from;
    while let Some(start) = text[at..to].find([',', '/']).map(|found| found + at) {
        let rest = &text[start..to];
        let (kind, length) = if rest.starts_with("//") {
            (Kind::Comment, rest.find(['\n', '\r']).unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Kind::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else {
            (Kind::Comma, 1)
        };
        pieces.push(Piece { kind, start, end: start + length });
        at = start + length;
    }
    pieces
}

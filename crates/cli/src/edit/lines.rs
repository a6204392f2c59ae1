//! Lines of formats whose comments begin with `#`.

/// What ends the lines of a text.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Where the line of this place begins.
pub(super) fn start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line of this place ends, before its line break.
pub(super) fn end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    if end > at && text[..end].ends_with('\r') { end - 1 } else { end }
}

/// Where the line behind the one of this place begins.
pub(super) fn next(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The end of the last line before `to` that is not blank; none if there is no such line.
pub(super) fn last_content(text: &str, to: usize) -> Option<usize> {
    let content = text[..to].trim_end().len();
    (content > 0).then(|| end(text, content))
}

/// The number of the line of this place, from 1.
pub(super) fn number(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

/// The blanks with which the line of this place begins.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Where the first line behind this one begins that holds more than blanks.
pub(super) fn next_content(text: &str, at: usize) -> usize {
    let mut at = next(text, at);
    while at < text.len() && text[at..end(text, at)].trim().is_empty() {
        at = next(text, at);
    }
    at
}

/// Where the first of the lines right above `from` begins that are comments; `floor` is the end of what belongs to
/// others. What somebody has commented out is not among them.
pub(super) fn comments_above(text: &str, floor: usize, from: usize, is_code: impl Fn(&str) -> bool) -> usize {
    let mut first = start(text, from);
    while first > floor && start(text, first - 1) >= floor {
        let above = start(text, first - 1);
        if comment(&text[above..first]).is_none_or(&is_code) {
            break;
        }
        first = above;
    }
    first
}

/// The comments on the lines right below the one of this place, and where the last of these lines ends; none if they
/// are right above something else.
pub(super) fn comments_below(text: &str, at: usize) -> (usize, Vec<String>) {
    let (mut last, mut comments) = (end(text, at), Vec::new());
    let mut below = next(text, at);
    while let Some(comment) = comment(&text[below..next(text, below)]) {
        comments.push(comment.to_owned());
        last = end(text, below);
        below = next(text, below);
    }
    if text[below..end(text, below)].trim().is_empty() { (last, comments) } else { (end(text, at), Vec::new()) }
}

/// The comment that is all there is on a line.
pub(super) fn comment(line: &str) -> Option<&str> {
    Some(line.trim()).filter(|line| line.starts_with('#'))
}

/// The comments in this text, which may be a part of one.
pub(super) fn comments(text: &str) -> Vec<String> {
    let told = |line: &str| {
        let (mut quote, mut before) = (None, ' ');
        for (at, c) in line.char_indices() {
            match (quote, c) {
                (None, '#') if before.is_whitespace() || matches!(before, ',' | '[' | ']' | '{' | '}') => {
                    return Some(line[at..].trim_end().to_owned());
                }
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (Some(open), _) if open == c && before != '\\' => quote = None,
                _ => {}
            }
            before = c;
        }
        None
    };
    text.lines().filter_map(told).collect()
}

//! Text of the other side, as it may be told.

/// Text of the other side (server words, certificate names, bodies) as it may be told: [`plain`],
/// in quotation marks.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\u{201c}{}\u{201d}", plain(text))
}

/// Text of the other side without what could drive a terminal: control characters become blanks,
/// at most 200 characters. For places that show by themselves whose words they are.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut words = one_line(text);
    if let Some((end, _)) = words.char_indices().nth(QUOTED_CHARS) {
        words.truncate(end);
        words.push('…');
    }
    words
}

fn one_line(text: &str) -> String {
    printable(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The whole text without what could drive a terminal, for names of files: each such character becomes a blank.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// A path, name or address short enough for a sentence that hosts cut off: with its middle left out
/// when it is long. The whole of it stands in `where` or the evidence.
#[must_use]
pub fn brief(text: &str) -> String {
    let text = one_line(text);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= BRIEF_CHARS {
        return text;
    }
    let (head, tail) = (BRIEF_CHARS / 3, BRIEF_CHARS - BRIEF_CHARS / 3 - 1);
    let tail = &chars[chars.len() - tail..];
    chars[..head].iter().chain(&['…']).chain(tail).collect()
}

/// The first of these, and how many more there are: whoever made a certificate may have put thousands
/// of names into it.
#[must_use]
pub(crate) fn first_few(all: &[String]) -> String {
    let first = all.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > FEW { format!("{first} and {} more", all.len() - FEW) } else { first }
}

/// How many of many are told.
pub(crate) const FEW: usize = 4;

/// Control characters, and the formatting characters that reorder or hide text in a terminal.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

const QUOTED_CHARS: usize = 200;
/// What leaves room for the rest of a sentence and a second one within 200 characters.
const BRIEF_CHARS: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_keeps_its_beginning_and_most_of_its_end() {
        assert_eq!(brief("corp.example:443"), "corp.example:443");
        let path = format!("/home/{}/alice.pem", "x".repeat(300));
        let told = brief(&path);
        assert_eq!(told.chars().count(), BRIEF_CHARS);
        assert!(told.starts_with("/home/xxx") && told.ends_with("xxx/alice.pem") && told.contains('…'), "{told}");
        assert_eq!(brief("a\u{1b}[2Jb"), "a [2Jb");
    }
}

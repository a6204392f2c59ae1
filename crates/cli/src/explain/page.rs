//! One page: Markdown in the few forms that the pages use, laid out for a terminal.

use crate::render::{Ink, Paint, beside, wrapped};

/// The page as text. It is the same without a terminal, but for colour.
pub(super) fn text(page: &str, paint: Paint) -> String {
    let mut text = String::new();
    let mut lines = page.lines().peekable();
    let mut in_list = false;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            in_list = false;
            continue;
        }
        if !text.is_empty() {
            // The items of a list stand close together.
            text.push_str(if in_list { "\n" } else { "\n\n" });
        }
        if let Some(heading) = line.strip_prefix("# ").or_else(|| line.strip_prefix("## ")) {
            text.push_str(&paint.ink(Ink::Strong, heading));
            continue;
        }
        let mut block = line.to_owned();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && mark(line).is_none()) {
            block.push(' ');
            block.push_str(line.trim_start());
        }
        in_list = mark(&block).is_some();
        text.push_str(&match mark(&block) {
            Some((mark, rest)) => beside(&format!("  {mark}"), mark.len() + 2, &unbroken(&words(rest))),
            None => wrapped(&unbroken(&words(&block)), 2),
        });
    }
    text.replace(UNBROKEN, " ")
}

/// What it means, in one sentence: the first paragraph.
pub(super) fn summary(page: &str) -> String {
    let lines = page.lines().skip(1).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// The words without the marks of Markdown: links are told by their text, and code keeps its marks.
pub(super) fn words(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        match link.split_once("](").and_then(|(name, after)| Some((name, after.split_once(')')?.1))) {
            Some((name, after)) if !name.contains('[') => {
                plain.push_str(name);
                rest = after;
            }
            _ => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain.push_str(rest);
    plain.replace("**", "")
}

/// Keeps commands on one line, where they can be copied from.
fn unbroken(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let part = |(at, part): (usize, &str)| match at % 2 {
        1 if part.chars().count() <= COMMAND => part.replace(' ', UNBROKEN),
        _ => part.to_owned(),
    };
    parts.map(part).collect::<Vec<_>>().join("`")
}

/// The mark of a list item, and what follows it.
fn mark(line: &str) -> Option<(&str, &str)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let length = match line.get(digits..)? {
        rest if digits > 0 && rest.starts_with(". ") => digits + 2,
        rest if digits == 0 && rest.starts_with("- ") => 2,
        _ => return None,
    };
    line.split_at_checked(length)
}

/// A blank at which no line ends.
const UNBROKEN: &str = "\u{a0}";

/// The longest command that fits beside the mark of an item.
const COMMAND: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_a_terminal() {
        let page = "# code\n\nOne sentence\nin two lines.\n\n## Why\n\n\
                    - **First.** A [link](other.md#place) and `code [a]`, which goes on and on and on, and \
                    `stays as one piece`\n  when it goes on.\n- Second.\n\n## What to do\n\n1. Do it.\n10. Do more.\n";
        insta::assert_snapshot!(text(page, Paint::none()), @r"
        code

          One sentence in two lines.

        Why

          - First. A link and `code [a]`, which goes on and on and on, and
            `stays as one piece` when it goes on.
          - Second.

        What to do

          1. Do it.
          10. Do more.
        ");
        assert_eq!(summary(page), "One sentence in two lines.");
    }
}

//! Texts of many shapes.

use super::*;
use crate::edit::dice::Dice;

fn space(dice: &mut Dice, column: usize) -> String {
    let comment = " ".repeat([0, column, column + 1, column + 7][dice.roll(4)]);
    dice.of(&["", "", "", "\n", "@# c\n", "\n@# k: 1\n", "@# - x\n\n", " \t\n", "@# d\n\n@# e\n", " \n"])
        .replace('@', &comment)
}

fn map(dice: &mut Dice, column: usize, depth: usize) -> String {
    let mut text = String::new();
    let indent = " ".repeat(column);
    for at in 0..=dice.roll(4) {
        text.push_str(&space(dice, column));
        let deeper = column + [1, 2, 4][dice.roll(3)];
        let key = match dice.roll(4) {
            0 => format!("\"k{at}\" :"),
            1 => format!("'k{at}':"),
            _ => format!("k{at}:"),
        };
        let pad = " ".repeat(deeper);
        let end = dice.of(&["", "", " # note", "  "]);
        let value = match dice.roll(if depth > 0 { 12 } else { 9 }) {
            0 => end.to_owned(),
            1 => format!(" 1{end}"),
            2 => format!(" {{}}{end}"),
            3 => format!(" {{a: 1, \"b\":{{c: }}, d}}{end}"),
            4 => format!(" |\n{pad}text\n{pad}# text\n\n"),
            5 => format!(" >+{end}\n{pad}text\n\n\n"),
            6 => format!(" \"a\n\n{pad}b: {{\"{end}"),
            7 => format!(" a\n{pad}b{end}"),
            8 => format!("\n{indent}- a{end}\n{indent}- b: 1\n{indent}  c: 2\n{indent}-"),
            9 => format!(" [a,\n{pad}b]{end}"),
            _ => format!("{end}\n{}", map(dice, deeper, depth - 1)),
        };
        let newline = if value.ends_with('\n') { "" } else { "\n" };
        text.extend([&indent, key.as_str(), &value, newline]);
    }
    text
}

#[test]
fn nothing_is_lost_in_texts_of_any_shape() {
    let mut dice = Dice(1);
    for _ in 0..1000 {
        let newline = dice.of(&["\n", "\r\n"]);
        let mut text = dice.of(&["", "\u{feff}", "---\n", "# c\n--- # d\n", "z: [1]\n"]).to_owned();
        let column = dice.roll(3) + 1;
        text.push_str("m:\n");
        text.push_str(&map(&mut dice, column, 2));
        text.push_str(&space(&mut dice, 0));
        text.push_str(dice.of(&["", "y: 1\n", "...\n", "...\n# t\n"]));
        // Behind a text that `|` or `>` begins, a line break at the end of the file may be a part of it.
        if dice.roll(3) == 0 && !text.contains(['|', '>']) {
            text.truncate(text.trim_end().len());
        }
        let text = text.replace('\n', newline);
        let after = added(&text);
        assert_eq!(added(&after), after, "{text:?}");
        assert_eq!(without(&after, PATH), (text.clone(), vec![]), "{after:?}");
        // What is left of the others is as it was, and never damaged: that would be an error.
        let mut left = Yaml::parse(&text).unwrap();
        for _ in 0..6 {
            let name = [format!("k{}", dice.roll(4)), format!("k{}", dice.roll(4)), "a".to_owned()];
            let path: Vec<_> = ["m"].into_iter().chain(name[..=dice.roll(3)].iter().map(String::as_str)).collect();
            let before = left.text().to_owned();
            let value = [entry(), Value::Bool(true), Value::List(vec![Value::text("a")])][dice.roll(3)].clone();
            let done = if dice.roll(2) == 0 { left.remove(&path).map(drop) } else { left.set(&path, &value).map(drop) };
            assert!(
                !matches!(done, Err(Trouble::Strange | Trouble::Syntax { .. })),
                "{before:?}: {path:?} {value:?} {done:?}"
            );
        }
    }
}

#[test]
fn a_text_that_somebody_damaged_is_changed_as_asked_or_not_at_all() {
    let mut dice = Dice(2);
    let mut done = 0;
    for _ in 0..4000 {
        let mut text = SAMPLES[dice.roll(SAMPLES.len())].to_owned();
        for _ in 0..=dice.roll(3) {
            let places: Vec<_> = text.char_indices().map(|(at, c)| at..at + c.len_utf8()).collect();
            if let Some(mut place) = places.get(dice.roll(places.len().max(1))).cloned() {
                if dice.roll(2) == 0 {
                    place.end = place.start;
                }
                text.replace_range(
                    place,
                    dice.of(&[
                        "[", "]", "\n", "\"", "'", ":", "-", "{", "}", ",", "#", "  ", "é", "|", ">+", "&x ", "*x",
                        "? ", "!t ", "\r\n", "\t", "<<", "---\n", "...\n", "m",
                    ]),
                );
            }
        }
        let Ok(mut document) = Yaml::parse(&text) else { continue };
        if document.set(PATH, &entry()).is_err() {
            assert_eq!(document.text(), text);
            continue;
        }
        done += 1;
        assert_eq!(document.get(PATH), Some(plain(&entry())), "{text:?}");
        let after = document.text().to_owned();
        if document.remove(PATH).is_err() {
            assert_eq!(document.text(), after);
        }
    }
    assert!(done > 500, "{done}");
}

//! Texts of many shapes.

use super::*;
use crate::edit::dice::Dice;

fn space(dice: &mut Dice) -> &'static str {
    dice.of(&["", "", "\n", "\n\n", "# c\n", "\n# k = 1\n", "# [x]\n\n", " \t\n", "  # d\n\n# e\n"])
}

fn any(dice: &mut Dice) -> String {
    let mut text = dice.of(&["", "\u{feff}"]).to_owned();
    let style = dice.roll(4);
    for at in 0..dice.roll(5) {
        text.push_str(space(dice));
        let value = dice.of(&["1", "1.50", "[1, # x\n 2]", "'[x]'", "{ a = 1, b.c = 2 }", "\"\"\"\n[m]\n# no\"\"\""]);
        let end = dice.of(&["", " # note", "  "]);
        let line = match style {
            0 => format!("m.k{at} = {value}{end}\n"),
            1 => format!("m.k{at}.x = {value}{end}\n m.\"k{at}\".y.z = 1\n"),
            _ => match dice.roll(4) {
                0 => format!("[m.k{at}]{end}\nx = {value}\n"),
                1 => format!("[m.k{at}.y] \nx = 1\n{}[m.k{at}]{end}\nx = {value}\n", space(dice)),
                2 => format!("[[m.k{at}]]\n{}x = {value}{end}\n[[m.k{at}]]\n", space(dice)),
                _ => format!("[o{at}]\nx = {value}{end}\n{}m.x = 1\n", space(dice)),
            },
        };
        text.push_str(&line);
    }
    text.push_str(space(dice));
    if dice.roll(3) == 0 { text.trim_end().to_owned() } else { text }
}

#[test]
fn nothing_is_lost_in_texts_of_any_shape() {
    let mut dice = Dice(1);
    for _ in 0..2000 {
        let newline = dice.of(&["\n", "\r\n"]);
        let text = any(&mut dice).replace('\n', newline);
        let after = set(&text, &["m", "new"], &entry());
        assert_eq!(set(&after, &["m", "new"], &entry()), after, "{text:?}");
        let blank = text.trim_start_matches('\u{feff}').trim().is_empty();
        let (back, comments) = without(&after, &["m", "new"]);
        assert!(blank || back == text, "{text:?}\n{after:?}\n{back:?}");
        assert_eq!(comments, [""; 0], "{text:?}\n{after:?}");
        // What is left of the others is as it was, and never damaged: that would be an error.
        let mut left = Toml::parse(&text).unwrap();
        for _ in 0..4 {
            let name = format!("k{}", dice.roll(5));
            let before = left.text().to_owned();
            if dice.roll(2) == 0 {
                left.remove(&["m", &name]).unwrap_or_else(|trouble| panic!("{before:?}: {name}: {trouble:?}"));
                assert!(left.get(&["m", &name]).is_none());
            } else {
                left.set(&["m", &name], &entry()).unwrap_or_else(|trouble| panic!("{before:?}: {name}: {trouble:?}"));
            }
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
                        "[", "]", "\n", "\"", "'", ".", "=", "{", "}", ",", "#", " ", "é", "\"\"\"", "\r\n", "m",
                    ]),
                );
            }
        }
        let Ok(mut document) = Toml::parse(&text) else { continue };
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

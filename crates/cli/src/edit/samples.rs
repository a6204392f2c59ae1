//! What holds for texts of every format.

use super::jsonc::plain;
use super::{Document, Format};
use mcp_mtls_core::config::Value;

/// The text with this value set, which it then holds.
pub(super) fn set(format: Format, text: &str, path: &[&str], value: &Value) -> String {
    let mut document = format.parse(text).unwrap_or_else(|trouble| panic!("{text:?}: {trouble:?}"));
    document.set(path, value).unwrap_or_else(|trouble| panic!("{text:?}: {trouble:?}"));
    assert_eq!(document.get(path), Some(plain(value)));
    document.text().to_owned()
}

/// The text without the value there, which it holds, and the comments that went with that.
pub(super) fn without(format: Format, text: &str, path: &[&str]) -> (String, Vec<String>) {
    let mut document = format.parse(text).unwrap_or_else(|trouble| panic!("{text:?}: {trouble:?}"));
    let comments = document.remove(path).unwrap_or_else(|trouble| panic!("{text:?}: {trouble:?}"));
    (document.text().to_owned(), comments.unwrap_or_else(|| panic!("{text:?}: nothing at {path:?}")))
}

/// Texts with a map, and what is put into it.
pub(super) struct Samples {
    pub(super) format: Format,
    pub(super) texts: &'static [&'static str],
    pub(super) map: &'static str,
    pub(super) entry: Value,
}

impl Samples {
    pub(super) fn added(&self, text: &str) -> Box<dyn Document> {
        let mut document = self.format.parse(text).unwrap_or_else(|trouble| panic!("{text:?}: {trouble:?}"));
        document.set(&[self.map, "new"], &self.entry).unwrap_or_else(|trouble| panic!("{text:?}: {trouble:?}"));
        document
    }

    pub(super) fn leave_every_byte_when_added_and_removed(&self) {
        for sample in self.texts {
            let mut document = self.added(sample);
            let text = document.text().to_owned();
            assert_eq!(document.remove(&[self.map, "new"]), Ok(Some(vec![])), "{text}");
            assert_eq!(document.text(), *sample, "{text}");
        }
    }

    pub(super) fn are_set_twice_as_once(&self) {
        for sample in self.texts {
            let text = self.added(sample).text().to_owned();
            assert_eq!(self.added(&text).text(), text);
        }
    }

    pub(super) fn take_twenty_in_any_order(&self) {
        for sample in self.texts {
            let mut document = self.format.parse(sample).unwrap();
            let names: Vec<_> = (0..20).map(|n| format!("{n}.: #")).collect();
            for name in &names {
                document.set(&[self.map, name], &self.entry).unwrap();
            }
            for at in 0..20 {
                let done = document.remove(&[self.map, &names[(at * 7 + 3) % 20]]);
                assert!(matches!(done, Ok(Some(_))), "{done:?}: {}", document.text());
            }
            assert_eq!(document.text(), *sample);
        }
    }

    /// One piece is put in, and all else is there, but for what is taken out before.
    pub(super) fn get_one_piece(&self, before: impl Fn(&str) -> String) {
        for sample in self.texts {
            let (text, sample) = (self.added(sample).text().to_owned(), before(sample));
            let same = sample.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let put = text.len() - sample.len();
            assert!(
                (0..=same).any(|at| text.as_bytes()[at + put..] == sample.as_bytes()[at..]),
                "{sample:?}\n{text:?}"
            );
            assert!(!sample.contains("\r\n") || !text.replace("\r\n", "").contains('\n'), "{text:?}");
        }
    }
}

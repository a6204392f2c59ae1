//! Changes to files of people: what is not the changed value stays as it is, byte for byte.

#[cfg(test)]
mod dice;
pub(crate) mod jsonc;
mod lines;
#[cfg(test)]
mod samples;
pub(crate) mod toml;
pub(crate) mod turn;
pub(crate) mod write;
pub(crate) mod yaml;

use std::ops::Range;

use mcp_mtls_core::config::Value;
use zeroize::Zeroizing;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON with comments.
    Jsonc,
    Toml,
    Yaml,
}

impl Format {
    /// Reads a text; one with nothing in it is an empty map.
    pub(crate) fn parse(self, text: &str) -> Result<Box<dyn Document>, Trouble> {
        Ok(match self {
            Self::Jsonc => Box::new(jsonc::Jsonc::parse(text)?),
            Self::Toml => Box::new(toml::Toml::parse(text)?),
            Self::Yaml => Box::new(yaml::Yaml::parse(text)?),
        })
    }
}

/// A text of one format, changed at a path of keys. Every change is checked against what was asked for before it counts.
pub(crate) trait Document {
    /// The text as it is now.
    fn text(&self) -> &str;

    /// The value at this path of keys, if there is one.
    fn get(&self, path: &[&str]) -> Option<serde_json::Value>;

    /// Sets the value at this path of keys. Maps that are missing on the way are made; a value that is there already
    /// is replaced, and its key and all around it stay. Returns the comments that went with what was replaced.
    fn set(&mut self, path: &[&str], value: &Value) -> Result<Vec<String>, Trouble>;

    /// Removes the value at this path of keys, with its key and the comments that are about it alone. Returns all
    /// comments that went with it, or nothing if there is no such value.
    fn remove(&mut self, path: &[&str]) -> Result<Option<Vec<String>>, Trouble>;
}

/// Why a file cannot be changed as asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The text is not what the format wants.
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A key on the way holds something that has no keys.
    NoMap {
        /// From 1.
        line: usize,
        /// The keys to it.
        path: String,
    },
    /// A key on the way is there twice, and readers do not agree on which of the two counts.
    Twice {
        /// From 1.
        line: usize,
        /// The keys to it.
        path: String,
    },
    /// The change would have changed more than it should.
    Strange,
}

/// What a format has of its own: what its texts hold, and which of their ranges a change replaces.
trait Syntax {
    /// The text that changes are made in.
    fn whole(&self) -> &str;
    /// The text as others see it.
    fn shown(&self) -> &str {
        self.whole()
    }
    fn replace_whole(&mut self, text: Zeroizing<String>);
    fn values(body: &str) -> Result<serde_json::Value, Trouble>;
    /// The comments in a range of the text.
    fn comments(body: &str, range: Range<usize>) -> Vec<String>;
    fn to_set(&self, path: &[&str], value: &Value) -> Result<Vec<Splice>, Trouble>;
    /// The value is there.
    fn to_remove(&self, path: &[&str]) -> Result<Removal, Trouble>;
}

/// What has to go with a value that is removed.
struct Removal {
    splices: Vec<Splice>,
    /// To how many keys of the path there is nothing any more.
    keys: usize,
}

impl<S: Syntax> Document for S {
    fn text(&self) -> &str {
        self.shown()
    }

    fn get(&self, path: &[&str]) -> Option<serde_json::Value> {
        path.iter().try_fold(&S::values(body(self.whole())).ok()?, |value, key| value.get(key)).cloned()
    }

    fn set(&mut self, path: &[&str], value: &Value) -> Result<Vec<String>, Trouble> {
        let Some((last, way)) = path.split_last() else { return Err(Trouble::Strange) };
        let splices = self.to_set(path, value)?;
        apply(self, &splices, |json| {
            let map =
                way.iter().try_fold(json, |at, key| Some(keys_of(at)?.entry(*key).or_insert(serde_json::Value::Null)));
            map.and_then(keys_of)?.insert((*last).to_owned(), jsonc::plain(value));
            Some(())
        })
    }

    fn remove(&mut self, path: &[&str]) -> Result<Option<Vec<String>>, Trouble> {
        if path.is_empty() {
            return Err(Trouble::Strange);
        }
        if self.get(path).is_none() {
            return Ok(None);
        }
        let Removal { splices, keys } = self.to_remove(path)?;
        let Some((last, way)) = path[..keys].split_last() else { return Err(Trouble::Strange) };
        let comments = apply(self, &splices, |json| {
            way.iter().try_fold(json, |at, key| at.get_mut(key))?.as_object_mut()?.remove(*last).map(drop)
        })?;
        Ok(Some(comments))
    }
}

/// Makes the change, if its result is what `change` makes of the values. Returns the comments that went with it.
fn apply<S: Syntax>(
    document: &mut S,
    splices: &[Splice],
    change: impl FnOnce(&mut serde_json::Value) -> Option<()>,
) -> Result<Vec<String>, Trouble> {
    let text = document.whole();
    let mut expected = S::values(body(text))?;
    change(&mut expected).ok_or(Trouble::Strange)?;
    let result = spliced(text, text.len() - body(text).len(), splices)?;
    if S::values(body(&result)).ok() != Some(expected) {
        return Err(Trouble::Strange);
    }
    let mut gone: Vec<_> = splices.iter().map(|(range, _)| range.clone()).collect();
    gone.sort_by_key(|range| range.start);
    let comments = gone.into_iter().flat_map(|range| S::comments(body(text), range)).collect();
    document.replace_whole(result);
    Ok(comments)
}

/// The keys of a map; there are none yet in what was just made, or is null.
fn keys_of(value: &mut serde_json::Value) -> Option<&mut serde_json::Map<String, serde_json::Value>> {
    if value.is_null() {
        *value = serde_json::Map::new().into();
    }
    value.as_object_mut()
}

/// The text without the mark that some editors on Windows write first.
fn body(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// A range of a text and what takes its place.
type Splice = (Range<usize>, String);

/// The text with these changes, in any order; their ranges begin to count at `from`.
fn spliced(text: &str, from: usize, splices: &[Splice]) -> Result<Zeroizing<String>, Trouble> {
    let mut splices: Vec<_> = splices.iter().collect();
    splices.sort_by_key(|(range, _)| range.start);
    let body = &text[from..];
    // All at once, so that no part of it stays behind in memory when it grows.
    let more: usize = splices.iter().map(|(_, text)| text.len()).sum();
    let mut changed = Zeroizing::new(String::with_capacity(text.len() + more));
    changed.push_str(&text[..from]);
    let mut done = 0;
    for (range, text) in splices {
        // Ranges that overlap are no change that anybody has asked for.
        changed.push_str(body.get(done..range.start).ok_or(Trouble::Strange)?);
        changed.push_str(text);
        done = range.end;
    }
    changed.push_str(body.get(done..).ok_or(Trouble::Strange)?);
    Ok(changed)
}

/// A value in the maps that are missing on the way to it.
fn nested(path: &[&str], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |value, key| Value::Map(vec![((*key).to_owned(), value)]))
}

/// A text in the quotes of JSON, which are also those of TOML and YAML: all that any reader of these does not take as it
/// is, or may take for the end of a line, is escaped.
fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | MARK | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    serde_json::Value::from(text).to_string().chars().map(escaped).collect()
}

/// The mark that some editors on Windows write first.
const MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_does_the_same() {
        let entry = Value::Map(vec![("args".to_owned(), Value::List(vec![Value::text("a"), Value::text("b.c")]))]);
        for (format, sample, after) in [
            (Format::Jsonc, "{\"m\":{\"x\":1}}", "{\"m\":{\"x\":1,\"a.b\":{\"args\":[\"a\",\"b.c\"]}}}"),
            (Format::Toml, "[m]\nx = 1\n", "[m]\nx = 1\n\n[m.\"a.b\"]\nargs = [\"a\", \"b.c\"]\n"),
            (Format::Yaml, "m:\n  x: 1\n", "m:\n  x: 1\n  a.b:\n    args:\n      - a\n      - b.c\n"),
        ] {
            let mut document = format.parse(sample).unwrap();
            let path = ["m", "a.b"];
            document.set(&path, &entry).unwrap();
            assert_eq!((document.text(), document.get(&path)), (after, Some(jsonc::plain(&entry))));
            assert_eq!(document.get(&["m", "x"]), Some(1.into()));
            assert_eq!(document.remove(&path), Ok(Some(vec![])));
            assert_eq!((document.text(), document.get(&path)), (sample, None));
            assert!(
                matches!(document.set(&["m", "x", "y"], &entry), Err(Trouble::NoMap { path, .. }) if path == "m.x")
            );
            let mut empty = format.parse("").unwrap();
            empty.set(&path, &entry).unwrap();
            assert_eq!(empty.get(&["m"]), Some(serde_json::json!({"a.b": {"args": ["a", "b.c"]}})));
        }
    }

    #[test]
    fn changes_that_overlap_are_none() {
        let splices = [(2..4, "x".to_owned()), (1..3, "y".to_owned())];
        assert_eq!(spliced("abcde", 0, &splices), Err(Trouble::Strange));
        let splices = [(2..4, "x".to_owned()), (1..2, "y".to_owned())];
        assert_eq!(spliced("_abcde", 1, &splices).unwrap().as_str(), "_ayxe");
    }

    #[test]
    fn a_key_that_is_there_twice_is_told_and_nothing_is_changed() {
        for text in [r#"{"m":{"a":1},"m":1}"#, r#"{"m":{"a":1},"m":[]}"#, r#"{"m":"x","m":{"a":1}}"#] {
            let mut document = Format::Jsonc.parse(text).unwrap();
            for path in [&["m", "b"][..], &["m"]] {
                let twice = Trouble::Twice { line: 1, path: "m".to_owned() };
                assert_eq!(document.set(path, &Value::Bool(true)), Err(twice), "{text}");
            }
            assert_eq!(document.text(), text);
        }
        // Elsewhere it is nobody's business.
        let mut document = Format::Jsonc.parse(r#"{"x":1,"x":2,"m":{}}"#).unwrap();
        document.set(&["m", "b"], &Value::Bool(true)).unwrap();
        assert_eq!(document.text(), r#"{"x":1,"x":2,"m":{"b":true}}"#);
    }

    #[test]
    fn comments_that_go_are_told() {
        let value = Value::List(vec![Value::text("c")]);
        for (format, text, set) in [
            (
                Format::Jsonc,
                "{\"m\": { // stays\n  \"a\": [\"//x\", // one\n \"y\" /* two */]\n}}",
                ["// one", "/* two */"],
            ),
            (Format::Toml, "[m] # stays\na = [\"#x\", # one\n'it is', # two\n]\n", ["# one", "# two"]),
            (Format::Yaml, "m: # stays\n  a:\n    - x#y # one\n    # two\n    - it's\n", ["# one", "# two"]),
        ] {
            let mut document = format.parse(text).unwrap();
            assert_eq!(document.set(&["m", "a"], &value), Ok(set.map(str::to_owned).to_vec()), "{format:?}");
            assert!(document.text().contains("stays"), "{}", document.text());
            let mut document = format.parse(text).unwrap();
            assert_eq!(document.remove(&["m", "a"]), Ok(Some(set.map(str::to_owned).to_vec())), "{format:?}");
        }
    }
}

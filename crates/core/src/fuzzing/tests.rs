//! The seeds of `fuzz/`, and many inputs made from them. The generator is deterministic: a failure
//! comes again.

use std::fs;
use std::path::Path;

#[test]
fn lines() {
    many("lines", super::lines);
}

#[test]
fn events() {
    many("events", super::events);
}

#[test]
fn envelope() {
    many("envelope", super::envelope);
}

#[test]
fn headers() {
    many("headers", super::headers);
}

/// Runs a target over its seeds, and over inputs that a few changes make of them.
fn many(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(seeds.len() > 2, "{} holds {files:?}", folder.display());
    for seed in &seeds {
        told(target, seed, run);
    }
    let mut dice = Dice(0x6d63_702d_6d74_6c73);
    for _ in 0..INPUTS {
        let mut input = dice.one_of(&seeds).clone();
        for _ in 0..=dice.below(6) {
            dice.change(&mut input, &seeds);
        }
        told(target, &input, run);
    }
}

/// Runs it, and shows the input where that fails.
fn told(target: &str, input: &[u8], run: fn(&[u8])) {
    let ran = std::panic::catch_unwind(|| run(input));
    assert!(ran.is_ok(), "{target} fails, as told above, for b\"{}\"", input.escape_ascii());
}

/// A small generator of numbers (xorshift64), the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Any part of it.
    fn part(&mut self, of: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(of.len() + 1);
        start..start + self.below((of.len() - start).min(40) + 1)
    }

    /// Changes an input a little.
    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let part = self.part(input);
        let new = match self.below(6) {
            0 => vec![u8::try_from(self.below(256)).unwrap()],
            1 => Vec::new(),
            2 => input[part.clone()].repeat(2),
            3 => {
                let other = self.one_of(seeds);
                other[self.part(other)].to_vec()
            }
            _ => self.one_of(WORDS).as_bytes().to_vec(),
        };
        let part = if self.below(2) == 0 { part.start..part.start } else { part };
        input.splice(part, new);
    }
}

/// What means something to one of the readers.
const WORDS: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    " ",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\u0069",
    "\\ud83d",
    "\\\\",
    "é",
    "\u{feff}",
    "null",
    "true",
    "1",
    "-0.0",
    "1e999",
    "12345678901234567890123",
    "\"id\":",
    "\"method\":",
    "\"params\":",
    "\"result\":",
    "\"error\":",
    "\"_meta\":",
    "\"io.modelcontextprotocol/protocolVersion\":",
    "\"2026-07-28\"",
    "\"x-mcp-header\":",
    "\"properties\":",
    "\"type\":",
    "\"string\"",
    "\"items\":",
    "\"name\":",
    "\"arguments\":",
    "data: ",
    "event: ",
    "id: ",
    "retry: ",
    ": ",
    "=?base64?",
    "?=",
];

/// How many inputs each target is given: what takes about a second.
const INPUTS: usize = 10_000;

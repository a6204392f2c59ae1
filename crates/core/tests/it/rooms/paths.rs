//! Reads the paths out of a Rust source, as far as the rules of the rooms need it.
//!
//! A full parser would be one more dependency; a rule that holds for every token is harder to
//! get around than one for the items that we thought of.

use std::iter;

/// What a source names.
pub(super) struct Source {
    /// Every path of at least two parts, and every path of a `use`, with `super` followed up to the root.
    pub(super) paths: Vec<Use>,
    /// The last part of the name of every macro called.
    pub(super) macros: Vec<Use>,
}

/// A path, and the line on which it stands.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

impl Source {
    /// Reads a source that is the given module.
    pub(super) fn read(text: &str, module: &[String]) -> Self {
        let mut reader = Reader {
            tokens: lex(text),
            at: 0,
            module: module.to_vec(),
            open: Vec::new(),
            source: Self { paths: Vec::new(), macros: Vec::new() },
        };
        while reader.at < reader.tokens.len() {
            reader.step();
        }
        reader.source
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// Where we are, inline modules included.
    module: Vec<String>,
    /// One for each brace that is open: whether it opened a module.
    open: Vec<bool>,
    source: Source,
}

impl Reader {
    fn step(&mut self) {
        match (self.kind(0), self.kind(1), self.kind(2)) {
            (Some(Kind::Word(word)), _, _) if word == "use" => {
                self.at += 1;
                self.use_tree(&[]);
            }
            (Some(Kind::Word(word)), Some(Kind::Word(name)), Some(Kind::Mark('{'))) if word == "mod" => {
                self.module.push(name.clone());
                self.open.push(true);
                self.at += 3;
            }
            (Some(Kind::Mark('{')), _, _) => {
                self.open.push(false);
                self.at += 1;
            }
            (Some(Kind::Mark('}')), _, _) => {
                if self.open.pop() == Some(true) {
                    self.module.pop();
                }
                self.at += 1;
            }
            // What follows a dot is a method or a field.
            (Some(Kind::Mark('.')), Some(Kind::Word(_)), _) => self.at += 2,
            (Some(Kind::Word(word)), _, _) if !KEYWORDS.contains(&word.as_str()) => self.path(),
            _ => self.at += 1,
        }
    }

    /// A path in an expression, a type, or the name of a macro.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let follows_generics = self.at >= 2
            && self.tokens[self.at - 1].kind == Kind::Colons
            && self.tokens[self.at - 2].kind == Kind::Mark('>');
        let mut path: Vec<String> = self.word().into_iter().collect();
        while self.kind(0) == Some(&Kind::Colons) && matches!(self.kind(1), Some(Kind::Word(_))) {
            self.at += 1;
            path.extend(self.word());
        }
        if self.kind(0) == Some(&Kind::Mark('!')) && self.kind(1) != Some(&Kind::Mark('=')) {
            self.source.macros.push(Use { line, path: path.split_off(path.len() - 1) });
        } else if self.kind(0) == Some(&Kind::Colons) && self.kind(1) == Some(&Kind::Mark('*')) {
            path.push("*".to_owned());
        }
        if path.len() >= 2 && !follows_generics {
            self.found(line, path);
        }
    }

    /// What follows `use`, down to each leaf of its lists.
    fn use_tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        loop {
            let line = self.tokens.get(self.at).map_or(0, |token| token.line);
            match self.kind(0) {
                Some(Kind::Colons) => self.at += 1,
                Some(Kind::Mark('*')) => {
                    self.at += 1;
                    path.push("*".to_owned());
                    return self.found(line, path);
                }
                Some(Kind::Mark('{')) => {
                    self.at += 1;
                    while !matches!(self.kind(0), None | Some(Kind::Mark('}'))) {
                        if self.kind(0) == Some(&Kind::Mark(',')) {
                            self.at += 1;
                        } else {
                            self.use_tree(&path);
                        }
                    }
                    self.at += 1;
                    return;
                }
                Some(Kind::Word(word)) if word == "self" && !path.is_empty() => {
                    self.at += 1;
                    self.skip_rename();
                    return self.found(line, path);
                }
                Some(Kind::Word(_)) => {
                    path.extend(self.word());
                    if self.kind(0) != Some(&Kind::Colons) {
                        self.skip_rename();
                        return self.found(line, path);
                    }
                }
                _ => {
                    self.at += 1;
                    return;
                }
            }
        }
    }

    fn skip_rename(&mut self) {
        if self.kind(0) == Some(&Kind::Word("as".to_owned())) {
            self.at += 2;
        }
    }

    /// Keeps a path, with `self` and `super` replaced by the module that they mean.
    fn found(&mut self, line: usize, path: Vec<String>) {
        let relative = path.iter().take_while(|part| ["self", "super"].contains(&part.as_str())).count();
        if relative == 0 {
            return self.source.paths.push(Use { line, path });
        }
        let up = path[..relative].iter().filter(|part| *part == "super").count();
        let within = self.module[..self.module.len().saturating_sub(up)].to_vec();
        let path = iter::once("crate".to_owned()).chain(within).chain(path[relative..].iter().cloned()).collect();
        self.source.paths.push(Use { line, path });
    }

    fn word(&mut self) -> Option<String> {
        let word = match self.kind(0) {
            Some(Kind::Word(word)) => Some(word.clone()),
            _ => None,
        };
        self.at += 1;
        word
    }

    fn kind(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }
}

/// The keywords after which a path may begin with `::`, so that they are no part of it.
const KEYWORDS: &[&str] = &[
    "as", "await", "break", "const", "dyn", "else", "enum", "fn", "for", "if", "impl", "in", "let", "loop", "match",
    "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "type", "unsafe", "where", "while",
];

struct Token {
    kind: Kind,
    line: usize,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Word(String),
    Colons,
    Mark(char),
}

/// Words and marks, without comments, texts, characters, lifetimes and numbers.
fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let (length, kind) = match rest {
            ['/', '/', ..] => (until(rest, &['\n']), None),
            ['/', '*', ..] => (block_comment(rest), None),
            ['"', ..] => (quoted(rest, '"'), None),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => (quoted(rest, '\''), None),
            ['\'', ..] => (1 + word(&rest[1..]), None),
            [':', ':', ..] => (2, Some(Kind::Colons)),
            [c, ..] if c.is_alphanumeric() || *c == '_' => word_or_raw(rest),
            [c, ..] if c.is_whitespace() => (1, None),
            [c, ..] => (1, Some(Kind::Mark(*c))),
            [] => break,
        };
        tokens.extend(kind.map(|kind| Token { kind, line }));
        let end = chars.len().min(at + length.max(1));
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// A word, a number (which is dropped), a raw text, or a raw word.
fn word_or_raw(chars: &[char]) -> (usize, Option<Kind>) {
    let length = word(chars);
    let text: String = chars[..length].iter().collect();
    let hashes = chars[length..].iter().take_while(|c| **c == '#').count();
    let after = length + hashes;
    if ["r", "br", "cr"].contains(&text.as_str()) {
        if chars.get(after) == Some(&'"') {
            let end: Vec<char> = iter::once('"').chain(iter::repeat_n('#', hashes)).collect();
            return (after + 1 + until(&chars[after + 1..], &end) + end.len(), None);
        }
        if hashes == 1 {
            let raw = word(&chars[after..]);
            return (after + raw, Some(Kind::Word(chars[after..after + raw].iter().collect())));
        }
    }
    let number = chars[0].is_ascii_digit();
    (length, (!number).then_some(Kind::Word(text)))
}

fn word(chars: &[char]) -> usize {
    chars.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
}

fn until(chars: &[char], end: &[char]) -> usize {
    chars.windows(end.len()).position(|window| window == end).unwrap_or(chars.len())
}

fn quoted(chars: &[char], mark: char) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != mark {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn block_comment(chars: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

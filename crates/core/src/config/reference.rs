//! References in values: `{env:NAME}`, `{file:PATH}` and `{command:PROGRAM ARGUMENTS}`.
//!
//! They are found in the text as written; what they give is never scanned again.

use std::env;
use std::path::{Path, PathBuf};

use super::command::run;
use super::locate::expand;
use super::origin::Origin;
use super::permissions::{self, Opened};
use super::suggest::nearest;
use crate::error::{Code, Failure, Result, brief};
use crate::secret::Secret;

/// Replaces every reference in `written`.
///
/// Reads files and runs programs, so it may block: 5 s for each program at most.
pub(super) fn resolve(written: &Secret, folder: Option<&Path>, origin: &Origin) -> Result<Secret> {
    Template::read(written, folder, origin)?.fill()
}

/// The same, and what each reference gave.
pub(super) fn resolve_with_references(
    written: &Secret,
    folder: Option<&Path>,
    origin: &Origin,
) -> Result<(Secret, Vec<Secret>)> {
    let mut given = Vec::new();
    let mut texts = Vec::new();
    for part in parse(written.expose(), origin)? {
        let is_literal = matches!(part, Part::Literal(_));
        let text = Template::of(vec![part], folder, origin)?.fill()?;
        if !is_literal {
            given.push(text.clone());
        }
        texts.push(text);
    }
    Ok((joined(&texts), given))
}

/// A value whose references are known, so that its files and programs can be asked again.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    folder: Option<PathBuf>,
    origin: Origin,
    /// Whether there is any reference.
    refers: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    /// Literal text, or what the environment gave.
    Fixed(Secret),
    File(PathBuf),
    Command(Secret),
}

impl Template {
    /// Finds the references in `written`; variables are replaced at once, since ours do not change.
    pub(super) fn read(written: &Secret, folder: Option<&Path>, origin: &Origin) -> Result<Self> {
        Self::of(parse(written.expose(), origin)?, folder, origin)
    }

    fn of(parts: Vec<Part<'_>>, folder: Option<&Path>, origin: &Origin) -> Result<Self> {
        let piece = |part| {
            Ok(match part {
                Part::Literal(text) => Piece::Fixed(Secret::new(text.to_owned())),
                Part::Env(name) => Piece::Fixed(variable(name, origin)?),
                Part::File(path) => Piece::File(expand(path, folder, origin)?),
                Part::Command(line) => Piece::Command(Secret::new(line.to_owned())),
            })
        };
        let refers = parts.iter().any(|part| !matches!(part, Part::Literal(_)));
        let pieces = parts.into_iter().map(piece).collect::<Result<_>>()?;
        Ok(Self { pieces, folder: folder.map(Path::to_owned), origin: origin.clone(), refers })
    }

    /// Whether it may give another value the next time.
    pub(super) fn may_change(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Fixed(_)))
    }

    /// Whether text stands beside its references.
    pub(super) fn is_partly_literal(&self) -> bool {
        self.refers && self.pieces.len() > 1
    }

    /// The files that it refers to.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.pieces.iter().filter_map(|piece| if let Piece::File(path) = piece { Some(path.as_path()) } else { None })
    }

    /// The path that `value`, which it gave, stands for in the setting `name`.
    pub(super) fn path(&self, name: &str, value: &str) -> Result<PathBuf> {
        let path = expand(value, self.folder.as_deref(), &self.origin)?;
        // What a reference gives by mistake may be any secret, and messages tell paths. Only what names a
        // file is known to be one.
        match path.symlink_metadata() {
            Err(error) if self.refers => Err(Failure::new(
                Code::FileUnreadable,
                format!("What the reference in `{name}` gives is not the path of a file"),
            )
            .at(self.origin.to_string())
            .because_of(&error)
            .because("It is not shown, since it may be a secret.")
            .fix("Correct what the reference gives, or put the file there.")),
            _ => Ok(path),
        }
    }

    /// The value. Blocks as [`resolve`] does.
    pub(super) fn fill(&self) -> Result<Secret> {
        self.fill_from_files(str::trim).map(|(value, _)| value)
    }

    /// The same, with the files that were read for it, each of which gives what `trim` leaves of its text.
    pub(super) fn fill_from_files(&self, trim: fn(&str) -> &str) -> Result<(Secret, Vec<Opened>)> {
        let mut files = Vec::new();
        let fill = |piece: &Piece| match piece {
            Piece::Fixed(text) => Ok(text.clone()),
            Piece::File(path) => {
                let (text, file) = read(path, trim, &self.origin)?;
                files.push(file);
                Ok(text)
            }
            Piece::Command(line) => run(line.expose(), self.folder.as_deref(), &self.origin),
        };
        let value = joined(&self.pieces.iter().map(fill).collect::<Result<Vec<_>>>()?);
        Ok((value, files))
    }
}

/// The texts as one, in which no text that grows leaves a part of a secret behind.
fn joined(texts: &[Secret]) -> Secret {
    Secret::new(texts.iter().map(Secret::expose).collect::<Vec<_>>().concat())
}

/// What is left of `written` without its references: the part that stands there literally. And
/// whether there are any.
pub(super) fn literal(written: &Secret, origin: &Origin) -> Result<(Secret, bool)> {
    let parts = parse(written.expose(), origin)?;
    let any = parts.iter().any(|part| !matches!(part, Part::Literal(_)));
    let texts = parts.into_iter().map(|part| if let Part::Literal(text) = part { text } else { "" });
    Ok((Secret::new(texts.collect::<Vec<_>>().concat()), any))
}

/// A part of a value as written.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    Literal(&'a str),
    Env(&'a str),
    File(&'a str),
    Command(&'a str),
}

/// The references in a text, and what stands between them.
pub(super) fn parse<'a>(text: &'a str, origin: &Origin) -> Result<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut literal = 0;
    while let Some(open) = rest[literal..].find('{').map(|at| at + literal) {
        let dollar = open > 0 && rest.as_bytes()[open - 1] == b'$';
        if !dollar && !may_refer(&rest[open + 1..]) {
            literal = open + 1;
            continue;
        }
        let Some(inner) = braced(&rest[open..]) else {
            // Sent literally it would be wrong, whatever was meant.
            // After a dollar it may be a password that looks like a reference, and is not told.
            let written = if dollar { "${".to_owned() } else { format!("{{{}", kind_of(&rest[open + 1..])) };
            return Err(unresolved(format!("The reference `{written}…` is not closed"), origin).fix("Add its `}`."));
        };
        let part = if dollar { foreign(inner, origin)? } else { own(inner, origin)? };
        let Some(part) = part else {
            literal = open + 1;
            continue;
        };
        let before = &rest[..open - usize::from(dollar)];
        if !before.is_empty() {
            parts.push(Part::Literal(before));
        }
        parts.push(part);
        rest = &rest[open + inner.len() + 2..];
        literal = 0;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    Ok(parts)
}

/// Whether a reference begins here, after a brace, rightly spelt or nearly.
fn may_refer(text: &str) -> bool {
    let kind = kind_of(text);
    kind.len() <= LONGEST_KIND && text[kind.len()..].starts_with(':') && nearest(kind, KINDS).is_some()
}

fn kind_of(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len())]
}

/// The text between the opening brace and the one that closes it.
fn braced(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(&text[1..at]),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn own<'a>(inner: &'a str, origin: &Origin) -> Result<Option<Part<'a>>> {
    let Some((kind, argument)) = inner.split_once(':') else { return Ok(None) };
    let argument = argument.trim();
    let part = match kind {
        "env" => Part::Env(argument),
        "file" => Part::File(argument),
        "command" => Part::Command(argument),
        _ => match nearest(kind, KINDS) {
            Some(near) => {
                return Err(unresolved(format!("`{{{kind}:…}}` is not a reference"), origin)
                    .fix(format!("Did you mean `{{{near}:…}}`?")));
            }
            None => return Ok(None),
        },
    };
    if argument.is_empty() {
        return Err(unresolved(format!("`{{{kind}:}}` names nothing"), origin).fix("Write a name behind the colon."));
    }
    Ok(Some(part))
}

/// The notation of other hosts, `${NAME}` and `${env:NAME}`: translated, or refused; sent literally it would be wrong.
fn foreign<'a>(inner: &'a str, origin: &Origin) -> Result<Option<Part<'a>>> {
    let name = inner.strip_prefix("env:").unwrap_or(inner);
    if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        return Ok(Some(Part::Env(name)));
    }
    // What follows the first word may be a default value, and that a secret.
    let kind: String = inner.chars().take_while(|c| *c == '_' || c.is_ascii_alphanumeric()).collect();
    Err(unresolved(format!("`${{{kind}…}}` cannot be translated"), origin)
        .because("It is another host's notation.")
        .fix("Write {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}."))
}

fn variable(name: &str, origin: &Origin) -> Result<Secret> {
    match env::var(name) {
        Ok(value) => Ok(Secret::new(value)),
        Err(env::VarError::NotPresent) => {
            Err(unresolved(format!("The environment variable `{name}` is not set"), origin)
                .because("Some hosts start servers with a cleared environment.")
                .fix(format!("Set {name} where the host passes it on (its `env` setting), or use {{file:…}}.")))
        }
        Err(env::VarError::NotUnicode(_)) => {
            Err(unresolved(format!("The environment variable `{name}` is not UTF-8 text"), origin)
                .fix("Give it as UTF-8, or use {file:…}."))
        }
    }
}

fn read(path: &Path, trim: fn(&str) -> &str, origin: &Origin) -> Result<(Secret, Opened)> {
    let failed = |error: std::io::Error| {
        let failure = unresolved(
            format!(
                "The file `{}` of a reference cannot be read",
                brief(&path.file_name().unwrap_or(path.as_os_str()).display().to_string())
            ),
            origin,
        )
        .at(path.display().to_string())
        .because_of(&error);
        match error.kind() {
            std::io::ErrorKind::InvalidData => failure.fix(
                "Name a certificate or key in DER or PKCS#12 by its path alone, without `{file:…}`, which gives text.",
            ),
            std::io::ErrorKind::PermissionDenied => failure.fix("Let the user that runs the host read it."),
            _ => failure.fix("Correct the path, or put the file there."),
        }
    };
    let (bytes, file) = permissions::read(path).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))?;
    Ok((Secret::new(trim(text).to_owned()), file))
}

pub(super) fn unresolved(what: String, origin: &Origin) -> Failure {
    Failure::new(Code::ReferenceUnresolved, what).at(origin.to_string())
}

const KINDS: [&str; 3] = ["env", "file", "command"];
/// The longest of them, misspelt.
const LONGEST_KIND: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::Program("test".into())
    }

    fn value(text: &str) -> Result<String> {
        resolve(&Secret::new(text.into()), None, &origin()).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn finds_references_among_literal_text() {
        let parts = parse("a {\"x\":1} {env:A}${B}-{command:sh -c 'echo {}'}", &origin()).unwrap();
        let expected = [
            Part::Literal("a {\"x\":1} "),
            Part::Env("A"),
            Part::Env("B"),
            Part::Literal("-"),
            Part::Command("sh -c 'echo {}'"),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn results_are_not_scanned_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        std::fs::write(&file, "{env:HOME}\n").unwrap();
        assert_eq!(value(&format!("<{{file:{}}}>", file.display())).unwrap(), "<{env:HOME}>");
    }

    #[cfg(unix)]
    #[test]
    fn commands_run_without_a_shell() {
        assert_eq!(value("{command:printf '%s' '$HOME  x'}").unwrap(), "$HOME  x");
        for (command, why) in [
            ("false", "It ended with the exit status 1."),
            ("true", "It printed nothing."),
            ("/nonexistent/x", "There is no such file."),
            ("printf '\\377'", "What it printed is not UTF-8 text."),
        ] {
            let failure = value(&format!("{{command:{command}}}")).unwrap_err();
            assert_eq!(failure.facts().why, [why]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn commands_have_a_time_limit() {
        let failure = value("{command:sleep 60}").unwrap_err();
        assert_eq!(failure.facts().why, ["It took longer than 5 s."]);
    }

    #[cfg(unix)]
    #[test]
    fn half_of_what_a_command_printed_is_no_value() {
        // Within what a pipe holds beyond the limit, so that the program itself ends well.
        let command = format!("{{command:head -c {} /dev/zero}}", (1 << 20) + 10);
        let failure = value(&command).unwrap_err();
        assert_eq!(failure.facts().why, ["It printed more than 1 MiB."]);
    }

    #[test]
    fn a_brace_that_is_no_reference_hides_none() {
        assert_eq!(parse("{ {env:A}", &origin()).unwrap(), [Part::Literal("{ "), Part::Env("A")]);
        assert_eq!(parse("{\"a\": \"{env:A}\"}", &origin()).unwrap()[1], Part::Env("A"));
        assert_eq!(parse("{{{é}:", &origin()).unwrap(), [Part::Literal("{{{é}:")]);
        assert_eq!(parse("{:}{}${A}", &origin()).unwrap(), [Part::Literal("{:}{}"), Part::Env("A")]);
    }

    #[test]
    fn a_reference_that_is_not_closed_is_never_sent() {
        for text in ["Bearer {env:TOKEN", "Bearer ${TOKEN", "{file:{a}", "{env:A}{command:x"] {
            let failure = value(text).unwrap_err();
            assert!(failure.to_string().contains("is not closed. Add its `}`."), "{failure}");
        }
    }

    #[test]
    fn default_values_of_other_hosts_are_not_told() {
        let failure = value("${TOKEN:-hunter2}").unwrap_err();
        assert_eq!(failure.facts().what, "`${TOKEN…}` cannot be translated");
    }

    #[test]
    fn braces_are_read_in_linear_time() {
        let text = "{".repeat(1 << 20);
        assert_eq!(parse(&text, &origin()).unwrap(), [Part::Literal(&text)]);
    }

    #[test]
    fn wrong_references_are_errors() {
        assert!(value("{evn:X}").unwrap_err().to_string().contains("`{env:…}`"));
        assert!(value("{env:}").is_err());
        assert!(value("${input:token}").is_err());
        assert!(value("${X:-default}").is_err());
        assert!(value("{env:MCP_MTLS_SURELY_UNSET}").unwrap_err().to_string().contains("MCP_MTLS_SURELY_UNSET"));
    }
}

//! The configuration file: JSON with comments, read key by key so that every error has its line.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};
use zeroize::Zeroizing;

use super::origin::{Origin, Origins};
use super::reader::{Reader, kind};
use super::settings::{EntrySettings, TlsSettings};
use super::suggest::nearest;
use super::{Entry, Guard, read_file};
use crate::error::{Code, Failure, Result, brief};

/// A configuration file that was read; its entries are checked when they are asked for, so that
/// one broken entry does not keep the others from working.
pub struct File {
    path: Arc<PathBuf>,
    /// What relative paths in it are relative to.
    folder: Option<PathBuf>,
    /// Some people write their secrets into it.
    text: Zeroizing<String>,
    /// Where its entry comes from, if it was translated.
    source: Option<Source>,
}

/// Where an entry stands that was translated out of what another program has in a file.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The path of keys to the entry; empty when it is all that the file holds.
    pub key: String,
    /// The lines of all keys of that file, by their paths.
    pub lines: BTreeMap<String, usize>,
}

impl Source {
    /// The line of a key, or of what it stands in.
    fn line(&self, mut key: &str) -> usize {
        loop {
            if let Some(line) = self.lines.get(key) {
                return *line;
            }
            let Some((above, _)) = key.rsplit_once('.') else { return 1 };
            key = above;
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    /// Reads a file. `Ok(None)` when there is none.
    ///
    /// # Errors
    /// `config-unreadable`, `config-syntax`.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match read_file(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::new(
                    Code::ConfigUnreadable,
                    format!("The configuration file {} cannot be read", named(path)),
                )
                .at(path.display().to_string())
                .because_of(&error)
                .fix("Let the user that runs the host read it, or name another file with --config."));
            }
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(Failure::new(Code::ConfigSyntax, "The configuration file is not UTF-8 text")
                .at(path.display().to_string())
                .fix("Save it as UTF-8."));
        };
        let folder = path.parent().map(Path::to_owned);
        Self::parse(path, folder, text).map(Some)
    }

    /// The same with a text of which `path` says where it stands, or will stand. Relative paths in it are relative
    /// to `folder`.
    ///
    /// # Errors
    /// `config-syntax`.
    pub fn parse(path: PathBuf, folder: Option<PathBuf>, text: &str) -> Result<Self> {
        let text = Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
        let file = Self { path: Arc::new(path), folder, text, source: None };
        file.root()?;
        Ok(file)
    }

    /// The same file, of which messages tell as of its source.
    #[must_use]
    pub fn translated(self, source: Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all entries, in the order of the file.
    ///
    /// # Errors
    /// `config-syntax`, `config-invalid-value`, `config-conflict`.
    pub fn names(&self) -> Result<Vec<String>> {
        let root = self.root()?;
        let names = self.entries(&root)?.into_iter().map(|(_, property)| property.name.as_str().to_owned());
        Ok(names.collect())
    }

    /// The entry of that name, if there is one.
    ///
    /// # Errors
    /// `config-unknown-key`, `config-invalid-value`, `config-conflict`.
    pub fn entry(&self, name: &str) -> Result<Option<Entry>> {
        let root = self.root()?;
        let entries = self.entries(&root)?;
        let Some((map, property)) = entries.into_iter().find(|(_, property)| property.name.as_str() == name) else {
            return Ok(None);
        };
        self.read_entry(name, map, property).map(Some)
    }

    /// Every entry whose name is `wanted`, with one reading of the file for all of them.
    ///
    /// # Errors
    /// `config-syntax`, `config-invalid-value`, `config-conflict` of the file; those of an entry are its own.
    pub fn entries_of(&self, wanted: impl Fn(&str) -> bool) -> Result<HashMap<String, Result<Entry>>> {
        let root = self.root()?;
        let entries = self.entries(&root)?.into_iter().map(|(map, property)| (map, property.name.as_str(), property));
        let entries = entries.filter(|(_, name, _)| wanted(name));
        Ok(entries.map(|(map, name, property)| (name.to_owned(), self.read_entry(name, map, property))).collect())
    }

    fn root(&self) -> Result<Object<'_>> {
        // Strict but for comments and trailing commas: what else the parser can take, other hosts' readers cannot.
        let options = ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        match parse_to_ast(&self.text, &CollectOptions::default(), &options) {
            Ok(parsed) => match parsed.value {
                Some(Value::Object(root)) => Ok(root),
                _ => Err(Failure::new(Code::ConfigSyntax, "The configuration file holds no JSON object")
                    .at(format!("{}:1", self.path.display()))
                    .fix(SHAPE)),
            },
            Err(error) => Err(Failure::new(
                Code::ConfigSyntax,
                format!("The configuration file {} is not valid JSON", named(&self.path)),
            )
            .at(format!("{}:{}", self.path.display(), error.line_display()))
            .because(format!("{}, at column {}.", in_words(error.kind()), error.column_display()))
            .fix(format!(
                "Mend the syntax in line {}, column {}. Comments and trailing commas are allowed.",
                error.line_display(),
                error.column_display()
            ))
            .evidence("line", error.line_display())
            .evidence("column", error.column_display())),
        }
    }

    /// All entries of all maps, each with the name of its map.
    fn entries<'a, 'b>(&self, root: &'b Object<'a>) -> Result<Vec<(&'static str, &'b ObjectProp<'a>)>> {
        let mut entries: Vec<(&'static str, &ObjectProp<'_>)> = Vec::new();
        let mut any = false;
        // A parser's own look-up gives the first of two maps of one name, and the entries of the other would be lost.
        let maps = root
            .properties
            .iter()
            .filter_map(|property| Some((MAPS.into_iter().find(|map| *map == property.name.as_str())?, property)));
        let mut seen = HashMap::new();
        for (map, property) in maps {
            any = true;
            let Value::Object(object) = &property.value else {
                return Err(self.wrong_kind(property, map, "an object of entries by name"));
            };
            for entry in &object.properties {
                let name = entry.name.as_str();
                if let Some((other, first)) = seen.insert(name, (map, entry)) {
                    return Err(Failure::new(
                        Code::ConfigConflict,
                        format!("The entry `{name}` stands twice in the file"),
                    )
                    .at(self.place(entry, &format!("{map}.{name}")).to_string())
                    .because(format!("The other is {}.", self.place(first, &format!("{other}.{name}"))))
                    .fix("Remove or rename one of them."));
                }
                entries.push((map, entry));
            }
        }
        if any { Ok(entries) } else { Err(self.no_map(root)) }
    }

    fn no_map(&self, root: &Object<'_>) -> Failure {
        let failure = Failure::new(Code::ConfigUnknownKey, "The configuration file has no map of servers");
        let near = root.properties.iter().find_map(|p| Some((p, nearest(p.name.as_str(), MAPS)?)));
        match near {
            Some((property, name)) => failure
                .at(self.place(property, property.name.as_str()).to_string())
                .fix(format!("Rename `{}` to `{name}`.", property.name.as_str())),
            None => failure.at(self.path.display().to_string()).fix(SHAPE),
        }
    }

    fn read_entry(&self, name: &str, map: &str, property: &ObjectProp<'_>) -> Result<Entry> {
        let path = self.source.as_ref().map_or_else(|| format!("{map}.{name}"), |source| source.key.clone());
        let Value::Object(object) = &property.value else {
            return Err(self.wrong_kind(property, &path, "an object"));
        };
        if let Some(command) = object.get("command") {
            return Err(Failure::new(Code::ConfigConflict, format!("The entry `{name}` is a local server"))
                .at(self.place(command, &format!("{path}.command")).to_string())
                .because("It starts a command; mcp-mtls connects to servers by their `url`.")
                .fix("Name an entry that has a `url`."));
        }
        let origins = Origins::entry(self.place(property, &path));
        let mut reader = Reader { file: self, origins, warnings: Vec::new(), prefix: path };
        let mut settings: EntrySettings = reader.object(object, "", &["tls"])?;
        if let Some(tls) = object.get("tls") {
            settings.tls = match &tls.value {
                Value::Object(tls) => Some(self.read_tls(&mut reader, tls)?),
                Value::NullKeyword(_) => None,
                _ => return Err(self.wrong_kind(tls, &reader.path("tls"), "an object")),
            };
        }
        Ok(Entry {
            name: Some(name.to_owned()),
            settings,
            origins: reader.origins,
            folders: self.folder.iter().map(|folder| (Arc::clone(&self.path), folder.clone())).collect(),
            warnings: reader.warnings,
            guard: Guard::default(),
        })
    }

    fn read_tls(&self, reader: &mut Reader<'_>, tls: &Object<'_>) -> Result<TlsSettings> {
        let mut settings: TlsSettings = reader.object(tls, "tls.", &["spiffe"])?;
        if let Some(spiffe) = tls.get("spiffe") {
            settings.spiffe = match &spiffe.value {
                Value::Object(spiffe) => Some(reader.object(spiffe, "tls.spiffe.", &[])?),
                Value::NullKeyword(_) => None,
                _ => return Err(self.wrong_kind(spiffe, &reader.path("tls.spiffe"), "an object")),
            };
        }
        Ok(settings)
    }

    pub(super) fn wrong_kind(&self, property: &ObjectProp<'_>, path: &str, wanted: &str) -> Failure {
        Failure::new(Code::ConfigInvalidValue, format!("`{path}` has a value of the wrong kind"))
            .at(self.place(property, path).to_string())
            .because(format!("It is {}; {wanted} is expected.", kind(&property.value)))
            .fix(format!("Write {}.", wanted.trim_end_matches(',')))
    }

    pub(super) fn place(&self, node: &impl Ranged, key: &str) -> Origin {
        if let Some(source) = &self.source {
            return Origin::File { file: Arc::clone(&self.path), line: source.line(key), key: key.to_owned() };
        }
        let before = &self.text.as_bytes()[..node.start().min(self.text.len())];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        Origin::File { file: Arc::clone(&self.path), line, key: key.to_owned() }
    }
}

/// A file as it is named in a sentence.
pub(super) fn named(path: &Path) -> String {
    brief(&path.display().to_string())
}

/// What is wrong with the syntax, without a full stop. The words of the reader may repeat what stands there, and
/// name what it could take and other hosts could not.
fn in_words(kind: &ParseErrorKind) -> &'static str {
    use ParseErrorKind as E;
    match kind {
        E::ExpectedColonAfterObjectKey => "A colon is missing after the name of a key",
        E::ExpectedObjectValue => "A value is missing after a colon",
        E::ExpectedStringObjectProperty | E::UnexpectedTokenInObject => {
            "The name of a key is missing, or not in double quotes"
        }
        E::ExpectedComma => "A comma is missing",
        E::ExpectedDigit
        | E::ExpectedDigitFollowingNegativeSign
        | E::ExpectedPlusMinusOrDigitInNumberLiteral
        | E::BareDecimalPointNumbersNotAllowed
        | E::HexadecimalNumbersNotAllowed
        | E::NonFiniteNumbersNotAllowed
        | E::UnaryPlusNumbersNotAllowed => "A number is not written as JSON has it",
        E::MultipleRootJsonValues => "Something stands behind the end of the object",
        E::SingleQuotedStringsNotAllowed => "Text stands in single quotes; JSON wants double ones",
        E::String(ParseStringErrorKind::UnterminatedStringLiteral) => "Text has no closing double quote",
        E::String(_) => "Text has a backslash that JSON does not know; write \\\\ for one",
        E::UnexpectedCloseBrace => "There is a `}` too many, or a value is missing before it",
        E::UnexpectedCloseBracket => "There is a `]` too many, or a value is missing before it",
        E::UnexpectedColon => "There is a colon too many",
        E::UnexpectedComma => "There is a comma too many",
        E::UnexpectedWord => "A word stands there without double quotes",
        E::UnterminatedArray => "A `]` is missing for the `[`",
        E::UnterminatedObject => "A `}` is missing for the `{`",
        E::UnterminatedCommentBlock => "A comment has no `*/`",
        E::NestingDepthExceeded => "Too many objects stand within each other",
        _ => "Something stands there that JSON does not have",
    }
}

/// The names under which hosts keep their servers.
pub const MAPS: [&str; 3] = ["mcp", "mcpServers", "servers"];

const SHAPE: &str = r#"Write { "mcp": { "NAME": { "url": "https://…", "tls": { … } } } }."#;

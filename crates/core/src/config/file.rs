//! The configuration file: JSON with comments, read key by key so that every error has its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::origin::{Origin, Origins};
use super::settings::{ALIASES, EntrySettings, TlsSettings};
use super::suggest::{list, nearest};
use super::Entry;
use crate::error::{Code, Failure, Result};

/// A configuration file that was read; its entries are checked when they are asked for, so that
/// one broken entry does not keep the others from working.
#[derive(Debug)]
pub struct File {
    path: Arc<PathBuf>,
    text: String,
}

impl File {
    /// Reads a file. `Ok(None)` when there is none.
    ///
    /// # Errors
    /// `config-unreadable`, `config-syntax`.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::new(Code::ConfigUnreadable, "The configuration file cannot be read")
                    .at(path.display().to_string())
                    .because(error.to_string()));
            }
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(Failure::new(Code::ConfigSyntax, "The configuration file is not UTF-8 text")
                .at(path.display().to_string())
                .fix("Save it as UTF-8."));
        };
        let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned);
        let file = Self { path: Arc::new(path), text };
        file.root()?;
        Ok(Some(file))
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
            Err(error) => Err(Failure::new(Code::ConfigSyntax, "The configuration file is not valid JSON")
                .at(format!("{}:{}", self.path.display(), error.line_display()))
                .because(format!("{}, at column {}", error.kind(), error.column_display()))
                .fix("Mend the syntax there. Comments and trailing commas are allowed.")),
        }
    }

    /// All entries of all maps, each with the name of its map.
    fn entries<'a, 'b>(&self, root: &'b Object<'a>) -> Result<Vec<(&'static str, &'b ObjectProp<'a>)>> {
        let mut entries: Vec<(&'static str, &ObjectProp<'_>)> = Vec::new();
        let mut any = false;
        for map in MAPS {
            let Some(property) = root.get(map) else { continue };
            any = true;
            let Value::Object(object) = &property.value else {
                return Err(self.wrong_kind(property, map, "an object of entries by name"));
            };
            for entry in &object.properties {
                if let Some((other, first)) = entries.iter().find(|(_, e)| e.name.as_str() == entry.name.as_str()) {
                    let name = entry.name.as_str();
                    return Err(Failure::new(Code::ConfigConflict, format!("The entry `{name}` stands twice in the file"))
                        .at(self.place(entry, &format!("{map}.{name}")).to_string())
                        .because(format!("The other is {}.", self.place(*first, &format!("{other}.{name}"))))
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
        let path = format!("{map}.{name}");
        let Value::Object(object) = &property.value else {
            return Err(self.wrong_kind(property, &path, "an object"));
        };
        if let Some(command) = object.get("command") {
            return Err(Failure::new(Code::ConfigConflict, format!("The entry `{name}` is a local server"))
                .at(self.place(command, &format!("{path}.command")).to_string())
                .because("It starts a command; mcp-mtls connects to servers by their `url`.")
                .fix("Name an entry that has a `url`."));
        }
        let mut reader = Reader {
            file: self,
            origins: Origins::entry(self.place(property, &path)),
            warnings: Vec::new(),
            prefix: path,
        };
        let mut settings: EntrySettings = reader.object(object, "", &["tls"])?;
        if let Some(tls) = object.get("tls") {
            settings.tls = match &tls.value {
                Value::Object(tls) => Some(reader.object::<TlsSettings>(tls, "tls.", &[])?),
                Value::NullKeyword(_) => None,
                _ => return Err(self.wrong_kind(tls, &format!("{}.tls", reader.prefix), "an object")),
            };
        }
        Ok(Entry {
            name: Some(name.to_owned()),
            settings,
            origins: reader.origins,
            folder: self.path.parent().map(Path::to_owned),
            warnings: reader.warnings,
        })
    }

    fn wrong_kind(&self, property: &ObjectProp<'_>, path: &str, wanted: &str) -> Failure {
        Failure::new(Code::ConfigInvalidValue, format!("`{path}` has a value of the wrong kind"))
            .at(self.place(property, path).to_string())
            .because(format!("It is {}; {wanted} is expected.", kind(&property.value)))
    }

    fn place(&self, node: &impl Ranged, key: &str) -> Origin {
        let before = &self.text.as_bytes()[..node.start().min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { file: Arc::clone(&self.path), line, key: key.to_owned() }
    }
}

/// Reads the objects of one entry.
struct Reader<'a> {
    file: &'a File,
    origins: Origins,
    warnings: Vec<String>,
    /// The path of the entry in the file.
    prefix: String,
}

impl Reader<'_> {
    /// Reads one object into its type, a key at a time, so that each error has its key and line.
    /// `nested` are keys that the caller reads.
    fn object<T>(&mut self, object: &Object<'_>, at: &str, nested: &[&str]) -> Result<T>
    where
        T: DeserializeOwned + JsonSchema,
    {
        let schema = schemars::schema_for!(T).to_value();
        let properties = &schema["properties"];
        let known: Vec<_> = properties.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)).collect();
        let strict = schema["additionalProperties"] == false;
        let mut seen = BTreeMap::<String, usize>::new();
        let mut values = serde_json::Map::new();
        for property in &object.properties {
            let written = property.name.as_str();
            let name = ALIASES.iter().find(|(alias, _)| !strict && *alias == written).map_or(written, |(_, name)| name);
            let path = format!("{}.{at}{written}", self.prefix);
            let place = self.file.place(property, &path);
            if !known.contains(&name) {
                self.unknown(&path, written, &place, &known, strict)?;
                continue;
            }
            if let Some(line) = seen.insert(name.to_owned(), line(&place)) {
                return Err(Failure::new(Code::ConfigConflict, format!("`{path}` is set twice"))
                    .at(place.to_string())
                    .because(format!("It is also set on line {line}."))
                    .fix("Keep one of them."));
            }
            self.origins.set(&format!("{at}{name}"), place);
            if nested.contains(&name) {
                continue;
            }
            let value = serde_json::Value::from(property.value.clone());
            let alone = serde_json::Map::from_iter([(name.to_owned(), value.clone())]);
            if serde_json::from_value::<T>(alone.into()).is_err() {
                return Err(self.wrong_value(property, &path, name, &schema));
            }
            self.headers(at, name, &property.value);
            values.insert(name.to_owned(), value);
        }
        serde_json::from_value(values.into())
            .map_err(|_| Failure::new(Code::ConfigInvalidValue, format!("`{}` cannot be read", self.prefix)))
    }

    /// Unknown keys are errors where all keys are ours, and a warning where other hosts have keys of their own.
    fn unknown(&mut self, path: &str, key: &str, place: &Origin, known: &[&str], strict: bool) -> Result<()> {
        let near = nearest(key, known.iter().copied());
        if !strict {
            let hint = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            self.warnings.push(format!("{place}: unknown key, not used{hint}"));
            return Ok(());
        }
        let failure = Failure::new(Code::ConfigUnknownKey, format!("`{path}` is not a setting")).at(place.to_string());
        Err(match near {
            Some(name) => failure.fix(format!("Did you mean `{name}`?")),
            None => failure.because(format!("The settings here are {}.", list(known.iter().copied()))),
        })
    }

    fn headers(&mut self, at: &str, name: &str, value: &Value<'_>) {
        if let ("", "headers", Value::Object(headers)) = (at, name, value) {
            for header in &headers.properties {
                let name = header.name.as_str();
                let place = self.file.place(header, &format!("{}.headers.{name}", self.prefix));
                self.origins.set(&format!("headers.{name}"), place);
            }
        }
    }

    fn wrong_value(&self, property: &ObjectProp<'_>, path: &str, name: &str, schema: &serde_json::Value) -> Failure {
        let failure = self.file.wrong_kind(property, path, &expected(&schema["properties"][name]));
        match (name, &property.value) {
            ("type", Value::StringLit(text)) => {
                let failure = Failure::new(Code::ConfigInvalidValue, format!("`{path}` is not a transport known here"))
                    .at(failure.facts().place.join(""));
                match text.value.as_ref() {
                    "sse" => failure
                        .because("The HTTP+SSE transport of 2024-11-05 is not supported by this version.")
                        .fix("If the server also speaks Streamable HTTP, write \"remote\" and its URL for that."),
                    "local" | "stdio" => failure.because("The entry is a local server, without a URL."),
                    _ => failure.fix("Write \"remote\", \"http\" or \"streamable-http\"."),
                }
            }
            ("oauth", _) => failure
                .because("OAuth is not supported by this version.")
                .fix("Remove the key, or write false. A token you have can stand in `headers`."),
            _ => failure,
        }
    }
}

fn line(origin: &Origin) -> usize {
    match origin {
        Origin::File { line, .. } => *line,
        _ => 0,
    }
}

/// What a property takes, in words, from its schema.
fn expected(property: &serde_json::Value) -> String {
    let kinds = match &property["type"] {
        serde_json::Value::String(kind) => vec![kind.as_str()],
        serde_json::Value::Array(kinds) => kinds.iter().filter_map(|kind| kind.as_str()).collect(),
        _ => vec![],
    };
    match kinds.first() {
        _ if property["enum"].is_array() => "false".to_owned(),
        Some(&"string") => "text in quotation marks".to_owned(),
        Some(&"boolean") => "true or false".to_owned(),
        Some(&"integer") => "a whole number, not negative,".to_owned(),
        Some(&"object") => "an object of texts by name".to_owned(),
        _ => "another kind of value".to_owned(),
    }
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::StringLit(_) => "text",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(_) => "true or false",
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::NullKeyword(_) => "null",
    }
}

/// The names under which hosts keep their servers.
const MAPS: [&str; 3] = ["mcp", "mcpServers", "servers"];

const SHAPE: &str = r#"Write { "mcp": { "NAME": { "url": "https://…", "tls": { … } } } }."#;


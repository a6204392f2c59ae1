//! Reads the objects of one entry, a key at a time.

use std::collections::BTreeMap;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::file::File;
use super::meant::{bare, elsewhere, is_meant_as_tls, within_tls};
use super::origin::{Origin, Origins};
use super::settings::ALIASES;
use super::suggest::{list, nearest};
use crate::error::{Code, Failure, Result};

/// Reads the objects of one entry.
pub(super) struct Reader<'a> {
    pub(super) file: &'a File,
    pub(super) origins: Origins,
    pub(super) warnings: Vec<String>,
    /// The path of the entry in the file.
    pub(super) prefix: String,
}

impl Reader<'_> {
    /// The path in the file of a key of the entry.
    pub(super) fn path(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}.{key}", self.prefix) }
    }

    /// Reads one object into its type, a key at a time, so that each error has its key and line.
    /// `nested` are keys that the caller reads.
    pub(super) fn object<T>(&mut self, object: &Object<'_>, at: &str, nested: &[&str]) -> Result<T>
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
            let path = self.path(&format!("{at}{written}"));
            let place = self.file.place(property, &path);
            if !known.contains(&name) {
                self.unknown(&path, written, &place, &known, strict)?;
                continue;
            }
            if let Some(line) = seen.insert(name.to_owned(), line(&place)) {
                return Err(twice(&path, &place, line));
            }
            self.origins.set(&format!("{at}{name}"), place);
            if nested.contains(&name) {
                continue;
            }
            if let ("", "headers", Value::Object(headers)) = (at, name, &property.value) {
                self.headers(headers)?;
            }
            let value = serde_json::Value::from(property.value.clone());
            let alone = serde_json::Map::from_iter([(name.to_owned(), value.clone())]);
            if serde_json::from_value::<T>(alone.into()).is_err() {
                return Err(self.wrong_value(property, &path, name, &schema));
            }
            values.insert(name.to_owned(), value);
        }
        serde_json::from_value(values.into()).map_err(|_| {
            Failure::new(Code::ConfigInvalidValue, format!("`{}` cannot be read", self.prefix))
                .fix("Compare it with the documentation of the settings.")
        })
    }

    /// Unknown keys are errors where all keys are ours, and a warning where other hosts have keys of their own;
    /// but never where it would leave out the client certificate.
    fn unknown(&mut self, path: &str, key: &str, place: &Origin, known: &[&str], strict: bool) -> Result<()> {
        let near = nearest(key, known.iter().copied());
        if let (false, Some(name)) = (strict, within_tls(key)) {
            return Err(Failure::new(Code::ConfigUnknownKey, format!("`{path}` is not a setting"))
                .at(place.to_string())
                .fix(format!("Write it within `tls`: \"tls\": {{ \"{name}\": … }}.")));
        }
        let near = if !strict && is_meant_as_tls(key) { Some("tls") } else { near };
        if !strict && near != Some("tls") {
            let hint = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
            self.warnings.push(format!("{place}: unknown key, not used{hint}"));
            return Ok(());
        }
        let failure = Failure::new(Code::ConfigUnknownKey, format!("`{path}` is not a setting")).at(place.to_string());
        let meant = elsewhere(key);
        Err(match (meant.filter(|name| known.contains(name)), near) {
            (Some(name), _) => failure.fix(format!("Rename it to `{name}`.")),
            (None, Some(name)) => failure.fix(format!("Did you mean `{name}`?")),
            (None, None) if switches_verification(key) => failure
                .because("Verification of the server is never switched off.")
                .fix("Remove it, and set `ca` to the CA of the server."),
            // Without it something would go out that was not meant to; no more than its author knows what.
            (None, None) => failure
                .because(format!("The settings here are {}.", list(known.iter().copied())))
                .fix("Rename it to the one of these that is meant; if none is, remove it."),
        })
    }

    /// Headers by themselves, so that a wrong one has its own line, and none is lost to another of its name.
    fn headers(&mut self, headers: &Object<'_>) -> Result<()> {
        let mut seen = BTreeMap::new();
        for header in &headers.properties {
            let name = header.name.as_str();
            let path = self.path(&format!("headers.{name}"));
            let Value::StringLit(_) = header.value else {
                return Err(self.file.wrong_kind(header, &path, TEXT));
            };
            let place = self.file.place(header, &path);
            // The names of headers are the same in capitals (RFC 9110, section 5.1).
            if let Some(line) = seen.insert(name.to_ascii_lowercase(), line(&place)) {
                return Err(twice(&path, &place, line));
            }
            self.origins.set(&format!("headers.{name}"), place);
        }
        Ok(())
    }

    fn wrong_value(&self, property: &ObjectProp<'_>, path: &str, name: &str, schema: &serde_json::Value) -> Failure {
        let failure = self.file.wrong_kind(property, path, &expected(&schema["properties"][name]));
        match (name, &property.value) {
            ("type" | "exec", value) if !matches!(value, Value::StringLit(_)) => {
                let (wanted, fix) = if name == "type" { (TEXT, TRANSPORTS) } else { (PROGRAM, WRITE_PROGRAM) };
                Failure::new(failure.code(), failure.facts().what.clone())
                    .at(failure.facts().place.join(""))
                    .because(format!("It is {}; {wanted} is expected.", kind(value)))
                    .fix(fix)
            }
            ("type", Value::StringLit(text)) => {
                let failure = Failure::new(Code::ConfigInvalidValue, format!("`{path}` is not a transport known here"))
                    .at(failure.facts().place.join(""));
                match text.value.as_ref() {
                    "local" | "stdio" => failure
                        .because(
                            "That is a server which the host starts by itself; mcp-mtls connects to those with a URL.",
                        )
                        .fix("Write \"remote\" if it has a URL."),
                    _ => failure.fix(TRANSPORTS),
                }
            }
            ("oauth", _) => Failure::new(Code::ConfigInvalidValue, failure.facts().what.clone())
                .at(failure.facts().place.join(""))
                .because(failure.facts().why.join(" "))
                .because("OAuth is not supported by this version.")
                .fix("Remove the key, or write false. A token you have can stand in `headers`."),
            _ => failure,
        }
    }
}

fn switches_verification(key: &str) -> bool {
    let key = bare(key);
    ["unauthorized", "insecure", "verify", "verification"].iter().any(|word| key.contains(word))
}

fn twice(path: &str, place: &Origin, line: usize) -> Failure {
    Failure::new(Code::ConfigConflict, format!("`{path}` is set twice"))
        .at(place.to_string())
        .because(format!("It is also set on line {line}."))
        .fix("Keep one of them.")
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
        _ if property["enum"][0] == false => "false".to_owned(),
        Some(&"string") => TEXT.to_owned(),
        Some(&"boolean") => "true or false".to_owned(),
        Some(&"integer") => "a whole number, not negative,".to_owned(),
        Some(&"array") => "a list of texts in quotation marks".to_owned(),
        Some(&"object") => "an object of texts by name".to_owned(),
        _ => "another kind of value".to_owned(),
    }
}

pub(super) fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::StringLit(_) => "text",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(value) if value.value => "true",
        Value::BooleanLit(_) => "false",
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::NullKeyword(_) => "null",
    }
}

const TEXT: &str = "text in quotation marks";
const TRANSPORTS: &str = "Write \"remote\", \"http\", \"streamable-http\" or \"sse\".";
const PROGRAM: &str = "a list of texts in quotation marks";
const WRITE_PROGRAM: &str = "Write the program and its arguments as a list: [\"PROGRAM\", \"ARGUMENT\"].";

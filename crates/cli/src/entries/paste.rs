//! An entry as another host has it, in our notation.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, parse_to_ast};
use mcp_mtls_core::config::{Entry, File, Source, path_of_flag, read_all, read_file};
use mcp_mtls_core::error::{Code, Failure, Result, plain};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::mcp_remote;

/// An entry that was pasted.
pub(super) struct Pasted {
    pub(super) name: String,
    pub(super) entry: Entry,
    /// What of it was not taken over, and why.
    pub(super) notes: Vec<String>,
}

/// An entry as JSON, and what of it was not taken over.
pub(super) struct Translated {
    pub(super) entry: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

/// Reads a file, or stdin for `-`, with one entry, or several of which `name` chooses one. Of a single entry `name` is
/// what it is called from now on.
pub(super) fn read(from: &Path, name: Option<&str>) -> Result<Pasted> {
    let is_stdin = from == Path::new("-");
    let path = if is_stdin { PathBuf::from("stdin") } else { path_of_flag(from, "--from")? };
    let bytes = if is_stdin { read_all(io::stdin().lock()) } else { read_file(&path) };
    let bytes = bytes.map_err(|error| {
        let failure = Failure::new(Code::ConfigUnreadable, "The entry of --from cannot be read");
        let failure = failure.at(path.display().to_string()).because_of(&error);
        match error.kind() {
            io::ErrorKind::NotFound => failure.fix("Correct the path, or give `-` and paste the entry."),
            io::ErrorKind::IsADirectory => failure.fix("Name a file in it."),
            _ => failure.fix("Let your user read it."),
        }
    })?;
    let in_file = |failure: Failure| failure.at(path.display().to_string());
    let text = std::str::from_utf8(&bytes).map_err(|_| in_file(syntax("It is not UTF-8 text.")))?;
    let folder = if is_stdin { std::env::current_dir().ok() } else { path.parent().map(Path::to_owned) };
    let (root, lines) = parsed(text, &path)?;
    let Chosen { name: written_as, key, entry } = chosen(root, name).map_err(in_file)?;
    let name = match (name, &written_as) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => name.clone(),
        (None, None) => {
            return Err(Failure::new(Code::UsageInvalid, "The pasted entry has no name")
                .fix("Write one as the first argument: `mcp-mtls add NAME --from FILE`."));
        }
    };
    let line = lines.get(&key).copied().unwrap_or(1);
    let told_key = if key.is_empty() { String::new() } else { format!(", {}", plain(&key)) };
    let at_entry = |failure: Failure| failure.at(format!("{}:{line}{told_key}", path.display()));
    let Translated { entry, mut notes } = translated(entry).map_err(at_entry)?;
    if let Some(other) = written_as.filter(|other| *other != name) {
        notes.push(format!("it was called `{}` where it came from", plain(&other)));
    }
    let text = Zeroizing::new(json!({ "mcp": { name.clone(): entry } }).to_string());
    let file = File::parse(path.clone(), folder, &text)?.translated(Source { key, lines });
    let entry = file.entry(&name)?.ok_or_else(|| at_entry(syntax("It holds no entry.")))?;
    Ok(Pasted { name, entry, notes })
}

/// The object, and the line of each key in it by its path.
fn parsed(text: &str, path: &Path) -> Result<(Map<String, Value>, BTreeMap<String, usize>)> {
    let whole = text.trim_start_matches('\u{feff}');
    let text = whole.trim();
    if text.is_empty() {
        return Err(syntax("It is empty.").at(path.display().to_string()));
    }
    let above = whole.len() - whole.trim_start().len();
    let above = 1 + whole[..above].matches('\n').count();
    // A piece out of a file: `"corp": { ... },`
    let wrapped = Zeroizing::new(format!("{{{text}\n}}"));
    let object = |text| match parse_to_ast(text, &CollectOptions::default(), &crate::edit::jsonc::OPTIONS)
        .map(|parsed| parsed.value)
    {
        Ok(Some(Ast::Object(root))) => Ok(root),
        Ok(_) => Err(syntax("It is no JSON object.").at(format!("{}:{above}", path.display()))),
        Err(error) => {
            let why = File::parse(PathBuf::new(), None, text).err().map(|failure| failure.facts().why.join(" "));
            let line = above - 1 + error.line_display();
            Err(syntax(&why.unwrap_or_default()).at(format!("{}:{line}", path.display())))
        }
    };
    let (root, text) = match object(text) {
        Ok(root) => (root, text),
        Err(failure) => match object(&wrapped) {
            Ok(root) if !root.properties.is_empty() => (root, wrapped.as_str()),
            _ => return Err(failure),
        },
    };
    let mut lines = Lines { text, read: 0, line: above, found: BTreeMap::new() };
    lines.walk(&root, "").map_err(|(key, line)| stands_twice(&key).at(format!("{}:{line}", path.display())))?;
    match Value::from(Ast::Object(root)) {
        Value::Object(root) => Ok((root, lines.found)),
        _ => Err(syntax("It is no JSON object.")),
    }
}

/// Finds the lines of keys, from the first to the last.
struct Lines<'a> {
    text: &'a str,
    /// How much of the text has been counted.
    read: usize,
    line: usize,
    found: BTreeMap<String, usize>,
}

impl Lines<'_> {
    /// Fails at a key that an object has twice: which of them counts differs from host to host.
    fn walk(&mut self, object: &Object<'_>, above: &str) -> std::result::Result<(), (String, usize)> {
        let mut seen = HashSet::new();
        for property in &object.properties {
            let name = property.name.as_str();
            let start = property.start().min(self.text.len()).max(self.read);
            self.line += self.text.get(self.read..start).map_or(0, |text| text.matches('\n').count());
            self.read = start;
            if !seen.insert(name) {
                return Err((name.to_owned(), self.line));
            }
            let key = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
            self.found.insert(key.clone(), self.line);
            if let Ast::Object(inner) = &property.value {
                self.walk(inner, &key)?;
            }
        }
        Ok(())
    }
}

fn stands_twice(key: &str) -> Failure {
    Failure::new(Code::ConfigConflict, format!("`{}` stands twice in the pasted text", plain(key)))
        .fix("Keep one of them.")
}

/// The entry that is meant, the name that it has there, and the path of keys to it.
struct Chosen {
    name: Option<String>,
    key: String,
    entry: Map<String, Value>,
}

fn chosen(root: Map<String, Value>, name: Option<&str>) -> Result<Chosen> {
    if is_entry(&root) {
        return Ok(Chosen { name: None, key: String::new(), entry: root });
    }
    let mut entries = entries(root)?;
    let count = entries.len();
    let names: Vec<_> = entries.keys().map(|name| format!("`{}`", plain(name))).collect();
    let wanted = match (name, count) {
        (_, 0) => return Err(syntax("It holds no entry.")),
        (Some(name), _) if entries.contains_key(name) => name.to_owned(),
        (_, 1) => entries.keys().next().cloned().unwrap_or_default(),
        _ => {
            return Err(Failure::new(Code::UsageInvalid, "The pasted text holds several entries")
                .because(format!("They are {}.", names.join(", ")))
                .fix("Give the name of one as the first argument."));
        }
    };
    match entries.remove(&wanted) {
        Some((key, Value::Object(entry))) => Ok(Chosen { name: Some(wanted), key, entry }),
        _ => Err(syntax(&format!("`{}` is no object.", plain(&wanted)))),
    }
}

/// The entries by name, each with the path of keys to it: under the key that the host has for them, or without one.
fn entries(mut root: Map<String, Value>) -> Result<BTreeMap<String, (String, Value)>> {
    let holds_entries = |value: &Value| value.as_object().is_some_and(|map| !is_entry(map));
    let maps: Vec<_> = MAPS_OF_HOSTS.into_iter().filter(|key| root.get(*key).is_some_and(holds_entries)).collect();
    if maps.is_empty() {
        let all = root.values().all(|value| value.as_object().is_some_and(is_entry));
        return if all {
            Ok(root.into_iter().map(|(name, entry)| (name.clone(), (name, entry))).collect())
        } else {
            Err(syntax("It holds neither an entry nor a map of entries that is known."))
        };
    }
    let mut entries = BTreeMap::new();
    for map in maps {
        let Some(Value::Object(mut inner)) = root.remove(map) else { continue };
        let mut above = map.to_owned();
        // The settings of VS Code have another map within, beside what is no entry.
        let is_nested = inner.get("servers").is_some_and(holds_entries)
            && inner.iter().all(|(key, value)| key == "servers" || !value.as_object().is_some_and(is_entry));
        if is_nested && let Some(Value::Object(servers)) = inner.remove("servers") {
            inner = servers;
            above.push_str(".servers");
        }
        for (name, entry) in inner {
            let key = format!("{above}.{name}");
            if entries.insert(name.clone(), (key, entry)).is_some() {
                return Err(stands_twice(&name));
            }
        }
    }
    Ok(entries)
}

fn is_entry(object: &Map<String, Value>) -> bool {
    let is_text = |key: &str| object.get(key).is_some_and(Value::is_string);
    let is_command = object.get("command").is_some_and(|command| command.is_string() || command.is_array());
    let nested = object.get("transport").is_some_and(|transport| transport.get("type").is_some_and(Value::is_string));
    is_command || nested || ["url", "httpUrl", "serverUrl", "type", "transport"].into_iter().any(is_text)
}

/// What the keys of a host mean here. What is not known is left to the reader of the configuration.
fn translated(mut entry: Map<String, Value>) -> Result<Translated> {
    let mut notes = Vec::new();
    // Cline has what belongs to the transport in an object.
    if let Some(Value::Object(transport)) = entry.get("transport").cloned() {
        entry.remove("transport");
        // Which of them a host takes differs.
        if let Some(key) = transport.keys().find(|key| entry.contains_key(*key)) {
            return Err(stands_twice(key));
        }
        entry.extend(transport);
    }
    if entry.get("command").is_some_and(Value::is_null) {
        entry.remove("command");
    }
    if entry.contains_key("command") {
        return mcp_remote::translated(&entry);
    }
    for key in ["type", "transport"] {
        if let Some(Value::String(kind)) = entry.get_mut(key)
            && kind.replace(['-', '_'], "").eq_ignore_ascii_case("streamablehttp")
        {
            "streamable-http".clone_into(kind);
        }
    }
    for key in ["enabled", "disabled"] {
        if let Some(Value::Bool(value)) = entry.remove(key)
            && value == (key == "disabled")
        {
            notes.push("it was disabled where it came from, and is enabled here".to_owned());
        }
    }
    if entry.get("timeout").and_then(Value::as_u64).is_some_and(|timeout| timeout < SHORTEST_TIMEOUT) {
        entry.remove("timeout");
        notes.push(
            "its `timeout` was not taken over: here it is in milliseconds, and it is too short for that".to_owned(),
        );
    }
    let mut texts: Vec<_> =
        entry.get_mut("headers").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut).collect();
    for text in &mut texts {
        if let Value::String(text) = text
            && let Some(changed) = with_references(text)
        {
            *text = changed;
            notes.push("`$NAME` in its headers was read as the variable of that name".to_owned());
        }
    }
    Ok(Translated { entry, notes })
}

/// The text with `{env:NAME}` for each `$NAME` that is a word, as some hosts write variables; none when there is none.
fn with_references(text: &str) -> Option<String> {
    let mut pieces = text.split('$');
    let first = pieces.next()?.to_owned();
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut any = false;
    // A password may hold a dollar, too.
    let mut begins = !first.ends_with(in_word);
    let rest = pieces.map(|piece| {
        let at_start = std::mem::replace(&mut begins, !piece.is_empty() && !piece.ends_with(in_word));
        let in_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let (name, rest) = piece.split_at(piece.find(|c| !in_name(c)).unwrap_or(piece.len()));
        if !at_start || rest.starts_with(in_word) || name.len() < 2 || name.starts_with(|c: char| c.is_ascii_digit()) {
            return format!("${piece}");
        }
        any = true;
        format!("{{env:{name}}}{rest}")
    });
    let changed = std::iter::once(first).chain(rest).collect();
    any.then_some(changed)
}

pub(super) fn syntax(why: &str) -> Failure {
    Failure::new(Code::ConfigSyntax, "The pasted text is not an entry")
        .because(why)
        .fix(r#"Paste what stands in the host's file: "NAME": { "url": "https://…", … }, or the whole file. Only JSON is read."#)
}

/// Under which keys hosts have their servers.
const MAPS_OF_HOSTS: [&str; 4] = ["mcpServers", "mcp", "servers", "context_servers"];

/// Hosts that count in seconds have less than this many of them.
const SHORTEST_TIMEOUT: u64 = 1000;

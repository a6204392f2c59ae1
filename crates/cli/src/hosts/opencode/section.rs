//! The parts of one of opencode's files in which servers stand: `mcp`, and the `mcp` of a plugin's options.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, parse_to_ast};
use mcp_mtls_core::config::{Entry, File, is_about_tls};
use mcp_mtls_core::error::{Code, Failure, Result, plain};
use zeroize::Zeroizing;

use super::layers::Layer;
use crate::edit::jsonc::OPTIONS;

/// A map of servers, read as a file of its own in which every line has its number.
pub(super) struct Section {
    file: File,
    /// As [`Self::keep`] has read them.
    pub(super) entries: HashMap<String, Result<Entry>>,
    pub(super) mentions: Vec<Mention>,
}

impl Section {
    /// Reads these entries, all at once, and forgets the others.
    pub(super) fn keep(&mut self, names: &HashSet<String>) -> Result<()> {
        self.mentions.retain(|mention| names.contains(&mention.name));
        if !self.mentions.is_empty() {
            self.entries = self.file.entries_of(|name| names.contains(name))?;
        }
        Ok(())
    }
}

/// That something is said about a server.
pub(super) struct Mention {
    pub(super) name: String,
    /// Or something that was meant to be; what it is called then is told when the entry is read.
    pub(super) has_tls: bool,
    /// What its `type` says, if it has one: whether opencode starts the server by itself.
    pub(super) is_local: Option<bool>,
    /// Where only the next version of opencode looks for it: [`SERVERS`] or [`PLUGINS`].
    pub(super) misplaced: Option<&'static str>,
    pub(super) keys: Vec<Key>,
}

pub(super) struct Key {
    /// Within the entry, as in `headers.Authorization`.
    pub(super) path: String,
    pub(super) line: usize,
    /// Within the file, as it may be told.
    pub(super) full: String,
}

impl Key {
    /// Whether it decides on where something is sent, or on what is sent.
    pub(super) fn is_decisive(&self) -> bool {
        !matches!(self.path.as_str(), "enabled" | "timeout")
    }
}

/// All sections of a file, the later over the earlier.
pub(super) fn sections(layer: &Layer) -> Result<Vec<Section>> {
    let text = layer.text.strip_prefix('\u{feff}').unwrap_or(&layer.text);
    let ends = text.match_indices('\n').map(|(at, _)| at).collect();
    let reader = Reader { path: &layer.path, text, ends };
    // opencode takes an empty file for none.
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS).ok().and_then(|parsed| parsed.value);
    let Some(Value::Object(root)) = parsed else {
        return Err(match File::parse(layer.path.clone(), None, text) {
            Err(failure) => failure,
            Ok(_) => Failure::new(Code::ConfigSyntax, "A file of opencode is no JSON object")
                .at(layer.path.display().to_string()),
        });
    };
    let mut maps = Vec::new();
    if let Some(mcp) = reader.only(&root, "mcp")? {
        maps.push((&root, mcp, None));
    }
    if let Some(plugins) = reader.only(&root, "plugin")?
        && let Value::Array(plugins) = &plugins.value
    {
        for plugin in &plugins.elements {
            if let Value::Array(pair) = plugin
                && let Some(Value::Object(options)) = pair.elements.get(1)
                && let Some(mcp) = reader.only(options, "mcp")?
            {
                maps.push((options, mcp, None));
            }
        }
    }
    if let Some(plugins) = reader.only(&root, "plugins")? {
        let mut found = Vec::new();
        maps_within(&plugins.value, &mut found);
        maps.extend(found.into_iter().map(|(around, mcp)| (around, mcp, Some(PLUGINS))));
    }
    // Each is read by itself.
    if let Some((_, mcp, _)) = maps.get(MOST_MAPS) {
        return Err(Failure::new(
            Code::ConfigInvalidValue,
            format!("A file has more than {MOST_MAPS} maps of servers"),
        )
        .at(reader.place(*mcp, "mcp"))
        .fix("Write the servers into one `mcp`."));
    }
    maps.into_iter().map(|(around, mcp, misplaced)| reader.section(layer, around, mcp, misplaced)).collect()
}

/// Every `mcp` of a value, however the next version of opencode has it written there.
fn maps_within<'a, 'b>(value: &'b Value<'a>, found: &mut Vec<(&'b Object<'a>, &'b ObjectProp<'a>)>) {
    match value {
        Value::Array(array) => array.elements.iter().for_each(|value| maps_within(value, found)),
        Value::Object(object) => {
            for property in &object.properties {
                match &property.value {
                    Value::Object(_) if property.name.as_str() == "mcp" => found.push((object, property)),
                    value => maps_within(value, found),
                }
            }
        }
        _ => {}
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// Where its lines end.
    ends: Vec<usize>,
}

impl Reader<'_> {
    /// The property of this name, of which two would be read differently here and in opencode.
    fn only<'a, 'b>(&self, object: &'b Object<'a>, name: &str) -> Result<Option<&'b ObjectProp<'a>>> {
        for property in &object.properties {
            self.refuse_name(property)?;
        }
        let mut found = object.properties.iter().filter(|property| property.name.as_str() == name);
        let first = found.next();
        match found.next() {
            Some(second) => Err(Failure::new(Code::ConfigConflict, format!("`{name}` stands twice in the file"))
                .at(self.place(second, name))
                .fix("Keep one of them.")),
            None => Ok(first),
        }
    }

    fn section(
        &self,
        layer: &Layer,
        around: &Object<'_>,
        mcp: &ObjectProp<'_>,
        misplaced: Option<&'static str>,
    ) -> Result<Section> {
        let Value::Object(entries) = &mcp.value else {
            return Err(Failure::new(Code::ConfigInvalidValue, "`mcp` has a value of the wrong kind")
                .at(self.place(mcp, "mcp"))
                .fix("Write an object of entries by name."));
        };
        self.refuse_what_differs(entries)?;
        let kept = [around.start()..around.start() + 1, mcp.start()..mcp.end(), around.end() - 1..around.end()];
        let text = blanked(self.text, &kept);
        let file = File::parse(layer.path.clone(), Some(layer.folder.clone()), &text)?;
        let mut mentions = Vec::new();
        for property in &entries.properties {
            match &property.value {
                Value::Object(map) if property.name.as_str() == "servers" && !is_entry(map) => {
                    mentions.extend(map.properties.iter().map(|property| self.mention(property, Some(SERVERS))));
                }
                _ => mentions.push(self.mention(property, misplaced)),
            }
        }
        Ok(Section { file, entries: HashMap::new(), mentions })
    }

    fn mention(&self, property: &ObjectProp<'_>, misplaced: Option<&'static str>) -> Mention {
        let name = property.name.as_str().to_owned();
        let prefix = format!("{}.{name}", misplaced.unwrap_or("mcp"));
        let key = |node: &ObjectProp<'_>, path: String| Key {
            line: self.line(node),
            full: plain(&format!("{prefix}.{path}")),
            path,
        };
        let Value::Object(entry) = &property.value else {
            let keys = vec![Key { path: String::new(), line: self.line(property), full: plain(&prefix) }];
            return Mention { name, has_tls: false, is_local: None, misplaced, keys };
        };
        let mut keys = Vec::new();
        let mut has_tls = false;
        let mut is_local = None;
        for setting in &entry.properties {
            let path = setting.name.as_str();
            // opencode knows none of these, and drops them: the entry would go out without its certificate.
            has_tls |= is_about_tls(path) && !matches!(setting.value, Value::NullKeyword(_));
            if path == "type" {
                is_local = Some(matches!(&setting.value, Value::StringLit(text) if text.value == "local"));
            }
            match &setting.value {
                Value::Object(map) if !map.properties.is_empty() => {
                    let within = map.properties.iter();
                    keys.extend(within.map(|inner| key(inner, format!("{path}.{}", inner.name.as_str()))));
                }
                _ => keys.push(key(setting, path.to_owned())),
            }
        }
        Mention { name, has_tls, is_local, misplaced, keys }
    }

    /// Refuses what opencode reads otherwise than others do.
    fn refuse_what_differs(&self, object: &Object<'_>) -> Result<()> {
        let mut seen = HashSet::new();
        for property in &object.properties {
            self.refuse_name(property)?;
            // Of two the parser of opencode takes the last, and others the first.
            if !seen.insert(property.name.as_str()) {
                let name = plain(property.name.as_str());
                return Err(Failure::new(Code::ConfigConflict, format!("`{name}` stands twice in an object"))
                    .at(self.place(property, property.name.as_str()))
                    .fix("Keep one of them."));
            }
            if let Value::Object(inner) = &property.value {
                self.refuse_what_differs(inner)?;
            }
        }
        Ok(())
    }

    /// opencode replaces references before it reads the names of keys, and sets them on objects of JavaScript.
    fn refuse_name(&self, property: &ObjectProp<'_>) -> Result<()> {
        let name = property.name.as_str();
        if name == "__proto__" {
            return Err(Failure::new(Code::ConfigInvalidValue, "A key is called `__proto__`")
                .at(self.place(property, name))
                .because("opencode would take what is in it for keys beside it.")
                .fix("Rename it."));
        }
        if !name.contains("{env:") && !name.contains("{file:") {
            return Ok(());
        }
        Err(Failure::new(Code::ConfigInvalidValue, "The name of a key holds a reference")
            .at(self.place(property, name))
            .because("opencode would read another name there.")
            .fix("Write the name itself."))
    }

    fn place(&self, node: &impl Ranged, key: &str) -> String {
        format!("{}:{}, {}", self.path.display(), self.line(node), plain(key))
    }

    fn line(&self, node: &impl Ranged) -> usize {
        1 + self.ends.partition_point(|end| *end < node.start())
    }
}

pub(super) const SERVERS: &str = "mcp.servers";
pub(super) const PLUGINS: &str = "plugins.mcp";
const MOST_MAPS: usize = 16;

/// Whether this is an entry called `servers`, as opencode tells it from a map of them.
fn is_entry(map: &Object<'_>) -> bool {
    let mut settings = map.properties.iter().filter(|property| ["type", "enabled"].contains(&property.name.as_str()));
    settings.any(|setting| !matches!(setting.value, Value::Object(_)))
}

/// The text with blanks for all but the `kept` ranges and the ends of lines.
fn blanked(text: &str, kept: &[Range<usize>]) -> Zeroizing<String> {
    let mut blanked = Zeroizing::new(String::with_capacity(text.len()));
    for (at, c) in text.char_indices() {
        let is_kept = kept.iter().any(|range| range.contains(&at));
        blanked.push(if is_kept || c == '\n' { c } else { ' ' });
    }
    blanked
}

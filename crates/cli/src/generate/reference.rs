//! The reference of all settings, in Markdown: from their schema, and from the flags of `connect`.

use std::fmt::Write as _;

use mcp_mtls_core::config;
use serde_json::Value;

/// The whole page.
pub(super) fn text(program: &clap::Command) -> String {
    let schema = config::schema();
    let connect: Vec<_> =
        program.find_subcommand("connect").into_iter().flat_map(clap::Command::get_arguments).collect();
    let mut page = INTRODUCTION.trim_end().to_owned();
    let mut set = Vec::new();
    for (heading, definition, prefix) in SECTIONS {
        let _ = write!(page, "\n\n## {heading}");
        let defined = &schema["$defs"][definition];
        let mut settings: Vec<_> = defined["properties"].as_object().into_iter().flatten().collect();
        settings.sort_by_key(|(name, _)| !is_required(name, defined));
        for (name, setting) in settings {
            // clap knows a flag by the field that it sets.
            let field = snake(name);
            let flag = connect.iter().find(|flag| *definition != "SpiffeSettings" && flag.get_id().as_str() == field);
            let required = if is_required(name, defined) { "Required. " } else { "" };
            let told = one(name, setting, &schema, flag.copied());
            let _ = write!(page, "\n\n### `{prefix}{name}`\n\n{required}{told}");
            set.push(field);
        }
    }
    let _ = write!(page, "\n\n## Flags of `connect` that are no settings\n\n| flag | |\n|---|---|");
    for flag in connect.into_iter().filter(|flag| flag.get_long().is_some_and(|name| name != "help")) {
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        if !set.iter().any(|field| flag.get_id().as_str() == field) {
            let _ = write!(page, "\n| {} | {help} |", shown(flag));
        }
    }
    page
}

/// A setting: what it means, and below that what may be written.
fn one(name: &str, setting: &Value, schema: &Value, flag: Option<&clap::Arg>) -> String {
    let told = setting["description"].as_str().unwrap_or_default();
    let (told, default) = split_default(told);
    let mut text = format!("{told}\n\n- Value: {}", kind(setting, schema));
    if let Some(default) = default {
        let _ = write!(text, "\n- Default: {default}");
    }
    if let Some(flag) = flag {
        let again = if matches!(flag.get_action(), clap::ArgAction::Append) { ", once for each" } else { "" };
        let _ = write!(text, "\n- Flag: {}{again}", shown(flag));
    }
    if let Some(example) = setting["examples"].get(0) {
        let _ = write!(text, "\n- Example: `\"{name}\": {}`", spaced(example));
    }
    text
}

/// Whether the settings of this definition are nothing without it; by another name it is there, too.
fn is_required(name: &str, definition: &Value) -> bool {
    definition["anyOf"][0]["required"][0] == name
}

/// The sentence without `[default: …]`, and what stands in it.
fn split_default(told: &str) -> (String, Option<String>) {
    let Some((before, rest)) = told.split_once(" [default: ").or_else(|| told.split_once("\n[default: ")) else {
        return (told.to_owned(), None);
    };
    let (default, after) = rest.split_once(']').unwrap_or((rest, ""));
    (format!("{before}{after}"), Some(default.replace('\n', " ")))
}

/// What may stand as the value.
fn kind(setting: &Value, schema: &Value) -> String {
    if let Some(name) = setting["anyOf"][0]["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        let section = SECTIONS.iter().find(|(_, definition, _)| *definition == name);
        return match section {
            Some((heading, ..)) => format!("the settings [below](#{})", anchor(heading)),
            None => choices(schema["$defs"][name]["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"])),
        };
    }
    if let Some(values) = setting["enum"].as_array() {
        return choices(values);
    }
    let kind = match setting["type"][0].as_str() {
        Some("boolean") => "`true` or `false`",
        Some("integer") => "a whole number",
        Some("array") => "a list of texts",
        Some("object") => "texts by name",
        _ => "text",
    };
    kind.to_owned()
}

fn choices<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let values = values.into_iter().filter(|value| !value.is_null());
    values.map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}

fn shown(flag: &clap::Arg) -> String {
    let short = flag.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let value = match flag.get_value_names().filter(|_| flag.get_action().takes_values()) {
        Some([name]) if name.contains(' ') => format!(" '{name}'"),
        Some([name]) => format!(" {name}"),
        _ => String::new(),
    };
    format!("`{short}--{}{value}`", flag.get_long().unwrap_or_default())
}

/// `serverName` as the program calls it: `server_name`.
fn snake(name: &str) -> String {
    name.chars()
        .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c.to_ascii_lowercase()]))
        .collect()
}

/// JSON in one line, as people write it.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("\"{name}\": {}", spaced(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        _ => value.to_string(),
    }
}

/// What a heading is linked by on a forge.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(['`', '.'], "").replace(' ', "-")
}

/// Each section: its heading, where its settings stand in the schema, and what their names begin with.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("An entry", "EntrySettings", ""),
    ("Under `tls`", "TlsSettings", "tls."),
    ("Under `tls.spiffe`", "SpiffeSettings", "tls.spiffe."),
];

/// How the page begins.
const INTRODUCTION: &str = include_str!("configuration.md");

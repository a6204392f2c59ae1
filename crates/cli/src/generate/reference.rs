//! The reference of all settings, in Markdown: from their schema, and from the flags of `connect`.

use std::fmt::Write as _;

use mcp_mtls_core::config;
use serde_json::{Map, Value};

/// The whole page.
pub(super) fn text(program: &clap::Command) -> String {
    let schema = config::schema();
    let connect = program.find_subcommand("connect");
    let mut page = INTRODUCTION.trim_end().to_owned();
    for (heading, definition, prefix) in SECTIONS {
        let _ = write!(page, "\n\n## {heading}");
        for (name, setting) in members(&schema["$defs"][definition]["properties"]) {
            let flag = connect.filter(|_| *definition != "SpiffeSettings").and_then(|connect| flag(connect, name));
            let _ = write!(page, "\n\n### `{prefix}{name}`\n\n{}", one(name, setting, &schema, flag));
        }
    }
    let _ = write!(page, "\n\n## Flags of `connect` that are no settings\n\n| flag | |\n|---|---|");
    let settings = &schema["$defs"];
    let is_setting = |id: &str| {
        SECTIONS
            .iter()
            .any(|(_, definition, _)| members(&settings[definition]["properties"]).any(|(name, _)| snake(name) == id))
    };
    for flag in connect.into_iter().flat_map(clap::Command::get_arguments) {
        let id = flag.get_id().as_str();
        if let (Some(_), Some(help), false) = (flag.get_long(), flag.get_help(), is_setting(id) || id == "help") {
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
        let _ = write!(text, "\n- Flag: {}", shown(flag));
    }
    if let Some(example) = setting["examples"].get(0) {
        let _ = write!(text, "\n- Example: `\"{name}\": {}`", spaced(example));
    }
    text
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
    let choices = |of: &Value| {
        let all: Vec<_> =
            of.as_array().into_iter().flatten().filter(|one| !one.is_null()).map(|one| format!("`{one}`")).collect();
        all.join(", ")
    };
    if let Some(name) = setting["anyOf"][0]["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
        let target = &schema["$defs"][name];
        return match target["oneOf"].as_array() {
            Some(of) => choices(&of.iter().map(|one| one["const"].clone()).collect()),
            None => SECTIONS
                .iter()
                .find(|(_, definition, _)| *definition == name)
                .map_or_else(String::new, |(heading, ..)| format!("the settings [below](#{})", anchor(heading))),
        };
    }
    if setting["enum"].is_array() {
        return choices(&setting["enum"]);
    }
    match setting["type"][0].as_str() {
        Some("boolean") => "`true` or `false`",
        Some("integer") => "a whole number",
        Some("array") => "a list of texts",
        Some("object") => "texts by name",
        _ => "text",
    }
    .to_owned()
}

/// The flag that sets it, or the place on the command line.
fn flag<'a>(connect: &'a clap::Command, name: &str) -> Option<&'a clap::Arg> {
    connect.get_arguments().find(|flag| flag.get_id().as_str() == snake(name))
}

fn shown(flag: &clap::Arg) -> String {
    let short = flag.get_short().map_or_else(String::new, |short| format!("-{short}, "));
    let value = flag.get_value_names().filter(|_| flag.get_action().takes_values()).map(|names| names.join(" "));
    let value =
        value.map_or_else(
            String::new,
            |value| if value.contains(' ') { format!(" '{value}'") } else { format!(" {value}") },
        );
    format!("`{short}--{}{value}`", flag.get_long().unwrap_or_default())
}

/// The name of the field in the program, which is what clap knows a flag by.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, c| {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
        snake
    })
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

/// What a heading without marks is linked by.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace('`', "").replace(' ', "-")
}

fn members(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
    of.as_object().into_iter().flat_map(Map::iter)
}

/// Each section: its heading, where its settings stand in the schema, and what their names begin with.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("An entry", "EntrySettings", ""),
    ("Under `tls`", "TlsSettings", "tls."),
    ("Under `tls.spiffe`", "SpiffeSettings", "tls.spiffe."),
];

/// How the page begins.
const INTRODUCTION: &str = include_str!("configuration.md");

//! The JSON Schema of opencode's configuration file, in which remote servers may have `tls`.
//!
//! opencode's own schema closes every object, so nothing can be added to it from outside, and `tls` in an entry is an
//! error there. So this one takes opencode's schema property by property, by reference, and says itself what an entry
//! with `tls` is. Properties that opencode gets later are not listed here, and not refused either.

#[cfg(test)]
mod tests;

use mcp_mtls_core::config;
use serde_json::{Map, Value, json};

pub(super) fn schema() -> Value {
    let settings = config::schema();
    let mut properties: Map<_, _> = PROPERTIES.iter().map(|name| ((*name).to_owned(), theirs(name))).collect();
    properties.insert(
        "mcp".to_owned(),
        json!({ "type": "object", "description": "MCP servers by name.", "additionalProperties": { "$ref": "#/$defs/McpEntry" } }),
    );
    properties.insert("plugin".to_owned(), json!({ "type": "array", "items": { "$ref": "#/$defs/Plugin" } }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "opencode configuration with mcp-mtls",
        "description": "Configuration of opencode, in which remote MCP servers may have `tls`.",
        "type": "object",
        "properties": properties,
        "allowComments": true,
        "allowTrailingCommas": true,
        "$defs": {
            "McpEntry": entry(),
            "McpRemoteWithTls": with_tls(),
            "Plugin": plugin(),
            "PluginOptions": options(),
            "TlsSettings": settings["$defs"]["TlsSettings"],
            "SpiffeSettings": settings["$defs"]["SpiffeSettings"],
        },
    })
}

/// An entry with `tls` is ours, any other is opencode's. Where it may become ours, `tls` is offered.
fn entry() -> Value {
    let offered = json!({ "properties": ours(&["proxy", "tls"]) });
    let local = json!({ "required": ["type"], "properties": { "type": { "const": "local" } } });
    json!({
        "if": { "required": ["tls"] },
        "then": { "$ref": "#/$defs/McpRemoteWithTls" },
        "else": {
            "allOf": [
                theirs("mcp/additionalProperties"),
                { "if": local, "else": offered },
            ],
        },
    })
}

fn with_tls() -> Value {
    json!({
        "description": "A remote MCP server that is reached through mcp-mtls.",
        "type": "object",
        "properties": remote(),
        "required": ["type", "url", "tls"],
        "additionalProperties": false,
    })
}

fn remote() -> Map<String, Value> {
    let mut properties = ours(&["enabled", "headers", "oauth", "proxy", "timeout", "tls", "url"]);
    properties.insert("type".to_owned(), json!({ "const": "remote", "description": "Type of MCP server connection." }));
    properties
}

/// Settings of an entry as `config.jsonc` has them; `tls` is no `null` here, since it decides who reads the entry.
fn ours(names: &[&str]) -> Map<String, Value> {
    let settings = config::schema();
    let all = &settings["$defs"]["EntrySettings"]["properties"];
    let one = |name: &str| match name {
        "tls" => json!({ "$ref": "#/$defs/TlsSettings", "description": all["tls"]["description"] }),
        _ => all[name].clone(),
    };
    names.iter().map(|name| ((*name).to_owned(), one(name))).collect()
}

/// The plugin with its options is ours, all else opencode's. It may be called by any path; its options tell it then.
fn plugin() -> Value {
    let is_ours = json!({
        "type": "array",
        "anyOf": [
            { "prefixItems": [{ "pattern": "mcp-mtls" }] },
            { "prefixItems": [true, { "type": "object", "required": ["mcp"] }], "minItems": 2 },
        ],
    });
    json!({
        "if": is_ours,
        "then": { "prefixItems": [{ "type": "string" }, { "$ref": "#/$defs/PluginOptions" }], "minItems": 2, "maxItems": 2 },
        "else": theirs("plugin/items"),
    })
}

/// What the plugin takes: remote servers as in `mcp`, or what these lack there.
fn options() -> Value {
    let entry = json!({ "type": "object", "properties": remote(), "additionalProperties": false });
    json!({
        "description": "Options of the plugin of mcp-mtls.",
        "type": "object",
        "properties": {
            "mcp": {
                "description": "Remote servers by name, each with what its entry in `mcp` does not say.",
                "type": "object",
                "additionalProperties": entry,
            },
        },
        "additionalProperties": false,
    })
}

fn theirs(path: &str) -> Value {
    json!({ "$ref": format!("{OPENCODE}/{path}") })
}

/// The properties of opencode's file, in its published schema.
const OPENCODE: &str = "https://opencode.ai/config.json#/$defs/Config/properties";

/// Those of opencode 1.18, but for `mcp` and `plugin`.
#[rustfmt::skip]
const PROPERTIES: &[&str] = &[
    "$schema", "agent", "attachment", "autoshare", "autoupdate", "command", "compaction", "default_agent",
    "disabled_providers", "enabled_providers", "enterprise", "experimental", "formatter", "instructions", "layout",
    "logLevel", "lsp", "mode", "model", "permission", "provider", "reference", "references", "server", "share",
    "shell", "skills", "small_model", "snapshot", "subagent_depth", "tool_output", "tools", "username", "watcher",
];

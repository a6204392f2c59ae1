//! The JSON Schema of the configuration file, from the types of the settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::EntrySettings;
use super::settings::ALIASES;

/// The JSON Schema of the configuration file: each setting with its sentence and an example.
///
/// Of what is always refused, it refuses what editors can tell, and it takes all that is read.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Configuration).to_value();
    schema["allowComments"] = true.into();
    schema["allowTrailingCommas"] = true.into();
    let definitions = schema["$defs"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    let settings = definitions.filter_map(|definition| definition.get_mut("properties")?.as_object_mut());
    settings.flat_map(serde_json::Map::values_mut).for_each(in_a_file);
    let within_tls: Vec<_> =
        schema["$defs"]["TlsSettings"]["properties"].as_object().into_iter().flat_map(|all| all.keys()).collect();
    let misplaced = within_tls.into_iter().map(String::as_str).chain(MISSPELT_TLS).collect::<Vec<_>>().join("|");
    let urls = ALIASES.iter().filter(|(_, name)| *name == "url").map(|(alias, _)| *alias);
    let entry = &mut schema["$defs"]["EntrySettings"];
    entry["anyOf"] = ["url"].into_iter().chain(urls).map(|name| json!({ "required": [name] })).collect();
    entry["patternProperties"] = json!({ format!("^({misplaced})$"): false });
    schema
}

/// Leaves the first paragraph of what is said about a setting: the others are about its flag.
fn in_a_file(setting: &mut Value) {
    if let Some((first, _)) = setting["description"].as_str().and_then(|told| told.split_once("\n\n")) {
        setting["description"] = first.into();
    }
}

/// The likeliest of the keys that are refused since `tls` may be meant.
const MISSPELT_TLS: [&str; 12] = ["TLS", "Tls", "mtls", "mTLS", "ssl", "SSL", "tl", "tlss", "tls_", "ts", "tsl", "lts"];

/// Configuration of mcp-mtls. One of the three maps, by the name that other hosts use.
#[derive(JsonSchema)]
#[schemars(rename = "mcp-mtls configuration")]
#[expect(dead_code, reason = "only its schema is used")]
struct Configuration {
    /// The file that this schema is in, for editors.
    #[serde(rename = "$schema")]
    schema: Option<String>,
    /// Servers by name.
    mcp: Option<BTreeMap<String, EntrySettings>>,
    /// Servers by name, as most hosts call the map.
    #[serde(rename = "mcpServers")]
    mcp_servers: Option<BTreeMap<String, EntrySettings>>,
    /// Servers by name, as VS Code calls the map.
    servers: Option<BTreeMap<String, EntrySettings>>,
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::File;
    use super::*;

    #[test]
    fn what_is_said_of_a_setting_is_about_files() {
        let text = schema().to_string();
        assert!(!text.contains("flag") && !text.contains("command line"), "{text}");
    }

    #[test]
    fn the_program_refuses_what_the_schema_does() {
        let refused = |entry: &str| {
            let file = File::parse(PathBuf::from("config.jsonc"), None, &format!(r#"{{ "mcp": {{ "a": {entry} }} }}"#));
            let entry = file.unwrap().entry("a");
            entry.and_then(|entry| entry.unwrap().resolve()).is_err()
        };
        let schema = schema();
        let names = &schema["$defs"]["EntrySettings"]["patternProperties"];
        let pattern = names.as_object().unwrap().keys().next().unwrap();
        for name in pattern.trim_matches(['^', '(', ')', '$']).split('|') {
            assert!(refused(&format!(r#"{{ "url": "https://h/", "{name}": null }}"#)), "{name}");
            assert_ne!(name, "tls");
        }
        for one in schema["$defs"]["EntrySettings"]["anyOf"].as_array().unwrap() {
            let name = one["required"][0].as_str().unwrap();
            assert!(!refused(&format!(r#"{{ "{name}": "https://h/" }}"#)), "{name}");
        }
        assert!(refused(r#"{ "enabled": true }"#), "no URL");
        let with = |passphrase: &str| {
            format!(r#"{{ "url": "https://h/", "tls": {{ "cert": "c", "key": "k", "passphrase": "{passphrase}" }} }}"#)
        };
        assert_eq!(schema["$defs"]["TlsSettings"]["properties"]["passphrase"]["pattern"], r"^\{(env|file|command):");
        assert!(refused(&with("hunter2")) && refused(&with(" {command:true}")));
    }

    #[test]
    fn every_setting_has_its_sentence_and_its_example() {
        let schema = schema();
        for definition in ["EntrySettings", "TlsSettings", "SpiffeSettings"] {
            let properties = schema["$defs"][definition]["properties"].as_object().expect("properties");
            assert!(!properties.is_empty());
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{definition}.{name} has no sentence");
                let of_settings = property.get("anyOf").is_some_and(|of| of[0]["$ref"] != "#/$defs/Kind");
                assert!(of_settings || property["examples"].is_array(), "{definition}.{name} has no example");
            }
        }
    }
}

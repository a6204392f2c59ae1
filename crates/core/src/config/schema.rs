//! The JSON Schema of the configuration file, from the types of the settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::EntrySettings;

/// The JSON Schema of the configuration file: each setting with its sentence and an example.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Configuration).to_value()
}

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
    use super::schema;

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

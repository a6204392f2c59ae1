//! What the schema takes and refuses, judged by the few keywords that it has.

use serde_json::{Value, json};

use super::{OPENCODE, schema};

#[test]
fn a_remote_entry_with_tls_is_valid() {
    let tls = json!({ "cert": "me.pem", "key": "me.key", "ca": "ca.pem", "minVersion": "1.3", "spiffe": null });
    assert_eq!(entry(&json!({ "type": "remote", "url": "https://h/mcp", "tls": tls })), "");
    let whole = json!({
        "type": "remote", "url": "https://h/mcp", "headers": { "A": "b" }, "oauth": false, "enabled": true,
        "timeout": 10_000, "proxy": "http://p:3128", "tls": {},
    });
    assert_eq!(entry(&whole), "");
}

#[test]
fn what_is_misspelt_or_out_of_place_is_found() {
    let with = |tls: Value| entry(&json!({ "type": "remote", "url": "https://h/mcp", "tls": tls }));
    assert_eq!(with(json!({ "certt": "me.pem" })), "/mcp/corp/tls/certt");
    assert_eq!(with(json!({ "cert": 1 })), "/mcp/corp/tls/cert");
    assert_eq!(with(json!({ "minVersion": "1.1" })), "/mcp/corp/tls/minVersion");
    assert_eq!(with(json!({ "passphrase": "hunter2" })), "/mcp/corp/tls/passphrase");
    assert_eq!(with(json!({ "passphrase": "{env:KEY_PASSPHRASE}" })), "");
    assert_eq!(with(json!({ "spiffe": { "sockett": "" } })), "/mcp/corp/tls/spiffe");
    assert_eq!(with(json!(null)), "/mcp/corp/tls", "nothing fails open");
    assert_eq!(entry(&json!({ "type": "remote", "tls": {} })), "/mcp/corp", "the URL is missing");
    assert_eq!(entry(&json!({ "type": "remote", "url": "https://h", "tls": {}, "hedaers": {} })), "/mcp/corp/hedaers");
    assert_eq!(entry(&json!({ "type": "remote", "url": "https://h", "tls": {}, "oauth": {} })), "/mcp/corp/oauth");
    assert_eq!(entry(&json!({ "type": "local", "command": ["x"], "tls": {} })), "/mcp/corp/command");
}

#[test]
fn entries_without_tls_are_opencodes_own() {
    assert_eq!(entry(&json!({ "type": "remote", "url": "https://h/mcp", "oauth": { "clientId": "a" } })), "");
    assert_eq!(entry(&json!({ "type": "local", "command": ["x"], "environment": {} })), "");
    assert_eq!(entry(&json!({ "enabled": false })), "");
    assert_eq!(entry(&json!({ "type": "remote", "url": "https://h/mcp", "proxy": "http://p" })), "/mcp/corp");
    assert_eq!(entry(&json!({ "type": "remote" })), "/mcp/corp");
}

#[test]
fn the_options_of_the_plugin_are_checked_and_those_of_others_are_not() {
    let options = |name: &str, options: Value| judged(&json!({ "plugin": [[name, options]] }));
    let corp = |tls: Value| json!({ "mcp": { "corp": { "tls": tls } } });
    for name in ["opencode-mcp-mtls", "file:///opt/mcp-mtls/index.js", "file:///opt/integrations/opencode"] {
        assert_eq!(options(name, corp(json!({ "cert": "me.pem" }))), "");
        assert_eq!(options(name, corp(json!({ "certt": "me.pem" }))), "/plugin/0/1/mcp/corp/tls/certt");
    }
    assert_eq!(options("opencode-mcp-mtls", json!({ "mpc": {} })), "/plugin/0/1/mpc");
    assert_eq!(options("another", json!({ "mpc": {} })), "");
    assert_eq!(judged(&json!({ "plugin": ["opencode-mcp-mtls", "another"] })), "");
}

#[test]
fn all_else_is_asked_of_opencodes_schema_and_of_nobody_else() {
    let mut outside = Vec::new();
    references(&schema(), &mut outside);
    assert!(outside.iter().all(|target| target.starts_with("#/$defs/") || target.starts_with(OPENCODE)), "{outside:?}");
    assert!(outside.iter().filter(|target| target.starts_with(OPENCODE)).count() > 30);
    assert_eq!(judged(&json!({ "model": 1 })), "/model", "a stand-in for opencode's schema, which wants a text");
    assert_eq!(judged(&json!({ "model": "a/b", "a-new-key": 1, "$schema": "./opencode.schema.json" })), "");
}

/// Where the file with this entry is wrong; nothing when it is not.
fn entry(entry: &Value) -> String {
    judged(&json!({ "mcp": { "corp": entry } }))
}

fn judged(file: &Value) -> String {
    let schema = schema();
    fault(&schema, &schema, file, String::new()).unwrap_or_default()
}

/// The place of the first value that the schema does not take.
fn fault(root: &Value, schema: &Value, value: &Value, at: String) -> Option<String> {
    let valid = |schema: &Value| fault(root, schema, value, at.clone()).is_none();
    for (keyword, wanted) in schema.as_object().into_iter().flatten() {
        let empty = serde_json::Map::new();
        let members = value.as_object().unwrap_or(&empty);
        let holds = match keyword.as_str() {
            "$ref" => match wanted.as_str().unwrap().strip_prefix('#') {
                Some(inside) => {
                    let found = fault(root, root.pointer(inside).unwrap(), value, at.clone());
                    if found.is_some() {
                        return found;
                    }
                    true
                }
                None => valid(&opencodes(wanted.as_str().unwrap())),
            },
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_u64(),
                    "boolean" => value.is_boolean(),
                    other => other == "null" && value.is_null(),
                };
                wanted.as_array().map_or_else(|| is(wanted), |kinds| kinds.iter().any(is))
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "required" => wanted
                .as_array()
                .unwrap()
                .iter()
                .all(|name| !value.is_object() || members.contains_key(name.as_str().unwrap())),
            "anyOf" => wanted.as_array().unwrap().iter().any(valid),
            "if" => {
                let branch = schema.get(if valid(wanted) { "then" } else { "else" });
                let found = branch.and_then(|branch| fault(root, branch, value, at.clone()));
                if found.is_some() {
                    return found;
                }
                true
            }
            "allOf" => {
                let found = wanted.as_array().unwrap().iter().find_map(|one| fault(root, one, value, at.clone()));
                if found.is_some() {
                    return found;
                }
                true
            }
            "properties" | "additionalProperties" => {
                let own = &schema["properties"];
                let found = members.iter().find_map(|(name, member)| {
                    let wanted = match (keyword.as_str(), own.get(name)) {
                        ("properties", Some(own)) => own,
                        ("additionalProperties", None) => wanted,
                        _ => return None,
                    };
                    fault(root, wanted, member, format!("{at}/{name}"))
                });
                if found.is_some() {
                    return found;
                }
                true
            }
            "items" | "prefixItems" => {
                let found = value.as_array().into_iter().flatten().enumerate().find_map(|(index, item)| {
                    let wanted = if keyword == "items" { Some(wanted) } else { wanted.get(index) };
                    fault(root, wanted?, item, format!("{at}/{index}"))
                });
                if found.is_some() {
                    return found;
                }
                true
            }
            "pattern" => value.as_str().is_none_or(|text| match wanted.as_str().unwrap() {
                r"^\{(env|file|command):" => ["{env:", "{file:", "{command:"].iter().any(|one| text.starts_with(one)),
                plain => text.contains(plain),
            }),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "minimum" => value.as_u64().is_none_or(|number| number >= wanted.as_u64().unwrap()),
            "then"
            | "else"
            | "description"
            | "title"
            | "default"
            | "examples"
            | "format"
            | "$schema"
            | "$defs"
            | "allowComments"
            | "allowTrailingCommas" => true,
            other => panic!("a keyword that this test does not know: {other}"),
        };
        if !holds {
            return Some(at);
        }
    }
    (schema == &json!(false)).then_some(at)
}

/// What matters here of opencode's own schema.
fn opencodes(target: &str) -> Value {
    let closed = |required: &[&str], names: &[&str], kind: &str| {
        let mut properties: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
        if !kind.is_empty() {
            properties.insert("type".to_owned(), json!({ "enum": [kind] }));
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    };
    match target.strip_prefix(OPENCODE).unwrap() {
        "/mcp/additionalProperties" => json!({ "anyOf": [
            closed(&["type", "command"], &["command", "environment", "enabled", "timeout"], "local"),
            closed(&["type", "url"], &["url", "enabled", "headers", "oauth", "timeout"], "remote"),
            closed(&["enabled"], &["enabled"], ""),
        ] }),
        "/plugin/items" => json!({ "type": ["string", "array"] }),
        "/model" => json!({ "type": "string" }),
        _ => json!({}),
    }
}

fn references(schema: &Value, found: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        found.push(target.to_owned());
    }
    let members = schema.as_object().into_iter().flat_map(serde_json::Map::values);
    for inside in members.chain(schema.as_array().into_iter().flatten()) {
        references(inside, found);
    }
}

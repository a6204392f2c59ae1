//! The annotations `x-mcp-header` in the input schemas of tools: which arguments a call repeats in
//! its headers (MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::http::HeaderName;

/// One annotated property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Annotation {
    /// `Mcp-Param-{Name}`.
    pub(super) header: HeaderName,
    /// The names of the properties from the root of the arguments down to the value.
    pub(super) path: Vec<String>,
}

/// The annotations of a tool's `inputSchema`.
///
/// # Errors
/// What makes the definition of the tool invalid, as a sentence without its full stop.
pub(super) fn of(schema: &Value) -> Result<Vec<Annotation>, String> {
    let mut found = Found::default();
    found.schema(schema, Some(&mut Vec::new()))?;
    Ok(found.annotations)
}

#[derive(Default)]
struct Found {
    annotations: Vec<Annotation>,
    /// Header names are equal without regard to case, and `HeaderName` is in lower case.
    headers: HashSet<HeaderName>,
}

impl Found {
    /// Looks at a schema. `path` is how its value is reached through `properties` alone, if it is.
    fn schema(&mut self, schema: &Value, mut path: Option<&mut Vec<String>>) -> Result<(), String> {
        let Value::Object(members) = schema else {
            // Some keywords hold a list of schemas.
            return schema.as_array().into_iter().flatten().try_for_each(|schema| self.schema(schema, None));
        };
        if let Some(name) = members.get(KEYWORD) {
            self.annotation(name, members, path.as_deref())?;
        }
        for (keyword, value) in members {
            match keyword.as_str() {
                "properties" => self.properties(value, path.as_deref_mut())?,
                // Schemas by names of the author's choice, which are no keywords.
                "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => self.properties(value, None)?,
                // Data, in which the word means nothing.
                "default" | "const" | "enum" | "examples" | KEYWORD => {}
                _ => self.schema(value, None)?,
            }
        }
        Ok(())
    }

    fn properties(&mut self, schemas: &Value, mut path: Option<&mut Vec<String>>) -> Result<(), String> {
        for (name, schema) in schemas.as_object().into_iter().flatten() {
            if let Some(path) = path.as_deref_mut() {
                path.push(name.clone());
                self.schema(schema, Some(path))?;
                path.pop();
            } else {
                self.schema(schema, None)?;
            }
        }
        Ok(())
    }

    fn annotation(
        &mut self,
        name: &Value,
        schema: &Map<String, Value>,
        path: Option<&Vec<String>>,
    ) -> Result<(), String> {
        let name = name.as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| format!("an `{KEYWORD}` is not a name"))?;
        // A token of RFC 9110, section 5.6.2, which is what the library takes for a name.
        let header = HeaderName::try_from(format!("Mcp-Param-{name}"))
            .map_err(|_| format!("an `{KEYWORD}` holds characters that a header name may not have"))?;
        let path = path.filter(|path| !path.is_empty()).cloned();
        let path = path.ok_or_else(|| format!("the `{KEYWORD}` {name} is not reached through `properties` alone"))?;
        if !is_primitive(schema.get("type")) {
            return Err(format!("the `{KEYWORD}` {name} is not on a string, an integer or a boolean"));
        }
        if !self.headers.insert(header.clone()) {
            return Err(format!("the `{KEYWORD}` {name} is there twice"));
        }
        self.annotations.push(Annotation { header, path });
        if self.annotations.len() > MOST { Err(format!("there are more than {MOST} `{KEYWORD}`")) } else { Ok(()) }
    }
}

/// One of the three types, perhaps with `null` beside it, for which no header is sent.
fn is_primitive(kind: Option<&Value>) -> bool {
    let primitive = |kind: &Value| matches!(kind.as_str(), Some("string" | "integer" | "boolean"));
    match kind {
        Some(Value::Array(kinds)) => {
            kinds.iter().any(primitive) && kinds.iter().all(|kind| primitive(kind) || kind == "null")
        }
        Some(kind) => primitive(kind),
        None => false,
    }
}

/// How many headers one tool may add to a call: many servers take 100 in all.
const MOST: usize = 64;
/// The keyword of the annotation.
pub(super) const KEYWORD: &str = "x-mcp-header";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn properties(properties: &Value) -> Result<Vec<(String, String)>, String> {
        let found = of(&json!({ "type": "object", "properties": properties }))?;
        Ok(found.into_iter().map(|found| (found.header.to_string(), found.path.join("/"))).collect())
    }

    #[test]
    fn annotations_are_found_at_their_paths() {
        let found = properties(&json!({
            "region": { "type": "string", KEYWORD: "Region" },
            "limits": { "type": "object", "properties": { "rows": { "type": "integer", KEYWORD: "Max-Rows" } } },
            "dry": { "type": ["boolean", "null"], KEYWORD: "Dry" },
            // A property may have this name, and a default may hold any data.
            KEYWORD: { "type": "object", "default": { KEYWORD: "" } },
        }));
        let found: HashSet<_> = found.unwrap().into_iter().collect();
        let of = |header: &str, path: &str| (header.to_owned(), path.to_owned());
        let expected =
            [of("mcp-param-region", "region"), of("mcp-param-max-rows", "limits/rows"), of("mcp-param-dry", "dry")];
        assert_eq!(found, HashSet::from(expected));
    }

    #[test]
    fn what_breaks_the_rules_is_told() {
        for (schema, why) in [
            (json!({ "a": { "type": "string", KEYWORD: "" } }), "not a name"),
            (json!({ "a": { "type": "string", KEYWORD: 5 } }), "not a name"),
            (json!({ "a": { "type": "string", KEYWORD: "My Region" } }), "characters"),
            (json!({ "a": { "type": "string", KEYWORD: "a\r\nb" } }), "characters"),
            (json!({ "a": { "type": "string", KEYWORD: "R\u{e9}gion" } }), "characters"),
            (json!({ "a": { "type": "number", KEYWORD: "A" } }), "not on a string"),
            (json!({ "a": { "type": "object", KEYWORD: "A" } }), "not on a string"),
            (json!({ "a": { "type": ["string", "array"], KEYWORD: "A" } }), "not on a string"),
            (json!({ "a": { KEYWORD: "A" } }), "not on a string"),
            (
                json!({ "a": { "type": "string", KEYWORD: "A" }, "b": { "type": "string", KEYWORD: "a" } }),
                "is there twice",
            ),
            (json!({ "a": { "type": "array", "items": { "type": "string", KEYWORD: "A" } } }), "`properties` alone"),
            (json!({ "a": { "anyOf": [{ "type": "string", KEYWORD: "A" }] } }), "`properties` alone"),
            (
                json!({ "a": { "if": { "properties": { "b": { "type": "string", KEYWORD: "A" } } } } }),
                "`properties` alone",
            ),
            (json!({ "a": { "x-new": { "type": "string", KEYWORD: "A" } } }), "`properties` alone"),
        ] {
            let told = properties(&schema).unwrap_err();
            assert!(told.contains(why), "{schema}: {told}");
        }
        for schema in [
            json!({ "type": "string", KEYWORD: "A" }),
            json!({ "$defs": { "properties": { "type": "string", KEYWORD: "A" } } }),
        ] {
            assert!(of(&schema).unwrap_err().contains("`properties` alone"), "{schema}");
        }
    }
}

//! The tools as a modern server lists them: annotated ones, and each kind that is annotated against the rules.

use std::sync::Mutex;

use serde_json::Value;

use super::refusal;
use crate::mcp::endpoint::Refusal;
use crate::mcp::locked;
use crate::mcp::message::{ODD, Request};
use crate::mcp::options::{Pages, ToolList};

/// The names of the tools that [`ToolList::invalid`] adds; each breaks one rule for `x-mcp-header`.
pub fn invalid_tools() -> Vec<&'static str> {
    INVALID.iter().map(|(name, _)| *name).collect()
}

/// What the server has to offer.
pub(in crate::mcp) struct Catalogue {
    /// The header of the tool `place` for its region.
    region: Mutex<String>,
}

/// A value that a client has to repeat in a header.
pub(super) struct Annotation {
    /// The properties that lead to it.
    pub(super) path: Vec<String>,
    /// The header's name after `Mcp-Param-`.
    pub(super) header: String,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self { region: Mutex::new("Region".to_owned()) }
    }
}

impl Catalogue {
    pub(super) fn rename(&self, region: &str) {
        region.clone_into(&mut locked(&self.region));
    }

    /// One page of the list, as a result.
    pub(super) fn page(&self, request: &Request, options: &ToolList) -> Result<String, Refusal> {
        let mut tools = self.valid();
        if options.invalid {
            // Between the valid ones, since a page without any would hide a client that stops at the first bad one.
            for (place, (name, schema)) in INVALID.iter().enumerate() {
                tools.insert(2 * place % tools.len(), ((*name).to_owned(), (*schema).to_owned()));
            }
        }
        let cursor = request.params["cursor"].as_str();
        let start = match cursor.map(|cursor| cursor.strip_prefix("after ").and_then(|n| n.parse::<usize>().ok())) {
            None => 0,
            Some(Some(start)) => start,
            Some(None) => return Err(refusal(request, 400, -32602, "Invalid cursor")),
        };
        let (page, next) = match options.pages {
            Pages::One => (tools.as_slice(), None),
            Pages::Of(n) => {
                let end = (start + n).min(tools.len());
                (tools.get(start..end).unwrap_or_default(), (end < tools.len()).then_some(end))
            }
            Pages::Endless => (&tools[..1], Some(start + 1)),
        };
        let listed: Vec<_> = page
            .iter()
            .map(|(name, schema)| format!(r#"{{"name":"{name}","description":"{name}","inputSchema":{schema},{ODD}}}"#))
            .collect();
        let next = next.map_or_else(String::new, |next| format!(r#""nextCursor":"after {next}","#));
        Ok(format!(r#"{{"tools":[{}],{next}"ttlMs":1000,"cacheScope":"public",{ODD}}}"#, listed.join(", ")))
    }

    /// What the headers of a call of this tool must repeat.
    pub(super) fn annotations(&self, tool: &str) -> Vec<Annotation> {
        let mut found = Vec::new();
        if let Some((_, schema)) = self.valid().into_iter().find(|(name, _)| name == tool) {
            let schema = serde_json::from_str(&schema).expect("the schemas here are JSON");
            collect(&schema, &mut Vec::new(), &mut found);
        }
        found
    }

    /// Name and schema of each tool that is as it should be.
    fn valid(&self) -> Vec<(String, String)> {
        let mut tools: Vec<_> = crate::mcp::tools::TOOLS
            .iter()
            .map(|(name, properties)| {
                ((*name).to_owned(), format!(r#"{{"type":"object","properties":{{{properties}}}}}"#))
            })
            .collect();
        let region = Value::from(locked(&self.region).as_str());
        let place = format!(
            r#"{{"type":"object","properties":{{"region":{{"type":"string","x-mcp-header":{region}}},"dry":{{"type":"boolean","x-mcp-header":"Dry-Run"}},"where":{{"type":"object","properties":{{"floor":{{"type":"integer","x-mcp-header":"Floor"}}}}}},"note":{{"type":"string"}}}}}}"#
        );
        tools.push(("place".to_owned(), place));
        tools.push(("tricky".to_owned(), TRICKY.to_owned()));
        tools.push(("naïve".to_owned(), r#"{"type":"object"}"#.to_owned()));
        tools
    }
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Annotation>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        if let Some(header) = property["x-mcp-header"].as_str() {
            found.push(Annotation { path: path.clone(), header: header.to_owned() });
        }
        collect(property, path, found);
        path.pop();
    }
}

/// Valid: the words that matter are names of properties here.
const TRICKY: &str = r#"{"type":"object","properties":{"properties":{"type":"string","x-mcp-header":"Props"},"x-mcp-header":{"type":"string"},"items":{"type":"object","properties":{"oneOf":{"type":"string","x-mcp-header":"One-Of"}}}}}"#;

const INVALID: [(&str, &str); 15] = [
    ("invalid-empty", r#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":""}}}"#),
    ("invalid-blank", r#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Two Words"}}}"#),
    ("invalid-line-break", r#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A\r\nX-Evil: 1"}}}"#),
    ("invalid-not-ascii", r#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Größe"}}}"#),
    ("invalid-not-a-text", r#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":5}}}"#),
    (
        "invalid-duplicate",
        r#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Twice"},"b":{"type":"object","properties":{"c":{"type":"string","x-mcp-header":"TWICE"}}}}}"#,
    ),
    ("invalid-number", r#"{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#),
    ("invalid-object", r#"{"type":"object","properties":{"a":{"type":"object","x-mcp-header":"A"}}}"#),
    ("invalid-array", r#"{"type":"object","properties":{"a":{"type":"array","x-mcp-header":"A"}}}"#),
    (
        "invalid-items",
        r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{"b":{"type":"string","x-mcp-header":"B"}}}}}}"#,
    ),
    ("invalid-one-of", r#"{"type":"object","properties":{"a":{"oneOf":[{"type":"string","x-mcp-header":"A"}]}}}"#),
    (
        "invalid-then",
        r#"{"type":"object","if":{"required":["a"]},"then":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#,
    ),
    (
        "invalid-ref",
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"##,
    ),
    ("invalid-additional", r#"{"type":"object","additionalProperties":{"type":"string","x-mcp-header":"A"}}"#),
    ("invalid-root", r#"{"type":"object","x-mcp-header":"Root","properties":{"a":{"type":"string"}}}"#),
];

//! What listings of tools say of headers, and the headers of calls that follow from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::annotations::{self, Annotation, KEYWORD};
use super::header;
use crate::http::HeaderMap;
use crate::remote::message::Message;

/// The annotated tools of the listings that went by.
#[derive(Debug, Default)]
pub(super) struct Tools(Mutex<HashMap<String, Arc<[Annotation]>>>);

/// A tool that a listing must not hold.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) name: String,
    pub(super) why: String,
}

impl Tools {
    /// Learns from the answer to `tools/list`. Returns the answer without the tools whose
    /// annotations are invalid, and those tools; all other text stays as it is.
    pub(super) fn learn(&self, listing: Message) -> (Message, Vec<Dropped>) {
        let text = std::str::from_utf8(listing.raw()).unwrap_or_default();
        // A listing of another form is the host's to judge.
        let Ok(Listing { result: Some(Tooled { tools }) }) = serde_json::from_str::<Listing<'_>>(text) else {
            return (listing, Vec::new());
        };
        let mut dropped = Vec::new();
        let mut kept = String::new();
        // Where the last tool that was looked at ends, and whether one was kept.
        let (mut end, mut any) = (0, false);
        for (number, tool) in tools.iter().enumerate() {
            let start = tool.get().as_ptr().addr() - text.as_ptr().addr();
            let before = &text[end..start];
            end = start + tool.get().len();
            match self.tool(tool.get()) {
                Ok(()) => {
                    // The first that is kept has no comma before it.
                    kept.push_str(if number == 0 || any { before } else { "" });
                    kept.push_str(tool.get());
                    any = true;
                }
                Err(why) => {
                    kept.push_str(if number == 0 { before } else { "" });
                    dropped.push(why);
                }
            }
        }
        if dropped.is_empty() {
            return (listing, dropped);
        }
        kept.push_str(&text[end..]);
        (listing.with_text(kept.into_bytes()), dropped)
    }

    fn tool(&self, text: &str) -> Result<(), Dropped> {
        // A schema without the word needs no reading; in JSON it may stand in escapes.
        let annotated = text.contains(KEYWORD) || text.contains('\\');
        let shape = Shape::of(text);
        let name = shape.name();
        let found = annotations::of(&if annotated { shape.schema() } else { Value::Null });
        let mut known = self.lock();
        known.remove(&name);
        match found {
            Ok(found) if found.is_empty() => Ok(()),
            Ok(found) => {
                if known.len() >= TOOLS {
                    // Forgotten ones are learned again when the server misses their headers.
                    known.clear();
                }
                known.insert(name, found.into());
                Ok(())
            }
            Err(why) => Err(Dropped { name, why }),
        }
    }

    /// The headers that a call of this tool with these arguments carries.
    pub(super) fn headers(&self, name: &str, arguments: Option<&RawValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(annotations) = self.lock().get(name).cloned() else { return headers };
        for Annotation { header: name, path } in annotations.iter() {
            let found = arguments.and_then(|arguments| at(arguments, path));
            if let Some(value) = found.and_then(header::value_of) {
                headers.insert(name.clone(), value);
            }
        }
        headers
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<[Annotation]>>> {
        // A panic elsewhere leaves a map that is still right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value at the exact path, as written.
fn at<'a>(arguments: &'a RawValue, path: &[String]) -> Option<&'a RawValue> {
    path.iter().try_fold(arguments, |value, name| {
        serde_json::from_str::<HashMap<String, &RawValue>>(value.get()).ok()?.remove(name)
    })
}

#[derive(Deserialize)]
pub(super) struct Listing<'a> {
    #[serde(borrow, default)]
    pub(super) result: Option<Tooled<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Tooled<'a> {
    #[serde(borrow)]
    pub(super) tools: Vec<&'a RawValue>,
}

/// What a tool is called and takes. What stands beside that may be no text that a value can hold.
#[derive(Default, Deserialize)]
pub(super) struct Shape<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inputSchema")]
    schema: Option<&'a RawValue>,
}

impl<'a> Shape<'a> {
    pub(super) fn of(tool: &'a str) -> Self {
        serde_json::from_str(tool).unwrap_or_default()
    }

    /// Its name; empty when it has none that can be read.
    pub(super) fn name(&self) -> String {
        self.name.and_then(|name| serde_json::from_str(name.get()).ok()).unwrap_or_default()
    }

    /// Its input schema; `null` when it has none that can be read.
    pub(super) fn schema(&self) -> Value {
        self.schema.and_then(|schema| serde_json::from_str(schema.get()).ok()).unwrap_or_default()
    }
}

/// How many annotated tools are remembered.
const TOOLS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(tools: &str) -> Message {
        let text =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"x\": 1.0,\"tools\": [ {tools} ],\"y\":50}}}}");
        Message::read(text.into()).remove(0).unwrap()
    }

    fn tool(name: &str, schema: &str) -> String {
        format!("{{\"name\":\"{name}\", \"inputSchema\":{{\"properties\":{{{schema}}}}}}}")
    }

    #[test]
    fn a_listing_without_defects_passes_untouched() {
        let tools = Tools::default();
        let listed = listing(&format!(
            "{} , {}",
            tool("a", ""),
            tool("b", "\"r\":{\"type\":\"string\",\"x-mcp-header\":\"R\"}")
        ));
        let (passed, dropped) = tools.learn(listed.clone());
        assert_eq!((passed.raw(), dropped.len()), (listed.raw(), 0));
        let arguments = RawValue::from_string("{\"r\":\"x\"}".into()).unwrap();
        assert_eq!(tools.headers("b", Some(&arguments))["mcp-param-r"], "x");
        assert!(tools.headers("a", Some(&arguments)).is_empty());
        // Listed again without the annotation, it has none.
        tools.learn(listing(&tool("b", "")));
        assert!(tools.headers("b", Some(&arguments)).is_empty());
    }

    #[test]
    fn only_tools_with_defects_are_dropped() {
        let bad = tool("bad", "\"r\":{\"type\":\"number\",\"x-mcp-header\":\"R\"}");
        let (a, c) = (tool("a", ""), tool("c", ""));
        for (given, kept) in [
            (format!("{a}, {bad} ,{c}"), format!("{a} ,{c}")),
            (format!("{bad}, {a} , {c}"), format!("{a} , {c}")),
            (format!("{bad},{a}"), a.clone()),
            (format!("{a},{bad}"), a.clone()),
            (bad.clone(), String::new()),
        ] {
            let (passed, dropped) = Tools::default().learn(listing(&given));
            assert_eq!(passed.raw(), listing(&kept).raw());
            assert_eq!((dropped.len(), dropped[0].name.as_str()), (1, "bad"));
            assert!(dropped[0].why.contains("not on a string"));
        }
    }

    #[test]
    fn an_annotation_in_escapes_is_found() {
        let escaped = tool("e", "\"r\":{\"type\":\"string\",\"x\\u002dmcp-header\":\"\"}");
        assert_eq!(Tools::default().learn(listing(&escaped)).1.len(), 1);
    }
}

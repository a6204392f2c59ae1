//! What holds for the headers that messages of the stateless revisions get.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::annotations::{self, Annotation};
use super::tools::Tools;
use super::{Parameters, header};
use crate::http::HeaderValue;
use crate::remote::message::Message;

/// Any text becomes a legal header value that says the same; a listing loses the tools with invalid
/// annotations and nothing else; a call gets the headers that its arguments and the listing ask for.
///
/// The first line is the listing, the rest is the call. Both are also taken as mere texts.
///
/// # Panics
/// When it does not hold.
pub fn headers(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (listing, call) = (&data[..at], &data[at..]);
    for text in [listing, call] {
        let text = String::from_utf8_lossy(text);
        assert_eq!(header::text(&text).as_ref().map(decoded).as_deref(), Some(&*text));
    }
    let read = |text: &[u8]| Message::read(Bytes::copy_from_slice(text)).into_iter().next()?.ok();
    let Some(listing) = read(listing) else { return };
    let tools = Tools::default();
    let known = learned(&tools, &listing);
    let Some(call) = read(call) else { return };
    let Parameters { name, arguments, .. } = Parameters::of(&call);
    let names = name.and_then(|name| serde_json::from_str::<String>(name.get()).ok()).into_iter();
    for name in names.chain(known.keys().cloned()) {
        check_call(&tools, &name, known.get(&name).map_or(&[], Vec::as_slice), arguments);
    }
}

/// Checks what becomes of a listing; returns what there is to know of its tools.
fn learned(tools: &Tools, listing: &Message) -> HashMap<String, Vec<Annotation>> {
    let (passed, dropped) = tools.learn(listing.clone());
    let text = std::str::from_utf8(listing.raw()).unwrap_or_default();
    let passed = std::str::from_utf8(passed.raw()).unwrap_or_default();
    let mut known = HashMap::new();
    let Some(all) = raw_tools(text) else {
        assert_eq!((passed, dropped.len()), (text, 0));
        return known;
    };
    let mut kept = Vec::new();
    for tool in &all {
        let shape = super::tools::Shape::of(tool);
        // A tool without a readable name is remembered under none.
        let name = shape.name();
        known.remove(&name);
        if let Ok(annotations) = annotations::of(&shape.schema()) {
            known.insert(name, annotations);
            kept.push(*tool);
        }
    }
    assert_eq!(dropped.len(), all.len() - kept.len(), "{text}");
    if dropped.is_empty() {
        assert_eq!(passed, text);
        return known;
    }
    assert_eq!(raw_tools(passed).as_ref(), Some(&kept), "{text} became {passed}");
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return known };
    let start = first.as_ptr().addr() - text.as_ptr().addr();
    let end = last.as_ptr().addr() - text.as_ptr().addr() + last.len();
    assert!(passed.starts_with(&text[..start]) && passed.ends_with(&text[end..]), "{text} became {passed}");
    known
}

/// Checks the headers of a call of this tool.
fn check_call(tools: &Tools, name: &str, annotations: &[Annotation], arguments: Option<&RawValue>) {
    let headers = tools.headers(name, arguments);
    let values: Value = arguments.and_then(|all| serde_json::from_str(all.get()).ok()).unwrap_or_default();
    if arguments.is_some() && values.is_null() {
        // Numbers and escapes that pass as they are, and that a value cannot hold.
        return;
    }
    let mut expected = 0;
    for Annotation { header, path } in annotations {
        let value = path.iter().try_fold(&values, |value, name| value.as_object()?.get(name));
        let said = headers.get(header).map(decoded);
        match value {
            Some(Value::String(text)) => assert_eq!(said.as_ref(), Some(text), "{name} {header}"),
            Some(Value::Bool(flag)) => assert_eq!(said, Some(flag.to_string()), "{name} {header}"),
            Some(Value::Number(_)) => {
                let written = arguments.and_then(|arguments| written(arguments, path));
                let number = |text: &str| text.parse::<f64>().ok();
                assert_eq!(said.as_deref().and_then(number), written.and_then(number), "{name} {header}");
            }
            _ => assert_eq!(said, None, "{name} {header}"),
        }
        expected += usize::from(headers.contains_key(header));
    }
    assert_eq!(headers.len(), expected, "{name} has headers that nobody asked for");
}

/// The text of a value, by the names down to it.
fn written<'a>(arguments: &'a RawValue, path: &[String]) -> Option<&'a str> {
    let value = path.iter().try_fold(arguments, |value, name| {
        serde_json::from_str::<HashMap<String, &RawValue>>(value.get()).ok()?.remove(name)
    });
    value.map(RawValue::get)
}

/// What a server reads in a header (MCP 2026-07-28, Streamable HTTP, "Value Encoding").
fn decoded(value: &HeaderValue) -> String {
    let Ok(text) = value.to_str() else { panic!("{value:?} is not visible ASCII") };
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim_matches(' ') == text, "{text:?}");
    match text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => text.to_owned(),
        Some(encoded) => {
            let text = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.unwrap_or_else(|| panic!("{encoded} does not decode"))
        }
    }
}

/// The texts of the tools in a listing.
fn raw_tools(listing: &str) -> Option<Vec<&str>> {
    let tools = serde_json::from_str::<super::tools::Listing<'_>>(listing).ok()?.result?.tools;
    Some(tools.into_iter().map(RawValue::get).collect())
}

//! What holds for the envelope of any message.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::members::Members;
use crate::remote::message::{Id, Kind, Malformed, Message};

/// A message keeps its text but for line breaks, is of the kind that a plain reading of its JSON
/// gives, with the id and the revision as written, and takes another id without another change.
///
/// # Panics
/// When it does not hold.
pub fn envelope(data: &[u8]) {
    let read = Message::read(Bytes::copy_from_slice(data));
    let line: Vec<u8> = data.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect();
    let Ok(text) = std::str::from_utf8(&line) else {
        assert!(matches!(read.as_slice(), [Err(Malformed::NotUtf8)]), "{read:?}");
        return;
    };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        assert!(matches!(read.as_slice(), [Err(_)]), "this is no JSON: {read:?}");
        return;
    }
    let text = text.trim_matches([' ', '\t']);
    let members: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    let members: Vec<&str> = members.into_iter().map(RawValue::get).collect();
    let texts = if members.is_empty() { vec![text] } else { members };
    assert_eq!(read.len(), texts.len(), "{read:?}");
    for (message, text) in read.iter().zip(texts) {
        match (message, expected(text)) {
            (Ok(message), Some((kind, revision))) => {
                assert_eq!(&message.raw()[..], text.as_bytes());
                assert_eq!((message.kind(), message.revision()), (&kind, revision.as_deref()), "{text}");
                of_a_message(message, text);
            }
            (Err(_), None) => {}
            (read, expected) => panic!("{text} was read as {read:?} and not as {expected:?}"),
        }
    }
}

/// What a text of valid JSON is.
fn expected(text: &str) -> Option<(Kind, Option<String>)> {
    let members = Members::of(text)?;
    if !members.is_clear(&["id", "method", "params", "result", "error", "jsonrpc"]) {
        return None;
    }
    let set = |name: &str| members.get(name).filter(|value| *value != "null");
    let method = set("method").map(|value| serde_json::from_str::<String>(value).ok());
    let id = set("id").map(id);
    // Some libraries write `"error": null` beside a result.
    let error = set("error").is_some();
    let answered = members.get("result").is_some() || error;
    let kind = match (method, answered, id) {
        (Some(Some(method)), false, Some(Some(id))) => Kind::Request { id, method },
        (Some(Some(method)), false, None) => Kind::Notification { method },
        (None, true, None) => Kind::Response { id: None, error },
        (None, true, Some(Some(id))) => Kind::Response { id: Some(id), error },
        _ => return None,
    };
    Some((kind, set("params").and_then(revision)))
}

/// `params._meta["io.modelcontextprotocol/protocolVersion"]`, where it is there once.
fn revision(params: &str) -> Option<String> {
    let params = Members::of(params).filter(|params| params.is_clear(&["_meta"]))?;
    let meta = Members::of(params.get("_meta")?).filter(|meta| meta.is_clear(&[REVISION]))?;
    serde_json::from_str(meta.get(REVISION)?).ok()
}

/// The id that a message with this id has.
fn id(value: &str) -> Option<Id> {
    let message = Message::read(format!("{{\"method\":\"m\",\"id\":{value}}}").into()).remove(0).ok()?;
    let Kind::Request { id, .. } = message.kind() else { return None };
    assert_eq!(id.raw(), value);
    // A number beyond 64 bits has more digits than a value holds.
    if let Ok(Value::String(_) | Value::Number(_)) = serde_json::from_str(value) {
        let cancel = format!("{{\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{value}}}}}");
        let cancel = Message::read(cancel.into()).remove(0);
        assert_eq!(cancel.ok().and_then(|cancel| cancel.cancels()).as_ref(), Some(id), "{value} cannot be cancelled");
    }
    Some(id.clone())
}

fn of_a_message(message: &Message, text: &str) {
    let Kind::Response { id: before, error } = message.kind() else { return };
    let Some(other) = id("\"\\u0061 new one\"") else { panic!("a string is an id") };
    let changed = message.with_id(&other);
    assert_eq!(changed.kind(), &Kind::Response { id: Some(other.clone()), error: *error });
    let again = Message::read(changed.raw().clone()).remove(0);
    assert!(again.as_ref().is_ok_and(|again| again.kind() == changed.kind()), "{text} became {again:?}");

    let mut members = Members::of(text).map(|members| members.0).unwrap_or_default();
    match members.iter_mut().find(|member| member.0 == "id") {
        Some(member) => member.1 = other.raw(),
        None => members.insert(0, ("id".to_owned(), other.raw())),
    }
    let changed_text = std::str::from_utf8(changed.raw()).unwrap_or_default();
    assert_eq!(Members::of(changed_text).map(|members| members.0), Some(members), "{text}");
    if let Some(before) = before {
        let back = changed.with_id(before);
        assert_eq!(&back.raw()[..], text.as_bytes(), "there and back again");
    }
}

const REVISION: &str = "io.modelcontextprotocol/protocolVersion";

//! The envelope of a message: what tells its kind, its id and its era. All else is checked to be
//! JSON and skipped.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Id, Kind, Malformed};

/// What the envelope of a message tells.
pub(super) struct Scanned {
    pub(super) kind: Kind,
    /// The revision that it names itself (MCP 2026-07-28 on).
    pub(super) revision: Option<Box<str>>,
    /// Whether a response is one of JSON-RPC 2.0, and not just an object with an `error`.
    pub(super) sound: bool,
}

/// Reads the envelope of a message.
pub(super) fn scan(json: &str) -> Result<Scanned, Malformed> {
    let envelope: Envelope<'_> =
        object(json).map_err(|error| if error.is_data() { Malformed::NotMessage } else { Malformed::NotJson })?;
    let id = envelope.id.map(|id| Id::read(id).ok_or(Malformed::NotMessage)).transpose()?;
    let error = envelope.error.map(|error| object::<RpcError<'_>>(error.get()).is_ok_and(|error| error.is_sound()));
    let sound = envelope.jsonrpc.is_some_and(|version| version.get() == "\"2.0\"") && error.unwrap_or(true);
    let kind = match (envelope.method, envelope.result || error.is_some(), id) {
        (Some(method), false, Some(id)) => Kind::Request { id, method: method.into_owned() },
        (Some(method), false, None) => Kind::Notification { method: method.into_owned() },
        (None, true, id) => Kind::Response { id, error: error.is_some() },
        _ => return Err(Malformed::NotMessage),
    };
    Ok(Scanned { kind, revision: envelope.params.and_then(|params| revision(params.get())), sound })
}

/// What the beginning of a message tells before it ends.
#[derive(Default)]
pub(super) struct Found {
    pub(super) id: Option<Id>,
    /// Whether it has a method.
    pub(super) method: bool,
}

impl Found {
    pub(super) fn in_beginning(json: &str) -> Self {
        let mut found = Self::default();
        // Its error is the end of the text.
        let _ = serde_json::Deserializer::from_str(json).deserialize_map(&mut found);
        found
    }
}

impl<'de> Visitor<'de> for &mut Found {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut read = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            // Only what follows shows that a number was whole.
            self.id = read.take().or(self.id.take());
            match name.as_ref() {
                "id" => read = Id::read(map.next_value::<&RawValue>()?),
                "method" => self.method = map.next_value::<Cow<'de, str>>().map(|_| true)?,
                _ => map.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
}

/// The id among the last members of a message of which only the end is there.
pub(super) fn id_at_end(json: &str) -> Option<Id> {
    #[derive(Deserialize)]
    struct Last<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    // An id of something within the message is followed by more than one brace.
    json.rmatch_indices("\"id\"").find_map(|(at, _)| {
        let last = format!("{{{}", &json[at..]);
        Id::read(serde_json::from_str::<Last<'_>>(&last).ok()?.id)
    })
}

/// `params._meta["io.modelcontextprotocol/protocolVersion"]`.
fn revision(params: &str) -> Option<Box<str>> {
    // Most messages name none, and a large one is not parsed a second time for that. A letter of
    // the name may be written as an escape.
    let holds = |word: &[u8]| memchr::memmem::find(params.as_bytes(), word);
    holds(b"modelcontextprotocol").or_else(|| holds(b"\\u00"))?;
    let params: Params<'_> = object(params).ok()?;
    let meta: Meta<'_> = object(params.meta?.get()).ok()?;
    Some(meta.revision?.into())
}

/// Reads an object. An array would do for a struct too, with the members in their order.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> serde_json::Result<T> {
    if json.trim_start().starts_with('[') {
        serde_json::from_str::<IgnoredAny>(json)?;
        return Err(serde::de::Error::custom("an array"));
    }
    serde_json::from_str(json)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    result: bool,
    /// Some libraries write `"error": null` beside a result.
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    /// Of any kind: only of a response it matters here.
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
}

/// An error (JSON-RPC 2.0, section 5.1).
#[derive(Deserialize)]
struct RpcError<'a> {
    #[serde(borrow)]
    code: &'a RawValue,
    #[serde(borrow)]
    message: &'a RawValue,
}

impl RpcError<'_> {
    fn is_sound(&self) -> bool {
        self.message.get().starts_with('"') && self.code.get().parse::<i64>().is_ok()
    }
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    revision: Option<Cow<'a, str>>,
}

/// `true` for any value: `"result": null` is a result.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_beginning_is_found_when_it_is_whole() {
        let id = |text: &str| {
            let found = Found::in_beginning(text);
            found.id.filter(|_| found.method).map(|id| id.raw().to_owned())
        };
        assert_eq!(id(r#"{"method":"m","id":"a","params":{"text":"xxx"#).as_deref(), Some("\"a\""));
        let escaped = r#" {"params":{"id":2},"i\u0064":18446744073709551616,"method":"m","#;
        assert_eq!(id(escaped).as_deref(), Some("18446744073709551616"));
        // The last is an answer, to which there is none.
        for none in [
            "",
            "[{\"id\":1",
            r#"{"method":"m","params":{"id":1,"#,
            r#"{"method":"m","id":12"#,
            r#"{"method":"m","id":null,"#,
            r#"{"id":1,"result":{"method":"m","text":"xxx"#,
        ] {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn the_id_at_an_end_is_that_of_the_message() {
        let id = |text: &str| id_at_end(text).map(|id| id.raw().to_owned());
        assert_eq!(id(r#"xxx","id":1}},"jsonrpc":"2.0","id":"last" } "#).as_deref(), Some("\"last\""));
        assert_eq!(id(r#"xxx"},"id":7,"jsonrpc":"2.0"}"#).as_deref(), Some("7"));
        for none in ["", r#"xxx","id":1}}"#, r#"\"id\":1}"#, r#""id":null}"#, r#""id":{}}"#, r#"xxx"id""#] {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn the_revision_is_found_at_its_exact_place() {
        let of = |params: &str| scan(&format!("{{\"id\":1,\"method\":\"m\",\"params\":{params}}}")).unwrap().revision;
        let key = "io.modelcontextprotocol/protocolVersion";
        assert_eq!(of(&format!("{{\"_meta\":{{\"{key}\":\"2026-07-28\"}}}}")).as_deref(), Some("2026-07-28"));
        let escaped = key.replace('/', "\\/");
        assert_eq!(of(&format!("{{\"x\":[],\"_meta\":{{\"{escaped}\":\"v\\u0031\"}}}}")).as_deref(), Some("v1"));
        let escaped = key.replace('m', "\\u006D");
        assert_eq!(of(&format!("{{\"_meta\":{{\"{escaped}\":\"v1\"}}}}")).as_deref(), Some("v1"));
        for other in [
            format!("{{\"arguments\":{{\"_meta\":{{\"{key}\":\"v1\"}}}}}}"),
            format!("{{\"{key}\":\"v1\"}}"),
            format!("[{{\"_meta\":{{\"{key}\":\"v1\"}}}}]"),
            format!("{{\"_meta\":[\"{key}\"]}}"),
            format!("{{\"_meta\":{{\"{key}\":5}}}}"),
            "{\"_meta\":null,\"x\":\"modelcontextprotocol\"}".to_owned(),
        ] {
            assert_eq!(of(&other), None, "{other}");
        }
    }
}

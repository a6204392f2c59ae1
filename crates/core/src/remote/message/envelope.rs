//! The envelope of a message: what tells its kind, its id and its era. All else is checked to be
//! JSON and skipped.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Id, Kind, Malformed};

/// Reads the kind of a message, and the revision that it names itself (MCP 2026-07-28 on).
pub(super) fn scan(json: &str) -> Result<(Kind, Option<Box<str>>), Malformed> {
    let envelope: Envelope<'_> =
        object(json).map_err(|error| if error.is_data() { Malformed::NotMessage } else { Malformed::NotJson })?;
    let id = envelope.id.map(|id| Id::read(id).ok_or(Malformed::NotMessage)).transpose()?;
    let kind = match (envelope.method, envelope.result || envelope.error, id) {
        (Some(method), false, Some(id)) => Kind::Request { id, method: method.into_owned() },
        (Some(method), false, None) => Kind::Notification { method: method.into_owned() },
        (None, true, id) => Kind::Response { id, error: envelope.error },
        _ => return Err(Malformed::NotMessage),
    };
    Ok((kind, envelope.params.and_then(|params| revision(params.get()))))
}

/// The id of a request of which only the beginning is there, when its id and its method stand in it.
pub(super) fn id_of_beginning(json: &str) -> Option<Id> {
    /// What was found before the text ended.
    #[derive(Default)]
    struct Found {
        id: Option<Id>,
        method: bool,
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
    let mut found = Found::default();
    // Its error is the end of the text.
    let _ = serde_json::Deserializer::from_str(json).deserialize_map(&mut found);
    found.id.filter(|_| found.method)
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
    #[serde(default, deserialize_with = "present")]
    error: bool,
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
        let id = |text: &str| id_of_beginning(text).map(|id| id.raw().to_owned());
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
    fn the_revision_is_found_at_its_exact_place() {
        let of = |params: &str| scan(&format!("{{\"id\":1,\"method\":\"m\",\"params\":{params}}}")).unwrap().1;
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

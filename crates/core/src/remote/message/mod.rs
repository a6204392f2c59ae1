//! JSON-RPC messages as raw text, of which only the envelope is read.
//!
//! The text passes byte for byte: no typed model of MCP stands in between, so unknown methods,
//! unknown fields and numbers of any size survive. Only CR and LF become blanks, which in valid
//! JSON stand between tokens alone.

mod envelope;

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use envelope::Scanned;

use super::method::{CANCELLED, DISCOVER, INITIALIZE, INITIALIZED, LISTEN};

/// One JSON-RPC message on one line.
#[derive(Clone, Debug)]
pub struct Message {
    raw: Bytes,
    kind: Kind,
    /// The revision that the message names itself.
    revision: Option<Box<str>>,
    sound: bool,
}

/// What a message is, by its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a method and an id.
    Request {
        /// Its id.
        id: Id,
        /// Its method.
        method: String,
    },
    /// It has a method and no id.
    Notification {
        /// Its method.
        method: String,
    },
    /// It has a result or an error; an error may come without an id.
    Response {
        /// The id of the request that it answers.
        id: Option<Id>,
        /// Whether it is an error.
        error: bool,
    },
}

/// The id of a request: a string or a number, kept as written.
///
/// Ids are equal when they are the same JSON value: `"a"` and `"\u0061"` are, `1` and `"1"` are not.
#[derive(Clone, Debug)]
pub struct Id {
    raw: String,
    value: serde_json::Value,
}

/// Why a text is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON.
    NotJson,
    /// JSON, but no JSON-RPC message.
    NotMessage,
}

impl Malformed {
    /// The defect in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotUtf8 => "is not UTF-8 text",
            Self::NotJson => "is not valid JSON",
            Self::NotMessage => "is JSON, but not a JSON-RPC message",
        }
    }
}

impl Message {
    /// Reads one message, or the members of a batch (MCP 2025-03-26), each by itself. There is at
    /// least one.
    ///
    /// # Errors
    /// What keeps a text from being a message.
    #[must_use]
    pub fn read(text: Bytes) -> Vec<Result<Self, Malformed>> {
        let text = one_line(text);
        let Ok(json) = std::str::from_utf8(&text) else { return vec![Err(Malformed::NotUtf8)] };
        if !json.trim_start().starts_with('[') {
            return vec![envelope::scan(json).map(|scanned| Self::new(trimmed(&text), scanned))];
        }
        let Ok(members) = serde_json::from_str::<Vec<&RawValue>>(json) else { return vec![Err(Malformed::NotJson)] };
        if members.is_empty() {
            return vec![Err(Malformed::NotMessage)];
        }
        let read = |member: &RawValue| {
            let scanned = envelope::scan(member.get())?;
            Ok(Self::new(text.slice_ref(member.get().as_bytes()), scanned))
        };
        members.into_iter().map(read).collect()
    }

    /// The id of a request that is too long to be read, when its method stands in its beginning, and
    /// its id there or at its end: some libraries write it last.
    pub(crate) fn id_of_ends(beginning: &[u8], end: &[u8]) -> Option<Id> {
        let found = envelope::Found::in_beginning(&String::from_utf8_lossy(beginning));
        let id = found.id.or_else(|| envelope::id_at_end(&String::from_utf8_lossy(end)));
        id.filter(|_| found.method)
    }

    /// A response that we made; `text` is on one line.
    pub(crate) fn response(text: Bytes, id: Option<Id>) -> Self {
        Self { raw: text, kind: Kind::Response { id, error: true }, revision: None, sound: true }
    }

    /// A `notifications/cancelled` that we made; `text` is on one line.
    pub(super) fn cancelled(text: Bytes) -> Self {
        Self { raw: text, kind: Kind::Notification { method: CANCELLED.to_owned() }, revision: None, sound: true }
    }

    fn new(raw: Bytes, scanned: Scanned) -> Self {
        Self { raw, kind: scanned.kind, revision: scanned.revision, sound: scanned.sound }
    }

    /// Whether a response has the form that JSON-RPC 2.0 wants; an object with an `error` may be
    /// that of something else, such as OAuth.
    #[must_use]
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// The text, without line breaks.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The method of a request or a notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// The revision of MCP that the message names itself, in `params._meta` (2026-07-28 on).
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// Whether the message belongs to the stateless revisions (2026-07-28 on). One connection may
    /// carry messages of both eras.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        match self.method() {
            // They open the session of the others, whatever metadata a client puts on all that it
            // sends; and a response goes where the request came from, which none does there.
            Some(INITIALIZE | INITIALIZED) | None => false,
            Some(DISCOVER | LISTEN) => true,
            Some(_) => self.revision.is_some(),
        }
    }

    /// The same message with another text, of which only parts that the envelope does not hold differ.
    #[must_use]
    pub(super) fn with_text(&self, text: Vec<u8>) -> Self {
        Self { raw: text.into(), ..self.clone() }
    }

    /// A part of the message by a JSON pointer (RFC 6901) of plain names. It parses the whole message, so it
    /// is for the few messages whose parts matter.
    #[must_use]
    pub fn part(&self, pointer: &str) -> Option<serde_json::Value> {
        // Only the part itself has to fit a value: what lies beside it may hold half a surrogate
        // pair, or go deeper than one is read.
        let text = std::str::from_utf8(&self.raw).ok()?;
        let part = pointer.split('/').skip(1).try_fold(text, member)?;
        serde_json::from_str(part).ok()
    }

    /// The id of the request that a `notifications/cancelled` names.
    #[must_use]
    pub fn cancels(&self) -> Option<Id> {
        #[derive(Deserialize)]
        struct Cancel<'a> {
            #[serde(borrow)]
            params: Named<'a>,
        }
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow, rename = "requestId")]
            id: &'a RawValue,
        }
        if self.method() != Some(CANCELLED) {
            return None;
        }
        Id::read(serde_json::from_slice::<Cancel<'_>>(&self.raw).ok()?.params.id)
    }

    /// The same response with the id of the request that it answers.
    #[must_use]
    pub(super) fn with_id(&self, id: &Id) -> Self {
        #[derive(Deserialize)]
        struct OnlyId<'a> {
            /// Twice optional: `null` is a value too, whose place in the text is wanted.
            #[serde(borrow, default, deserialize_with = "raw")]
            id: Option<&'a RawValue>,
        }
        fn raw<'de: 'a, 'a, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
            <&RawValue>::deserialize(deserializer).map(Some)
        }
        let text: &[u8] = &self.raw;
        let written = serde_json::from_slice::<OnlyId<'_>>(text).ok().and_then(|only| only.id).map(RawValue::get);
        let raw = match written {
            Some(old) => {
                let start = old.as_ptr().addr() - text.as_ptr().addr();
                [&text[..start], id.raw.as_bytes(), &text[start + old.len()..]].concat()
            }
            // A message is an object, so its first byte is the brace.
            None => [b"{\"id\":", id.raw.as_bytes(), b",", &text[1..]].concat(),
        };
        let error = matches!(self.kind, Kind::Response { error: true, .. });
        Self { raw: raw.into(), kind: Kind::Response { id: Some(id.clone()), error }, ..self.clone() }
    }
}

impl Id {
    /// The id as written.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    fn read(raw: &RawValue) -> Option<Self> {
        let value = match serde_json::from_str(raw.get()).ok()? {
            // A number beyond 64 bits is compared by its text; as a float, neighbours would be equal.
            serde_json::Value::Number(number) if number.is_f64() => serde_json::Value::Array(vec![raw.get().into()]),
            value @ (serde_json::Value::Number(_) | serde_json::Value::String(_)) => value,
            _ => return None,
        };
        Some(Self { raw: raw.get().to_owned(), value })
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

/// A member of an object, as written.
pub(super) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    serde_json::from_str::<HashMap<Cow<'_, str>, &'a RawValue>>(object).ok()?.remove(name).map(RawValue::get)
}

/// The text with its line breaks turned into blanks. In valid JSON they stand between tokens only.
fn one_line(text: Bytes) -> Bytes {
    if memchr::memchr2(b'\r', b'\n', &text).is_none() {
        return text;
    }
    let mut text = text.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    for byte in &mut text[..] {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    text.freeze()
}

fn trimmed(text: &Bytes) -> Bytes {
    text.slice_ref(text.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Message, Malformed> {
        Message::read(Bytes::copy_from_slice(text.as_bytes())).remove(0)
    }

    #[test]
    fn text_passes_byte_for_byte_but_for_line_breaks() {
        let text = "{\"jsonrpc\":\"2.0\",\r\n \"id\":12345678901234567890123,\"method\":\"x/y\",\"params\":{\"a\":50,\"b\":5.0e1,\"c\":\"\\u00e9\"}, \"new\":[]}\n";
        let message = one(text).unwrap();
        assert_eq!(&message.raw()[..], text.replace(['\r', '\n'], " ").trim().as_bytes());
        let Kind::Request { id, method } = message.kind() else { panic!("{message:?}") };
        assert_eq!((id.raw(), method.as_str()), ("12345678901234567890123", "x/y"));
    }

    #[test]
    fn ids_are_equal_by_value_and_type() {
        let id = |text: &str| match one(&format!("{{\"id\":{text},\"method\":\"m\"}}")).unwrap().kind {
            Kind::Request { id, .. } => id,
            other => panic!("{other:?}"),
        };
        assert_eq!(id("\"a\""), id("\"\\u0061\""));
        assert_ne!(id("1"), id("\"1\""));
        assert_ne!(id("18446744073709551617"), id("18446744073709551618"));
        assert_eq!(id("18446744073709551615"), id("18446744073709551615"));
    }

    #[test]
    fn a_cancel_names_the_id_as_the_request_has_it() {
        for id in ["7", "\"a\"", "\"\\u0061\"", "1.5", "1e3", "18446744073709551615", "12345678901234567890123"] {
            let request = one(&format!("{{\"id\":{id},\"method\":\"m\"}}")).unwrap();
            let Kind::Request { id: of_request, .. } = request.kind() else { panic!("{request:?}") };
            // The reason holds a half of a surrogate pair, which passes as it is.
            let params = format!("{{\"reason\":\"\\ud83d\",\"requestId\":{id}}}");
            let cancel = one(&format!("{{\"method\":\"notifications/cancelled\",\"params\":{params}}}")).unwrap();
            assert_eq!(cancel.cancels().as_ref(), Some(of_request));
        }
        for other in ["{\"method\":\"notifications/cancelled\"}", "{\"method\":\"m\",\"params\":{\"requestId\":1}}"] {
            assert_eq!(one(other).unwrap().cancels(), None, "{other}");
        }
    }

    #[test]
    fn kinds_are_told_by_the_envelope() {
        assert!(matches!(one("{\"method\":\"m\"}").unwrap().kind, Kind::Notification { .. }));
        assert!(matches!(one("{\"id\":1,\"result\":null}").unwrap().kind, Kind::Response { error: false, .. }));
        assert!(matches!(one("{\"id\":null,\"error\":{}}").unwrap().kind, Kind::Response { id: None, error: true }));
        for (text, defect) in [
            ("", Malformed::NotJson),
            ("{", Malformed::NotJson),
            ("{\"id\":1,\"method\":\"m\"} x", Malformed::NotJson),
            ("\"text\"", Malformed::NotMessage),
            ("{}", Malformed::NotMessage),
            ("[]", Malformed::NotMessage),
            ("[[1,\"m\"]]", Malformed::NotMessage),
            ("{\"id\":{},\"method\":\"m\"}", Malformed::NotMessage),
            ("{\"id\":1,\"method\":\"m\",\"result\":1}", Malformed::NotMessage),
        ] {
            assert_eq!(one(text).unwrap_err(), defect, "{text}");
        }
        let defect = Message::read(Bytes::from_static(b"{\"method\":\"\xff\"}")).remove(0).unwrap_err();
        assert_eq!(defect, Malformed::NotUtf8);
    }

    #[test]
    fn batches_are_split() {
        let text = Bytes::from_static(b"[{\"id\":1,\"method\":\"a\"},\n {}, {\"method\":\"b\"}]");
        let raws = Message::read(text).into_iter().map(|message| message.map(|message| message.raw().clone()));
        let first = Bytes::from_static(b"{\"id\":1,\"method\":\"a\"}");
        let last = Bytes::from_static(b"{\"method\":\"b\"}");
        assert_eq!(raws.collect::<Vec<_>>(), [Ok(first), Err(Malformed::NotMessage), Ok(last)]);
    }

    #[test]
    fn an_answer_without_an_id_gets_that_of_the_request() {
        let Kind::Request { id, .. } = one("{\"id\":\"7\",\"method\":\"m\"}").unwrap().kind else { panic!() };
        for (text, expected) in [
            (
                "{\"jsonrpc\":\"2.0\", \"id\" : null,\"error\":{\"id\":3}}",
                "{\"jsonrpc\":\"2.0\", \"id\" : \"7\",\"error\":{\"id\":3}}",
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1}}",
                "{\"id\":\"7\",\"jsonrpc\":\"2.0\",\"error\":{\"code\":1}}",
            ),
            ("{\"error\":{\"id\":null}}", "{\"id\":\"7\",\"error\":{\"id\":null}}"),
        ] {
            let message = one(text).unwrap().with_id(&id);
            assert_eq!(std::str::from_utf8(message.raw()).unwrap(), expected);
            assert_eq!(message.kind, Kind::Response { id: Some(id.clone()), error: true });
        }
    }
}

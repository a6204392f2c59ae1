//! The command line of `mcp-remote`, which many people have where their host knows no remote servers with headers.

use mcp_mtls_core::error::{Code, Failure, Result, plain};
use serde_json::{Map, Value};

use super::paste::Translated;

/// The URL and the headers of `npx mcp-remote URL --header 'NAME: VALUE'`.
///
/// # Errors
/// `config-conflict` for every other command: that is a local server.
pub(super) fn translated(entry: &Map<String, Value>) -> Result<Translated> {
    let words = words(entry);
    let Some(at) = words.iter().position(|word| is_mcp_remote(word)) else {
        let command = words.first().map(|word| plain(word)).unwrap_or_default();
        return Err(Failure::new(Code::ConfigConflict, "The pasted entry is a local server")
            .because(format!("It starts `{command}`; mcp-mtls connects to servers by their URL."))
            .fix("Give the URL of the server: `mcp-mtls add NAME URL`."));
    };
    let environment = entry.get("env").or_else(|| entry.get("environment")).and_then(Value::as_object);
    let value = |text: &str| with_environment(text, environment);
    let mut made = Map::new();
    let (mut headers, mut notes) = (Map::new(), Vec::new());
    let mut rest = words[at + 1..].iter();
    while let Some(word) = rest.next() {
        let missing = || untranslatable(word, "Its value is missing.");
        match word.as_str() {
            "--header" => {
                let header = rest.next().ok_or_else(missing)?;
                let (name, text) = header.split_once(':').ok_or_else(|| untranslatable(word, "It has no colon."))?;
                headers.insert(name.trim().to_owned(), value(text.trim()).into());
            }
            "--transport" => {
                if rest.next().ok_or_else(missing)? == "sse-only" {
                    made.insert("type".to_owned(), "sse".into());
                }
            }
            flag if NEEDLESS.contains(&flag) => {}
            flag if NEEDLESS_WITH_VALUE.contains(&flag) => drop(rest.next().ok_or_else(missing)?),
            flag if flag.starts_with('-') => return Err(untranslatable(word, "It has no meaning here.")),
            // A second word is the port of its browser login.
            url => drop(made.entry("url").or_insert_with(|| value(url).into())),
        }
    }
    if !made.contains_key("url") {
        return Err(untranslatable("mcp-remote", "It names no URL."));
    }
    if !headers.is_empty() {
        made.insert("headers".to_owned(), headers.into());
    }
    if let Some(ca) = environment.and_then(|variables| variables.get("NODE_EXTRA_CA_CERTS")) {
        made.insert("tls".to_owned(), Map::from_iter([("ca".to_owned(), ca.clone())]).into());
    }
    if environment.is_some_and(|variables| variables.contains_key("NODE_TLS_REJECT_UNAUTHORIZED")) {
        notes.push("NODE_TLS_REJECT_UNAUTHORIZED was not taken over: servers are always verified".to_owned());
    }
    notes.push("it was translated from the command line of mcp-remote".to_owned());
    Ok(Translated { entry: made, notes })
}

/// The command and its arguments, in one list or two.
fn words(entry: &Map<String, Value>) -> Vec<String> {
    let list = |key: &str| match entry.get(key) {
        Some(Value::String(word)) => vec![word.clone()],
        Some(Value::Array(words)) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    [list("command"), list("args")].concat()
}

fn is_mcp_remote(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    name.split('@').next() == Some("mcp-remote")
}

/// The text with the variables that the entry itself sets; others are those of the environment here, too.
fn with_environment(text: &str, environment: Option<&Map<String, Value>>) -> String {
    environment.into_iter().flatten().fold(text.to_owned(), |text, (name, value)| match value {
        Value::String(value) => text.replace(&format!("${{{name}}}"), value),
        _ => text,
    })
}

fn untranslatable(word: &str, why: &str) -> Failure {
    Failure::new(Code::ConfigConflict, format!("`{}` of the pasted command line cannot be translated", plain(word)))
        .because(why)
        .fix("Give the URL and the headers yourself: `mcp-mtls add NAME URL -H 'NAME: VALUE'`.")
}

/// Flags that ask for nothing that is not so here anyway.
const NEEDLESS: [&str; 5] = ["--allow-http", "--debug", "--enable-proxy", "--silent", "--"];
const NEEDLESS_WITH_VALUE: [&str; 2] = ["--auth-timeout", "--host"];

//! The command line of `mcp-remote`, which many people have where their host knows no remote servers with headers.

use mcp_mtls_core::error::{Code, Failure, Result, plain};
use serde_json::{Map, Value};

use super::exposed::is_of_credential;
use super::paste::Translated;

/// The URL and the headers of `npx mcp-remote URL --header 'NAME: VALUE'`.
///
/// # Errors
/// `config-conflict` for every other command: that is a local server.
pub(super) fn translated(entry: &Map<String, Value>) -> Result<Translated> {
    let words = words(entry);
    let Some(rest) = behind_mcp_remote(&words) else { return Err(no_translation(&words)) };
    let environment = entry.get("env").or_else(|| entry.get("environment")).and_then(Value::as_object);
    let value = |text: &str| with_environment(text, environment);
    let mut made = Map::new();
    let (mut headers, mut notes, mut places) = (Map::new(), Vec::new(), Vec::new());
    let mut proxied = false;
    let mut rest = rest.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        // What stands behind it may be a secret, which is not told.
        let (flag, given) = match word.split_once('=') {
            Some((flag, given)) if word.starts_with('-') => (flag, Some(given)),
            _ => (word, None),
        };
        let mut next = || given.or_else(|| rest.next()).ok_or_else(|| untranslatable(flag, "Its value is missing."));
        match flag {
            "--header" => {
                let (name, text) = next()?.split_once(':').ok_or_else(|| untranslatable(flag, "It has no colon."))?;
                let name = name.trim();
                // Of the others it is told when they are written.
                if !is_of_credential(name) {
                    notes.extend(written_out(text, environment, &format!("the header {}", plain(name))));
                }
                headers.insert(name.to_owned(), value(text.trim()).into());
            }
            "--transport" => {
                if next()? == "sse-only" {
                    made.insert("type".to_owned(), "sse".into());
                }
            }
            "--enable-proxy" if given.is_none() => proxied = true,
            "--allow-http" if given.is_none() => {
                notes.push(format!("{flag} was not taken over: http:// is for servers on this machine alone"));
            }
            "--debug" if given.is_none() => {
                notes.push(format!("{flag} was not taken over: `connect` has --log-file and --trace"));
            }
            _ if NEEDLESS.contains(&flag) && given.is_none() => {}
            _ if NEEDLESS_WITH_VALUE.contains(&flag) => drop(next()?),
            _ if flag.starts_with('-') => return Err(untranslatable(flag, "It has no meaning here.")),
            _ => places.push(word),
        }
    }
    match places.as_slice() {
        [] => return Err(untranslatable("mcp-remote", "It names no URL.")),
        // A second word is the port of its browser login.
        [url] => made.insert("url".to_owned(), value(url).into()),
        [url, port] if port.parse::<u16>().is_ok() => made.insert("url".to_owned(), value(url).into()),
        _ => return Err(untranslatable("mcp-remote", "It has more words than a URL and a port.")),
    };
    notes.extend(places.iter().flat_map(|url| written_out(url, environment, "the URL")));
    if !headers.is_empty() {
        made.insert("headers".to_owned(), headers.into());
    }
    if let Some(ca) = environment.and_then(|variables| variables.get("NODE_EXTRA_CA_CERTS")) {
        made.insert("tls".to_owned(), Map::from_iter([("ca".to_owned(), ca.clone())]).into());
    }
    for name in environment.into_iter().flat_map(Map::keys) {
        let name = plain(name);
        match name.as_str() {
            "NODE_EXTRA_CA_CERTS" => {}
            "NODE_TLS_REJECT_UNAUTHORIZED" => {
                notes.push(format!("{name} was not taken over: servers are always verified"));
            }
            _ if is_proxy(&name) && proxied => {
                notes.push(format!("{name} was not taken over: add --proxy URL if the server is behind a proxy"));
            }
            _ if words.iter().any(|word| word.contains(&format!("${{{name}}}"))) => {}
            _ => notes.push(format!("{name} of its environment was not taken over")),
        }
    }
    let others = entry.keys().filter(|key| !KEYS.contains(&key.as_str()));
    notes.extend(others.map(|key| format!("its `{}` was not taken over", plain(key))));
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

/// What follows `mcp-remote`, if it runs on this machine and nothing else does.
fn behind_mcp_remote(words: &[String]) -> Option<&[String]> {
    let name = |word: &String| {
        let name = word.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        name.trim_end_matches(".exe").trim_end_matches(".cmd").to_owned()
    };
    let words = match words {
        [shell, flag, rest @ ..] if name(shell) == "cmd" && flag.eq_ignore_ascii_case("/c") => rest,
        words => words,
    };
    let mut rest = match words {
        [runner, rest @ ..] if ["npx", "bunx"].contains(&name(runner).as_str()) => rest,
        [runner, dlx, rest @ ..] if ["pnpm", "yarn"].contains(&name(runner).as_str()) && dlx == "dlx" => rest,
        _ => return None,
    };
    loop {
        rest = match rest {
            [yes, rest @ ..] if yes == "-y" || yes == "--yes" => rest,
            [flag, package, rest @ ..] if (flag == "-p" || flag == "--package") && is_mcp_remote(package) => rest,
            [flag, rest @ ..] if flag.strip_prefix("--package=").is_some_and(is_mcp_remote) => rest,
            [package, rest @ ..] if is_mcp_remote(package) => return Some(rest),
            _ => return None,
        };
    }
}

fn is_mcp_remote(word: &str) -> bool {
    word.split('@').next() == Some("mcp-remote")
}

fn no_translation(words: &[String]) -> Failure {
    let is_near = |word: &String| word.rsplit(['/', '\\']).next().is_some_and(is_mcp_remote);
    let fix = "Give the URL of the server: `mcp-mtls add NAME URL`.";
    if words.iter().any(is_near) {
        return Failure::new(Code::ConfigConflict, "The pasted command line cannot be translated")
            .because("Only `npx mcp-remote URL` is, and the same with bunx, pnpm dlx or yarn dlx: what else it starts may change what it means.")
            .fix(fix);
    }
    let command = words.first().map(|word| plain(word)).unwrap_or_default();
    if command.rsplit(['/', '\\']).next().is_some_and(|name| name.trim_end_matches(".exe") == "mcp-mtls") {
        return Failure::new(Code::ConfigConflict, "The pasted entry starts mcp-mtls itself")
            .fix("Give what stands behind `connect` to `mcp-mtls add NAME`.");
    }
    Failure::new(Code::ConfigConflict, "The pasted entry is a local server")
        .because(format!("It starts `{command}`; mcp-mtls connects to servers by their URL."))
        .fix(fix)
}

fn is_proxy(name: &str) -> bool {
    ["http_proxy", "https_proxy", "all_proxy", "no_proxy"].iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
}

/// The text with the variables that the entry itself sets; others are those of the environment here, too.
fn with_environment(text: &str, environment: Option<&Map<String, Value>>) -> String {
    environment.into_iter().flatten().fold(text.to_owned(), |text, (name, value)| match value {
        Value::String(value) => text.replace(&format!("${{{name}}}"), value),
        _ => text,
    })
}

/// The variables of the entry whose values are written out where the text names them.
fn written_out(text: &str, environment: Option<&Map<String, Value>>, place: &str) -> Vec<String> {
    let names = environment.into_iter().flat_map(Map::keys).filter(|name| text.contains(&format!("${{{name}}}")));
    names
        .map(|name| {
            let name = plain(name);
            format!("the value of {name} stands in {place} in the file itself; {{file:}} or {{env:}} is safer")
        })
        .collect()
}

fn untranslatable(word: &str, why: &str) -> Failure {
    Failure::new(Code::ConfigConflict, format!("`{}` of the pasted command line cannot be translated", plain(word)))
        .because(why)
        .fix("Give the URL and the headers yourself: `mcp-mtls add NAME URL -H 'NAME: VALUE'`.")
}

/// Flags that ask for nothing that is not so here anyway.
const NEEDLESS: [&str; 2] = ["--silent", "--"];
const NEEDLESS_WITH_VALUE: [&str; 2] = ["--auth-timeout", "--host"];

/// The keys of an entry that are read, or say what is known anyway.
const KEYS: [&str; 5] = ["command", "args", "env", "environment", "type"];

//! References in values: `{env:NAME}`, `{file:PATH}` and `{command:PROGRAM ARGUMENTS}`.
//!
//! They are found in the text as written; what they give is never scanned again.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::locate::home;
use super::origin::Origin;
use super::suggest::nearest;
use crate::error::{Code, Failure, Result};
use crate::secret::Secret;

/// Replaces every reference in `written`.
///
/// Reads files and runs programs, so it may block: 5 s for each program at most.
pub(super) fn resolve(written: &Secret, folder: Option<&Path>, origin: &Origin) -> Result<Secret> {
    let mut value = zeroize::Zeroizing::new(String::new());
    for part in parse(written.expose(), origin)? {
        match part {
            Part::Literal(text) => value.push_str(text),
            Part::Env(name) => value.push_str(&variable(name, origin)?),
            Part::File(path) => value.push_str(read(&expand(path, folder, origin)?, origin)?.expose()),
            Part::Command(line) => value.push_str(run(line, folder, origin)?.expose()),
        }
    }
    Ok(Secret::new(std::mem::take(&mut *value)))
}

/// What is left of `written` without its references: the part that stands there literally.
pub(super) fn literal(written: &Secret, origin: &Origin) -> Result<(String, bool)> {
    let parts = parse(written.expose(), origin)?;
    let any = parts.iter().any(|part| !matches!(part, Part::Literal(_)));
    let texts = parts.into_iter().map(|part| if let Part::Literal(text) = part { text } else { "" });
    Ok((texts.collect(), any))
}

/// A path as written: `~` is the home folder, and the rest is relative to the file it stands in.
pub(super) fn expand(written: &str, folder: Option<&Path>, origin: &Origin) -> Result<PathBuf> {
    let path = match written.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            let Some(home) = home() else {
                return Err(Failure::new(Code::ReferenceUnresolved, "`~` has no meaning here")
                    .at(origin.to_string())
                    .because("The environment names no home folder; some hosts clear it.")
                    .fix("Write the absolute path."));
            };
            home.join(rest.trim_start_matches(['/', '\\']))
        }
        _ => PathBuf::from(written),
    };
    Ok(folder.map_or_else(|| path.clone(), |folder| folder.join(&path)))
}

#[derive(Debug, PartialEq)]
enum Part<'a> {
    Literal(&'a str),
    Env(&'a str),
    File(&'a str),
    Command(&'a str),
}

fn parse<'a>(text: &'a str, origin: &Origin) -> Result<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut literal = 0;
    while let Some(open) = rest[literal..].find('{').map(|at| at + literal) {
        let dollar = open > 0 && rest.as_bytes()[open - 1] == b'$';
        let Some(inner) = braced(&rest[open..]) else { break };
        let part = if dollar { foreign(inner, origin)? } else { own(inner, origin)? };
        let Some(part) = part else {
            literal = open + 1;
            continue;
        };
        let before = &rest[..open - usize::from(dollar)];
        if !before.is_empty() {
            parts.push(Part::Literal(before));
        }
        parts.push(part);
        rest = &rest[open + inner.len() + 2..];
        literal = 0;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    Ok(parts)
}

/// The text between the opening brace and the one that closes it.
fn braced(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(&text[1..at]),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn own<'a>(inner: &'a str, origin: &Origin) -> Result<Option<Part<'a>>> {
    let Some((kind, argument)) = inner.split_once(':') else { return Ok(None) };
    let argument = argument.trim();
    let part = match kind {
        "env" => Part::Env(argument),
        "file" => Part::File(argument),
        "command" => Part::Command(argument),
        _ => match nearest(kind, KINDS) {
            Some(near) if kind.chars().all(char::is_alphabetic) => {
                return Err(unresolved(format!("`{{{kind}:…}}` is not a reference"), origin)
                    .fix(format!("Did you mean `{{{near}:…}}`?")));
            }
            _ => return Ok(None),
        },
    };
    if argument.is_empty() {
        return Err(unresolved(format!("`{{{kind}:}}` names nothing"), origin));
    }
    Ok(Some(part))
}

/// The notation of other hosts, `${NAME}` and `${env:NAME}`: translated, or refused; sent literally it would be wrong.
fn foreign<'a>(inner: &'a str, origin: &Origin) -> Result<Option<Part<'a>>> {
    let name = inner.strip_prefix("env:").unwrap_or(inner);
    if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        return Ok(Some(Part::Env(name)));
    }
    Err(unresolved(format!("`${{{}}}` cannot be translated", crate::error::quoted(inner)), origin)
        .because("It is another host's notation.")
        .fix("Write {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}."))
}

fn variable(name: &str, origin: &Origin) -> Result<zeroize::Zeroizing<String>> {
    match env::var(name) {
        Ok(value) => Ok(zeroize::Zeroizing::new(value)),
        Err(env::VarError::NotPresent) => {
            Err(unresolved(format!("The environment variable `{name}` is not set"), origin)
                .because("Some hosts start servers with a cleared environment.")
                .fix(format!("Set {name} where the host passes it on (its `env` setting), or use {{file:…}}.")))
        }
        Err(env::VarError::NotUnicode(_)) => {
            Err(unresolved(format!("The environment variable `{name}` is not UTF-8 text"), origin))
        }
    }
}

fn read(path: &Path, origin: &Origin) -> Result<Secret> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        unresolved(format!("The file `{}` cannot be read", path.display()), origin).because(error.to_string())
    })?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// Runs a program without a shell; its standard output, trimmed, is the value.
fn run(line: &str, folder: Option<&Path>, origin: &Origin) -> Result<Secret> {
    let Some((program, arguments)) = shlex::split(line).and_then(|words| {
        let mut words = words.into_iter();
        Some((words.next()?, words.collect::<Vec<_>>()))
    }) else {
        return Err(unresolved("The command of a reference cannot be read".into(), origin)
            .fix("Close its quotation marks. Words are split as a POSIX shell does, without expansion."));
    };
    let failed = |why: String| unresolved(format!("The command `{program}` of a reference failed"), origin).because(why);
    let name = if program.contains(['/', '\\']) { expand(&program, folder, origin)? } else { PathBuf::from(&program) };
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let deadline = Instant::now() + COMMAND_TIME;
    let (sender, receiver) = mpsc::channel();
    let output = child.stdout.take();
    std::thread::spawn(move || {
        let mut text = zeroize::Zeroizing::new(String::new());
        let read = output.map(|output| output.take(COMMAND_OUTPUT).read_to_string(&mut text));
        // The receiver is gone when the time is up; then nobody wants the value.
        let _ = sender.send(read.transpose().is_ok().then(|| Secret::new(text.trim().to_owned())));
    });
    let answer = receiver.recv_timeout(COMMAND_TIME).ok();
    let status = end(&mut child, if answer.is_some() { deadline } else { Instant::now() });
    match (answer, status) {
        (None, _) | (_, None) => Err(failed(format!("It took longer than {} s.", COMMAND_TIME.as_secs()))),
        (_, Some(status)) if !status.success() => {
            Err(failed(format!("It ended with {status}.")).fix("Run it in a terminal to see what it says."))
        }
        (Some(None), _) => Err(failed("What it printed is not UTF-8 text.".into())),
        (Some(Some(value)), _) if value.expose().is_empty() => Err(failed("It printed nothing.".into())),
        (Some(Some(value)), _) => Ok(value),
    }
}

/// Waits for a program until `deadline`, then ends it. None when it had to be ended.
fn end(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            // It may have ended by itself meanwhile; either way it is reaped.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn unresolved(what: String, origin: &Origin) -> Failure {
    Failure::new(Code::ReferenceUnresolved, what).at(origin.to_string())
}

const KINDS: [&str; 3] = ["env", "file", "command"];
const COMMAND_TIME: Duration = Duration::from_secs(5);
const COMMAND_OUTPUT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::Program("test".into())
    }

    fn value(text: &str) -> Result<String> {
        resolve(&Secret::new(text.into()), None, &origin()).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn finds_references_among_literal_text() {
        let parts = parse("a {\"x\":1} {env:A}${B}-{command:sh -c 'echo {}'}", &origin()).unwrap();
        let expected = [
            Part::Literal("a {\"x\":1} "),
            Part::Env("A"),
            Part::Env("B"),
            Part::Literal("-"),
            Part::Command("sh -c 'echo {}'"),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn results_are_not_scanned_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        std::fs::write(&file, "{env:HOME}\n").unwrap();
        assert_eq!(value(&format!("<{{file:{}}}>", file.display())).unwrap(), "<{env:HOME}>");
    }

    #[cfg(unix)]
    #[test]
    fn commands_run_without_a_shell() {
        assert_eq!(value("{command:printf '%s' '$HOME  x'}").unwrap(), "$HOME  x");
        for (command, why) in [
            ("false", "It ended with exit status: 1."),
            ("true", "It printed nothing."),
            ("/nonexistent/x", "No such file or directory (os error 2)"),
        ] {
            let failure = value(&format!("{{command:{command}}}")).unwrap_err();
            assert_eq!(failure.facts().why, [why]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn commands_have_a_time_limit() {
        let failure = value("{command:sleep 60}").unwrap_err();
        assert_eq!(failure.facts().why, ["It took longer than 5 s."]);
    }

    #[test]
    fn wrong_references_are_errors() {
        assert!(value("{evn:X}").unwrap_err().to_string().contains("`{env:…}`"));
        assert!(value("{env:}").is_err());
        assert!(value("${input:token}").is_err());
        assert!(value("${X:-default}").is_err());
        assert!(value("{env:MCP_MTLS_SURELY_UNSET}").unwrap_err().to_string().contains("MCP_MTLS_SURELY_UNSET"));
    }
}

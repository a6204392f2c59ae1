//! An entry in the shape of a host, and what of it is ours.

use std::time::Duration;

use mcp_mtls_core::config::{Entry, StartedKind, Value, Variable};
use mcp_mtls_core::error::{Code, Failure, Result, plain as words};
use serde_json::Value as Json;

use super::host::{Command, Environment, Fixed, Host, Longer, More};

/// What a host is to run.
pub(super) struct Run {
    pub(super) name: String,
    /// The program, absolute.
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// The configuration file of the entry, absolute.
    pub(super) config: String,
    /// The variables that it needs, each once.
    pub(super) variables: Vec<Variable>,
    /// Whether it starts programs of its own, which need nobody knows what.
    pub(super) starts: bool,
    /// How long it may take to connect.
    pub(super) timeout: Duration,
    /// The server, where its URL may be told.
    pub(super) url: Option<String>,
}

/// A value of an entry, by its path of keys within it.
pub(super) struct Piece {
    pub(super) path: Vec<String>,
    pub(super) value: Value,
    /// Whose it is when one is there already.
    pub(super) when_there: WhenThere,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenThere {
    /// Ours: it is set to what it should be.
    Ours,
    /// Ours, in a list beside what the user has there.
    Among,
    /// The user's: it stays. Where it is missing, it is added.
    Theirs,
    /// The user's, and so is its absence: only a new entry gets it.
    New,
}

/// What is found under the name of an entry.
pub(super) struct Found {
    command: Option<String>,
    arguments: Vec<String>,
    /// Of a remote server.
    pub(super) url: Option<String>,
    /// Whether there is anything where a remote server has its URL.
    is_remote: bool,
}

/// What an entry of ours says.
pub(super) struct Ours<'a> {
    /// The configuration file that it names.
    pub(super) config: Option<&'a str>,
    /// What its user lets `connect` write into a log.
    pub(super) log: Vec<&'a str>,
}

impl Run {
    /// The entry of this name in this configuration file.
    pub(super) fn new(name: &str, program: &str, config: &str, entry: &Entry) -> Result<Self> {
        let draft = entry.draft()?;
        let mut variables: Vec<Variable> = Vec::new();
        for variable in &draft.variables {
            if !variables.iter().any(|other| other.name == variable.name) {
                variables.push(variable.clone());
            }
        }
        Ok(Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments: ["connect", name, "--config", config].map(str::to_owned).to_vec(),
            config: config.to_owned(),
            variables,
            starts: draft.programs.iter().any(|started| started.kind == StartedKind::Program),
            timeout: entry.timeout()?,
            url: entry.told_url(),
        })
    }
}

impl Host {
    /// Everything that an entry has here. `found` is the entry as it is.
    pub(super) fn pieces(&self, run: &Run, found: Option<&Json>) -> Result<Vec<Piece>> {
        let shape = &self.shape;
        let within = |keys: &[&str]| shape.inside.iter().chain(keys).map(|key| (*key).to_owned()).collect();
        let piece = |keys: &[&str], value, when_there| Piece { path: within(keys), value, when_there };
        let fixed = |fixed: &Fixed| match fixed {
            Fixed::Text(text) => Value::text(text),
            Fixed::Bool(value) => Value::Bool(*value),
            Fixed::Words(words) => Value::List(words.iter().map(|word| Value::text(word)).collect()),
            Fixed::Name => Value::text(&run.name),
        };
        let mut pieces: Vec<_> =
            shape.fixed.iter().map(|(key, value)| piece(&[key], fixed(value), WhenThere::Ours)).collect();
        let before = found.map(|entry| self.found(entry));
        let log = before.as_ref().and_then(|before| before.ours(&run.name)).map(|ours| ours.log).unwrap_or_default();
        let arguments = run.arguments.iter().map(String::as_str).chain(log).map(Value::text);
        match shape.command {
            Command::Line(key) => {
                let line = [Value::text(&run.program)].into_iter().chain(arguments).collect();
                pieces.push(piece(&[key], Value::List(line), WhenThere::Ours));
            }
            Command::Parts(program, list) => {
                pieces.push(piece(&[program], Value::text(&run.program), WhenThere::Ours));
                pieces.push(piece(&[list], Value::List(arguments.collect()), WhenThere::Ours));
            }
        }
        let passed: Vec<_> = self.passed(run).collect();
        match &self.environment {
            Environment::Part { more: More::References { key, before, after, .. }, .. } => {
                pieces.extend(passed.iter().map(|name| {
                    piece(&[key, name], Value::text(&format!("{before}{name}{after}")), WhenThere::Theirs)
                }));
            }
            Environment::Part { more: More::Names(key), .. } => {
                let list = names(found, key, &passed).map_err(|Unkept| self.unkept(&run.name, key))?;
                pieces.extend(list.map(|list| piece(&[key], list, WhenThere::Among)));
            }
            _ => {}
        }
        let startup = self.startup.as_ref().filter(|startup| run.timeout.as_secs() >= startup.seconds);
        if let Some(startup) = startup {
            let seconds = (run.timeout.as_secs() + SPARE).max(startup.least);
            let limit = match startup.longer {
                Longer::Milliseconds(key) => Some((key, seconds.saturating_mul(1000))),
                Longer::Seconds(key) => Some((key, seconds)),
                Longer::Variable(_) => None,
            };
            // Beside what it runs, and never within.
            pieces.extend(limit.map(|(key, limit)| Piece {
                path: vec![key.to_owned()],
                value: Value::Number(limit),
                when_there: WhenThere::Theirs,
            }));
        }
        pieces.extend(shape.first.iter().map(|(key, value)| piece(&[key], fixed(value), WhenThere::New)));
        Ok(pieces)
    }

    fn unkept(&self, name: &str, key: &str) -> Failure {
        let what = format!("`{key}` of the entry `{}` of {} holds what cannot be kept", words(name), self.title);
        Failure::new(Code::ConfigInvalidValue, what)
            .because("More has to be put into that list, and something in it is no text, boolean or whole number.")
            .fix(format!("Remove it from `{key}`."))
    }

    /// Those of them that it is told to give.
    pub(super) fn passed<'a>(&self, run: &'a Run) -> impl Iterator<Item = &'a str> {
        self.missing(run).filter(|name| !self.is_left_out(run, name))
    }

    /// Whether a reference to this variable would be worse than nothing: to one that need not be set, is not, and
    /// would arrive as the reference itself.
    pub(super) fn is_left_out(&self, run: &Run, name: &str) -> bool {
        let keeps = matches!(self.environment, Environment::Part { more: More::References { keeps: true, .. }, .. });
        let mut variables = run.variables.iter().filter(|variable| variable.name == name);
        keeps && variables.any(|variable| !variable.is_set && variable.setting == "tls.spiffe.socket")
    }

    /// The variables that it needs, and that this host does not give it unasked.
    pub(super) fn missing<'a>(&self, run: &'a Run) -> impl Iterator<Item = &'a str> {
        let given = match self.environment {
            Environment::Whole => None,
            Environment::Part { given, .. } => Some(given),
        };
        let named = run.variables.iter().map(|variable| variable.name.as_str());
        named.filter(move |name| given.is_some_and(|given| !given.contains(name)))
    }

    /// What the value under the name of an entry says.
    pub(super) fn found(&self, entry: &Json) -> Found {
        let inner = self.shape.inside.and_then(|key| entry.get(key)).unwrap_or(entry);
        let text = |key: &str| inner.get(key).and_then(Json::as_str).map(str::to_owned);
        let list = |key: &str| -> Vec<String> {
            let list = inner.get(key).and_then(Json::as_array);
            list.into_iter().flatten().map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
        };
        let (command, arguments) = match self.shape.command {
            Command::Line(key) => {
                let mut line = list(key).into_iter();
                (line.next(), line.collect())
            }
            Command::Parts(program, arguments) => (text(program), list(arguments)),
        };
        let is_remote = URLS.iter().any(|key| inner.get(key).is_some() || entry.get(key).is_some());
        Found { command, arguments, url: URLS.into_iter().find_map(text), is_remote }
    }
}

impl Found {
    /// What it says, if `install` made it under this name, by whatever path this program was called; its user may have
    /// let it write a log. All else is somebody's own.
    pub(super) fn ours(&self, name: &str) -> Option<Ours<'_>> {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let ["connect", entry, flags @ ..] = arguments.as_slice() else { return None };
        if !self.is_started() || self.is_remote || *entry != name {
            return None;
        }
        let (mut flags, mut config, mut log) = (flags, None, Vec::new());
        while let [flag, rest @ ..] = flags {
            flags = rest;
            match (flag.split_once('=').unwrap_or((flag, "")), rest) {
                (("--config", ""), [file, rest @ ..])
                    if config.is_none() && !flag.ends_with('=') && !file.is_empty() =>
                {
                    (config, flags) = (Some(*file), rest);
                }
                (("--config", file), _) if config.is_none() && !file.is_empty() => config = Some(file),
                (("--log-file", ""), [file, rest @ ..]) if !flag.ends_with('=') => {
                    log.extend([*flag, *file]);
                    flags = rest;
                }
                (("--log-file", file), _) if !file.is_empty() => log.push(*flag),
                (("--trace" | "--trace-bodies", ""), _) if !flag.ends_with('=') => log.push(*flag),
                _ => return None,
            }
        }
        Some(Ours { config, log })
    }

    /// Whether it starts this program, by whatever path.
    pub(super) fn is_started(&self) -> bool {
        let name = self.command.as_deref().and_then(|path| path.rsplit(['/', '\\']).next());
        matches!(name, Some("mcp-mtls" | "mcp-mtls.exe"))
    }
}

/// The pieces as one value.
pub(super) fn whole(pieces: Vec<Piece>) -> Value {
    let mut keys = Vec::new();
    for Piece { path, value, .. } in pieces {
        put(&mut keys, &path, value);
    }
    Value::Map(keys)
}

fn put(keys: &mut Vec<(String, Value)>, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => keys.push((key.clone(), value)),
        [key, rest @ ..] => {
            if let Some((_, Value::Map(inner))) = keys.iter_mut().find(|(name, _)| name == key) {
                put(inner, rest, value);
            } else {
                let mut inner = Vec::new();
                put(&mut inner, rest, value);
                keys.push((key.clone(), Value::Map(inner)));
            }
        }
    }
}

/// Something in a list cannot be written again.
struct Unkept;

/// The list of names with those that are missing, if any is.
fn names(found: Option<&Json>, key: &str, passed: &[&str]) -> Result<Option<Value>, Unkept> {
    let there: &[Json] = found.and_then(|found| found.get(key)?.as_array()).map_or(&[], Vec::as_slice);
    // A name may have more to say, as in `{ name = "TOKEN", source = "local" }`.
    let has = |name: &str| there.iter().any(|there| there == name || there["name"] == name);
    let by_value = |name: &str| found.and_then(|found| found.get("env")?.get(name)).is_some();
    let added: Vec<_> = passed.iter().copied().filter(|name| !has(name) && !by_value(name)).map(Value::text).collect();
    if added.is_empty() {
        return Ok(None);
    }
    let names = there.iter().map(value_of).chain(added.into_iter().map(Some)).collect::<Option<_>>();
    names.map(|names| Some(Value::List(names))).ok_or(Unkept)
}

fn value_of(json: &Json) -> Option<Value> {
    Some(match json {
        Json::String(text) => Value::text(text),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.as_u64()?),
        Json::Array(values) => Value::List(values.iter().map(value_of).collect::<Option<_>>()?),
        Json::Object(keys) => {
            let keys = keys.iter().map(|(key, value)| Some((key.clone(), value_of(value)?)));
            Value::Map(keys.collect::<Option<_>>()?)
        }
        Json::Null => return None,
    })
}

/// Where hosts have the URL of a remote server.
const URLS: [&str; 4] = ["url", "httpUrl", "serverUrl", "uri"];

/// How much longer than us a host waits, so that our reason is told, and not its own, in seconds.
const SPARE: u64 = 5;

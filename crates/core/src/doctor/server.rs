//! What a host asks first: which era of MCP the server speaks, who it is, and which tools it has.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::report::Step;
use crate::config::Transport;
use crate::error::{Code, Failure, Result, brief, plain, quoted};
use crate::remote::method::{DISCOVER, LIST_TOOLS};
use crate::remote::{Observer, Passage, Recipient, Remote};

/// What the server says of itself.
pub(super) struct Server {
    era: Era,
    revision: String,
    name: String,
    version: String,
    capabilities: Vec<String>,
    tools: Option<Tools>,
    /// Why its tools are not known.
    trouble: Option<Failure>,
}

/// The HTTP answers that came, which tell how far a request got.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

/// What was seen of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// The status of the last one.
    pub(super) status: Option<u16>,
    /// From the beginning of the first request, which opens the connection, to the head of its answer.
    pub(super) first: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Modern,
    Legacy,
}

struct Tools {
    count: usize,
    /// Why there are more than these, when there are.
    more: Option<&'static str>,
}

/// Asks a server as a host does. A server that does not answer `server/discover` as one of the stateless
/// revisions is asked to `initialize`, whatever it said instead.
pub(super) async fn ask(remote: &Remote, transport: Transport, watch: &Watch, time: super::Time) -> Result<Server> {
    let discovered = if transport == Transport::HttpSse {
        None
    } else {
        // One that leaves it unanswered must not take the time of `initialize`.
        let limit = time.rest() / 2;
        match tokio::time::timeout(limit, discover(remote, watch)).await {
            Ok(Ok(found)) => Some(found).filter(speaks_it),
            // Nothing answered at all, or the certificate is what it does not like: that is no question of the era.
            Ok(Err(failure)) if watch.seen().status.is_none() || failure.is_refused_certificate() => {
                return Err(failure);
            }
            Ok(Err(_)) | Err(_) => None,
        }
    };
    match discovered {
        Some(found) => modern(remote, watch, &found).await,
        None => legacy(remote, watch).await,
    }
}

/// Whether the answer offers the stateless revision that is spoken here.
fn speaks_it(found: &Value) -> bool {
    found["supportedVersions"].as_array().is_some_and(|versions| versions.iter().any(|version| version == MODERN))
}

async fn discover(remote: &Remote, watch: &Watch) -> Result<Value> {
    remote.call_watched(DISCOVER, json!({ "_meta": meta() }), watch.clone()).await
}

async fn modern(remote: &Remote, watch: &Watch, found: &Value) -> Result<Server> {
    let info = match &found["serverInfo"] {
        Value::Null => &found["_meta"][SERVER_INFO],
        info => info,
    };
    let server = Server::read(Era::Modern, MODERN, info, &found["capabilities"]);
    let tools = tools(remote, watch, &found["capabilities"], &json!({ "_meta": meta() })).await;
    server.with(tools)
}

async fn legacy(remote: &Remote, watch: &Watch) -> Result<Server> {
    let result = remote.initialize_watched(NAME, VERSION, watch.clone()).await?;
    let Some(revision) = result["protocolVersion"].as_str() else {
        let what = "The server's answer to `initialize` names no revision of MCP";
        return Err(Failure::new(Code::ProtocolViolation, what)
            .at(remote.client().told())
            .because("Its `protocolVersion` is missing, or no text; hosts give up there.")
            .fix("Check the path of the URL; else tell whoever runs the server."));
    };
    let server = Server::read(Era::Legacy, revision, &result["serverInfo"], &result["capabilities"]);
    let tools = tools(remote, watch, &result["capabilities"], &json!({})).await;
    server.with(tools)
}

/// Counts the tools over all pages; none of a server that has none.
async fn tools(remote: &Remote, watch: &Watch, capabilities: &Value, params: &Value) -> Result<Option<Tools>> {
    if capabilities.get("tools").is_none() {
        return Ok(None);
    }
    let mut tools = Tools { count: 0, more: None };
    let (mut params, mut seen) = (params.clone(), HashSet::new());
    for _ in 0..PAGES {
        let page = remote.call_watched(LIST_TOOLS, params.clone(), watch.clone()).await?;
        tools.count += page["tools"].as_array().map_or(0, Vec::len);
        let Some(next) = page["nextCursor"].as_str() else { return Ok(Some(tools)) };
        // A server that gives the same page again has no end.
        if !seen.insert(next.to_owned()) {
            tools.more = Some("its list begins anew without end");
            return Ok(Some(tools));
        }
        params["cursor"] = next.into();
    }
    tools.more = Some("only the first 100 pages of its list were read");
    Ok(Some(tools))
}

impl Server {
    fn read(era: Era, revision: &str, info: &Value, capabilities: &Value) -> Self {
        let text = |value: &Value| plain(value.as_str().unwrap_or_default());
        let names = capabilities.as_object().into_iter().flat_map(|object| object.keys());
        Self {
            era,
            revision: brief(&plain(revision)),
            name: text(&info["name"]),
            version: text(&info["version"]),
            capabilities: names.take(CAPABILITIES).map(|name| brief(&plain(name))).collect(),
            tools: None,
            trouble: None,
        }
    }

    /// What it has said so far is known, also when it does not list its tools.
    fn with(self, tools: Result<Option<Tools>>) -> Result<Self> {
        match tools {
            Ok(tools) => Ok(Self { tools, ..self }),
            Err(failure) if failure.is_refused_certificate() => Err(failure),
            Err(failure) => Ok(Self {
                trouble: Some(failure.because("It failed at `tools/list`; what came before was answered.")),
                ..self
            }),
        }
    }

    /// Why it is of no use, though it answered.
    pub(super) fn trouble(&self) -> Option<Failure> {
        self.trouble.clone()
    }

    pub(super) fn tell(&self, is_http_sse: bool, step: &mut Step) {
        let transport = if is_http_sse { "http-sse" } else { "streamable-http" };
        let title = match (self.name.as_str(), self.version.as_str()) {
            ("", _) => "a server without a name".to_owned(),
            (name, version) => quoted(format!("{name} {version}").trim_end()),
        };
        step.tell("server", json!({ "name": self.name, "version": self.version }), title);
        let (era, opened) = match self.era {
            Era::Modern => ("modern", "stateless"),
            Era::Legacy => ("legacy", "with initialize"),
        };
        let over = if is_http_sse { "HTTP+SSE" } else { "Streamable HTTP" };
        step.know("era", era);
        step.tell(
            "revision",
            self.revision.as_str(),
            format!("MCP {}, {opened}, over {over}", as_told(&self.revision)),
        );
        step.know("transport", transport);
        if self.era == Era::Legacy && !REVISIONS.contains(&self.revision.as_str()) {
            step.notes
                .push(format!("hosts end the session when they do not know the revision {}", as_told(&self.revision)));
        }
        let all = self.capabilities.iter().map(|name| as_told(name)).collect::<Vec<_>>().join(", ");
        let text = if all.is_empty() { "no capabilities".to_owned() } else { format!("capabilities: {all}") };
        step.tell("capabilities", self.capabilities.clone(), text);
        if let Some(Tools { count, more }) = &self.tools {
            let text = match (count, more) {
                (1, None) => "1 tool".to_owned(),
                (count, None) => format!("{count} tools"),
                (count, Some(why)) => format!("{count} tools and more: {why}"),
            };
            step.tell("tools", json!({ "count": count, "more": more.is_some() }), text);
        }
    }
}

/// A word of the server as it is, and anything else quoted: it may be written to be read as ours.
fn as_told(word: &str) -> Cow<'_, str> {
    let is_word = word.len() <= LONGEST_WORD && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if is_word { word.into() } else { quoted(word).into() }
}

impl Watch {
    pub(super) fn seen(&self) -> Seen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watch {
    /// What deserves a word is looked for by the steps themselves.
    fn note(&self, _: &Failure) {}

    fn passed(&self, passage: &Passage<'_>) {
        if let (Recipient::Server, Some(status)) = (passage.to, passage.status) {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.status = Some(status);
            seen.first = seen.first.or(passage.took);
        }
    }
}

/// The metadata of a request of the stateless revision (MCP 2026-07-28, "Base Protocol").
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": NAME, "version": VERSION },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

const MODERN: &str = "2026-07-28";
/// Those that begin with `initialize`.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// What a server is told of us.
const NAME: &str = "mcp-mtls-doctor";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How many pages of tools are asked for at most, and how many capabilities are told.
const PAGES: usize = 100;
const LONGEST_WORD: usize = 40;
const CAPABILITIES: usize = 20;

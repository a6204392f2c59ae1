//! What a host asks first: which era of MCP the server speaks, who it is, and which tools it has.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::report::Step;
use crate::config::Transport;
use crate::error::{Failure, Result, plain, quoted};
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
    /// Whether there are more than were asked for.
    more: bool,
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
            Ok(Ok(found)) => Some(found).filter(|found| found.get("supportedVersions").is_some_and(Value::is_array)),
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

async fn discover(remote: &Remote, watch: &Watch) -> Result<Value> {
    remote.call_watched(DISCOVER, json!({ "_meta": meta() }), watch.clone()).await
}

async fn modern(remote: &Remote, watch: &Watch, found: &Value) -> Result<Server> {
    let info = match &found["serverInfo"] {
        Value::Null => &found["_meta"][SERVER_INFO],
        info => info,
    };
    let mut server = Server::read(Era::Modern, MODERN, info, &found["capabilities"]);
    server.tools = tools(remote, watch, &found["capabilities"], &json!({ "_meta": meta() })).await?;
    Ok(server)
}

async fn legacy(remote: &Remote, watch: &Watch) -> Result<Server> {
    let result = remote.initialize_watched(NAME, VERSION, watch.clone()).await?;
    let revision = result["protocolVersion"].as_str().unwrap_or_default();
    let mut server = Server::read(Era::Legacy, revision, &result["serverInfo"], &result["capabilities"]);
    server.tools = tools(remote, watch, &result["capabilities"], &json!({})).await?;
    Ok(server)
}

/// Counts the tools over all pages; none of a server that has none.
async fn tools(remote: &Remote, watch: &Watch, capabilities: &Value, params: &Value) -> Result<Option<Tools>> {
    if capabilities.get("tools").is_none() {
        return Ok(None);
    }
    let mut tools = Tools { count: 0, more: false };
    let (mut params, mut seen) = (params.clone(), HashSet::new());
    for _ in 0..PAGES {
        let page = remote.call_watched(LIST_TOOLS, params.clone(), watch.clone()).await?;
        tools.count += page["tools"].as_array().map_or(0, Vec::len);
        let Some(next) = page["nextCursor"].as_str() else { return Ok(Some(tools)) };
        // A server that gives the same page again has no end.
        if !seen.insert(next.to_owned()) {
            break;
        }
        params["cursor"] = next.into();
    }
    tools.more = true;
    Ok(Some(tools))
}

impl Server {
    fn read(era: Era, revision: &str, info: &Value, capabilities: &Value) -> Self {
        let text = |value: &Value| plain(value.as_str().unwrap_or_default());
        let names = capabilities.as_object().into_iter().flat_map(|object| object.keys());
        Self {
            era,
            revision: plain(revision),
            name: text(&info["name"]),
            version: text(&info["version"]),
            capabilities: names.take(CAPABILITIES).map(|name| plain(name)).collect(),
            tools: None,
        }
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
        step.tell("revision", self.revision.as_str(), format!("MCP {}, {opened}, over {over}", self.revision));
        step.know("transport", transport);
        let all = self.capabilities.join(", ");
        let text = if all.is_empty() { "no capabilities".to_owned() } else { format!("capabilities: {all}") };
        step.tell("capabilities", self.capabilities.clone(), text);
        if let Some(Tools { count, more }) = &self.tools {
            let text = match (count, more) {
                (1, false) => "1 tool".to_owned(),
                (count, false) => format!("{count} tools"),
                (count, true) => format!("{count} tools and more: its list does not end"),
            };
            step.tell("tools", json!({ "count": count, "more": more }), text);
        }
    }
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
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// What a server is told of us.
const NAME: &str = "mcp-mtls-doctor";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How many pages of tools are asked for at most, and how many capabilities are told.
const PAGES: usize = 100;
const CAPABILITIES: usize = 20;

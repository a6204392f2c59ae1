//! The HTTP rules of revision 2026-07-28: every POST stands for itself and is checked against its headers.

mod catalogue;
mod headers;
mod subscriptions;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderMap, Response};

pub(super) use catalogue::Catalogue;
pub use catalogue::invalid_tools;
pub(super) use subscriptions::Subscription;

use super::endpoint::{Answer, KNOWN, Refusal, header, refuse};
use super::message::{self, Message, ODD, Request};
use super::options::{Answers, Era};
use super::session::{SESSION, Session, VERSION};
use super::tools::Outcome;
use super::{McpServer, Shared};
use crate::reply::{self, Body};
use crate::server::Connection;

impl McpServer {
    /// The ids, as written, of modern requests whose answer the client no longer waited for: it closed the response
    /// stream, which is how it cancels, or its connection was cut.
    pub fn closed_streams(&self) -> Vec<String> {
        self.shared.closed.all()
    }

    /// Waits until the client has closed `n` response streams, 10 seconds at most.
    pub async fn wait_for_closed_streams(&self, n: usize) -> Vec<String> {
        self.shared.closed.wait_for(n).await
    }

    /// From now on the tool `place` wants its `region` in `Mcp-Param-{name}`, so that every list of tools which a
    /// client holds is stale. It is `Region` at first.
    pub fn rename_header(&self, name: &str) {
        self.shared.catalogue.rename(name);
    }
}

impl Era {
    /// Whether these messages are for the modern rules.
    pub(super) fn is_modern(self, messages: &[Message], headers: &HeaderMap) -> bool {
        let in_body = messages.iter().any(|message| match message {
            Message::Request(Request { method, params, .. }) => {
                method != "initialize" && params["_meta"].get(META_VERSION).is_some()
            }
            Message::Notification { params, .. } => params["_meta"].get(META_VERSION).is_some(),
            Message::Answer { .. } => false,
        });
        let in_header = header(headers, VERSION).is_some_and(|version| !KNOWN.contains(&version));
        match self {
            Self::Legacy => false,
            Self::Modern => true,
            Self::Both => !headers.contains_key(SESSION) && (in_body || in_header),
        }
    }

    fn versions(self) -> Vec<&'static str> {
        let mut versions = vec![MODERN];
        if self == Self::Both {
            versions.extend(KNOWN.iter().rev());
        }
        versions
    }
}

impl Shared {
    pub(super) async fn post_modern(
        self: Arc<Self>,
        messages: Vec<Message>,
        batch: bool,
        headers: &HeaderMap,
        connection: Arc<Connection>,
    ) -> Answer {
        if headers.contains_key(SESSION) {
            return Err(refuse(400, -32600, "there are no sessions"));
        }
        let only = if batch { None } else { messages.into_iter().next() };
        match only.ok_or_else(|| refuse(400, -32600, "one message a POST"))? {
            Message::Answer { .. } => Err(refuse(400, -32600, "a client sends no responses")),
            Message::Notification { method, params } => {
                headers::check_notification(headers, &method, &params)?;
                Ok(reply::empty(202))
            }
            Message::Request(request) => {
                self.check(headers, &request)?;
                self.answer_modern(request, connection).await
            }
        }
    }

    async fn answer_modern(self: Arc<Self>, request: Request, connection: Arc<Connection>) -> Answer {
        let result = match request.method.as_str() {
            "server/discover" => discover(self.options.era),
            "tools/list" => self.catalogue.page(&request, &self.options.tools)?,
            "resources/list" => super::tools::RESOURCES.to_owned(),
            "resources/read" => {
                format!(r#"{{"contents":[{{"uri":{},"text":"content"}}]}}"#, request.params["uri"])
            }
            "prompts/get" => r#"{"messages":[]}"#.to_owned(),
            "subscriptions/listen" => return self.listen(&request),
            "tools/call" => return Ok(self.call_modern(request, connection).await),
            _ => return Err(refusal(&request, 404, -32601, "Method not found")),
        };
        let text = self.complete(&request, &result);
        self.sent.push(text.clone());
        Ok(reply::json(200, text))
    }

    async fn call_modern(self: Arc<Self>, request: Request, connection: Arc<Connection>) -> Response<Body> {
        let unanswered = Unanswered { shared: self.clone(), id: Some(request.id.clone()) };
        if self.options.answers == Answers::Json && request.params["name"] != "progress" {
            let text = self.run_modern(&request, &connection, None).await;
            self.sent.push(text.clone());
            unanswered.answered();
            return reply::json(200, text);
        }
        let (channel, response) = self.open("", None);
        let shared = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                text = shared.run_modern(&request, &connection, Some(&channel)) => {
                    shared.send(&channel, &text);
                    unanswered.answered();
                }
                () = channel.reader_gone() => drop(unanswered),
            }
            channel.end();
        });
        response
    }

    async fn run_modern(
        &self,
        request: &Request,
        connection: &Connection,
        channel: Option<&super::channel::Channel>,
    ) -> String {
        let result = match request.params["name"].as_str().unwrap_or_default() {
            "ask" => ask(request),
            "naïve" => message::tool_text("naïve"),
            "place" | "tricky" => message::tool_text(&request.params["arguments"].to_string()),
            _ => {
                // Two clients may use the same id at the same time, so each call is a session of its own.
                let number = self.counter.fetch_add(1, Ordering::Relaxed);
                let session = Session { id: format!("modern {number}"), ..Session::default() };
                match self.call(request, &session, connection, channel).await {
                    Outcome::Done(result) => result,
                    Outcome::Cancelled | Outcome::Unknown => {
                        return message::error(&request.id, -32602, "unknown tool");
                    }
                }
            }
        };
        self.complete(request, &result)
    }

    /// An answer with this result, which is complete unless it says otherwise.
    fn complete(&self, request: &Request, result: &str) -> String {
        let result = if result.starts_with(r#"{"resultType""#) {
            result.to_owned()
        } else {
            result.replacen('{', &format!(r#"{{"resultType":"complete","_meta":{{{SERVER_INFO}}},"#), 1)
        };
        message::result(&request.id, &result, &self.options)
    }
}

/// Notes a request as closed by the client, unless it was answered.
struct Unanswered {
    shared: Arc<Shared>,
    id: Option<String>,
}

impl Unanswered {
    fn answered(mut self) {
        self.id = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared.closed.push(id);
        }
    }
}

/// Asks by a result that requires input; when the input is there, the call is done.
fn ask(request: &Request) -> String {
    if let Some(responses) = request.params.get("inputResponses") {
        return message::tool_text(&responses.to_string());
    }
    let params = r#"{"mode":"form","message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;
    format!(
        r#"{{"resultType":"input_required","inputRequests":{{"name":{{"method":"elicitation/create","params":{params}}}}},"requestState":"opaque+/=\u00e9","x-extra":1.0}}"#
    )
}

fn discover(era: Era) -> String {
    let versions = serde_json::Value::from(era.versions());
    format!(
        r#"{{"supportedVersions":{versions},"capabilities":{{"tools":{{"listChanged":true}},"resources":{{"subscribe":true}}}},"ttlMs":1000,"cacheScope":"public",{ODD}}}"#
    )
}

/// An HTTP error with a JSON-RPC error in it that answers this request.
#[expect(clippy::unnecessary_box_returns, reason = "every caller returns it as the error of a Result")]
fn refusal(request: &Request, status: u16, code: i32, message: &str) -> Refusal {
    Box::new(reply::json(status, message::error(&request.id, code, message)))
}

const MODERN: &str = "2026-07-28";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const SERVER_INFO: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"testkit","version":"1.0"}"#;

//! Messages of the stateless revisions (2026-07-28 on): each carries its revision, and its headers
//! repeat what a load balancer wants to know. No session, no GET, nothing is resumed.

mod annotations;
#[cfg(any(fuzzing, test))]
pub(super) mod fuzzing;
mod header;
mod tools;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer;
use super::message::{Id, Kind, Message};
use super::method::{CALL_TOOL, LIST_TOOLS, LISTEN};
use super::refusal::Refusal;
use super::{Asked, Outbox, Remote, headers};
use crate::error::{Code, Failure, Result};
use crate::http::{HeaderMap, HeaderName, HeaderValue};
use tools::Tools;

/// What is known of the server beside its answers.
#[derive(Debug, Default)]
pub(super) struct Modern {
    tools: Tools,
    /// Numbers our own requests.
    own: AtomicU64,
}

impl Remote {
    /// POSTs a request and returns its answer. Dropped, it closes the stream of the answer, which
    /// is how a request is cancelled (MCP 2026-07-28, Streamable HTTP, "Cancellation").
    ///
    /// The end of a subscription without an answer comes back as the notification that tells the
    /// host of it.
    pub(super) async fn modern_request(&self, asked: Asked<'_>) -> Result<Message> {
        let headers = self.modern_headers(asked.request);
        match asked.request.method() {
            Some(LIST_TOOLS) => {
                let answer = self.modern_exchange(asked, headers).await?;
                Ok(self.learn(answer, asked.outbox))
            }
            Some(CALL_TOOL) => {
                let answer = self.modern_exchange(asked, headers.clone()).await?;
                if !is_header_mismatch(&answer) {
                    return Ok(answer);
                }
                // A server that does not list them keeps its own error from the host no longer than this.
                let _ =
                    tokio::time::timeout(self.timeout(), Box::pin(self.list_tools(asked.request, asked.outbox))).await;
                let renewed = self.modern_headers(asked.request);
                if renewed == headers { Ok(answer) } else { self.modern_exchange(asked, renewed).await }
            }
            _ => self.modern_exchange(asked, headers).await,
        }
    }

    /// POSTs a notification.
    pub(super) async fn modern_send(&self, notification: &Message, outbox: &Outbox) -> Result<()> {
        let response = self.post(notification, None, self.modern_headers(notification), outbox, None).await?;
        answer::accepted(response).await
    }

    async fn modern_exchange(&self, asked: Asked<'_>, headers: HeaderMap) -> Result<Message> {
        let response = self.ask(asked, None, headers).await?;
        if !response.status.is_success() {
            return Refusal::read(response).await.answer(asked.id);
        }
        match answer::read(response, asked, &self.rests).await {
            Ok(answer) => Ok(answer),
            Err(broken) if broken.in_stream() && asked.request.method() == Some(LISTEN) => {
                Ok(ended(asked.id, &broken.into_failure()))
            }
            Err(broken) => Err(broken.into_failure()),
        }
    }

    /// The headers of a message: its revision, its method, and the names and arguments in it.
    fn modern_headers(&self, message: &Message) -> HeaderMap {
        let mut headers = headers::post();
        let mut insert = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        insert(headers::PROTOCOL_VERSION, message.revision().and_then(|text| HeaderValue::from_str(text).ok()));
        let method = message.method().unwrap_or_default();
        insert(MCP_METHOD, header::text(method));
        let Some(named_by) = named_by(method) else { return headers };
        let parameters = Parameters::of(message);
        let name = match named_by {
            NamedBy::Name => parameters.name,
            NamedBy::Uri => parameters.uri,
            NamedBy::TaskId => parameters.task_id,
        };
        let name = name.and_then(|name| serde_json::from_str::<String>(name.get()).ok());
        insert(MCP_NAME, name.as_deref().and_then(header::text));
        if method == CALL_TOOL {
            headers.extend(self.modern.tools.headers(&name.unwrap_or_default(), parameters.arguments));
        }
        headers
    }

    /// Learns from a listing of tools, and leaves out the tools that may not be shown.
    fn learn(&self, listing: Message, outbox: &Outbox) -> Message {
        let (listing, dropped) = self.modern.tools.learn(listing);
        for tool in dropped {
            let name = crate::error::quoted(&tool.name);
            outbox.note(
                &Failure::new(Code::ProtocolViolation, format!("The tool {name} of the server is left out"))
                    .because(format!("In its definition, {}.", crate::error::plain(&tool.why)))
                    .fix("Have the server's author correct `inputSchema` (MCP 2026-07-28, Streamable HTTP, \"Schema Extension\")."),
            );
        }
        listing
    }

    /// Asks for the tools as the host would, since it may know them from a time before us.
    async fn list_tools(&self, call: &Message, outbox: &Outbox) {
        let mut cursor = None;
        for _ in 0..PAGES {
            let number = self.modern.own.fetch_add(1, Ordering::Relaxed);
            let Some(request) = listing(call, number, cursor.as_deref()) else { return };
            let Kind::Request { id, .. } = request.kind() else { return };
            let headers = self.modern_headers(&request);
            let asked = Asked { request: &request, id, outbox, sent: None };
            let Ok(answer) = self.modern_exchange(asked, headers).await else { return };
            if !matches!(answer.kind(), Kind::Response { error: false, .. }) {
                return;
            }
            let next = answer.part("/result/nextCursor");
            self.learn(answer, outbox);
            match next {
                Some(serde_json::Value::String(next)) => cursor = Some(next),
                _ => return,
            }
        }
    }
}

/// Where the name of what a request is about stands.
enum NamedBy {
    Name,
    Uri,
    TaskId,
}

fn named_by(method: &str) -> Option<NamedBy> {
    match method {
        CALL_TOOL | "prompts/get" => Some(NamedBy::Name),
        "resources/read" => Some(NamedBy::Uri),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some(NamedBy::TaskId),
        _ => None,
    }
}

/// The parameters that headers repeat.
#[derive(Default, Deserialize)]
struct Parameters<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "taskId")]
    task_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

impl<'a> Parameters<'a> {
    fn of(message: &'a Message) -> Self {
        #[derive(Deserialize)]
        struct Call<'a> {
            #[serde(borrow)]
            params: &'a RawValue,
        }
        let call = serde_json::from_slice::<Call<'_>>(message.raw()).ok();
        call.and_then(|call| serde_json::from_str(call.params.get()).ok()).unwrap_or_default()
    }
}

/// A request of our own for a page of tools, with the metadata of the call that needs them.
fn listing(call: &Message, number: u64, cursor: Option<&str>) -> Option<Message> {
    #[derive(Serialize)]
    struct Request<'a> {
        jsonrpc: &'static str,
        id: String,
        method: &'static str,
        params: Page<'a>,
    }
    #[derive(Serialize)]
    struct Page<'a> {
        #[serde(rename = "_meta")]
        meta: BTreeMap<String, &'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a str>,
    }
    let mut meta: BTreeMap<String, &RawValue> = serde_json::from_str(Parameters::of(call).meta?.get()).ok()?;
    // It stands for the progress of the call.
    meta.remove("progressToken");
    let id = format!("mcp-mtls/{number}");
    let request = Request { jsonrpc: "2.0", id, method: LIST_TOOLS, params: Page { meta, cursor } };
    Message::read(serde_json::to_vec(&request).ok()?.into()).remove(0).ok()
}

fn is_header_mismatch(answer: &Message) -> bool {
    matches!(answer.kind(), Kind::Response { error: true, .. })
        && answer.part("/error/code").is_some_and(|code| code == HEADER_MISMATCH)
}

/// What tells the host that a subscription has ended without an answer.
fn ended(id: &Id, failure: &Failure) -> Message {
    let reason = serde_json::Value::from(failure.to_string());
    let text = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{},\"reason\":{reason}}}}}",
        id.raw()
    );
    Message::cancelled(text.into())
}

const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
/// `HeaderMismatch`.
const HEADER_MISMATCH: i64 = -32020;
/// How many pages of tools are asked for at most.
const PAGES: usize = 100;

//! What the server can do: the methods and the tools.

use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::sync::oneshot;

use super::channel::Channel;
use super::message::{self, ODD, Request};
use super::{Session, Shared, locked};
use crate::server::Connection;

impl Shared {
    /// Runs requests one after another; returns the answer, an array for a batch, nothing when all were cancelled.
    pub(super) async fn run_all(
        &self,
        requests: &[Request],
        batch: bool,
        session: &Session,
        connection: &Connection,
        channel: Option<&Channel>,
    ) -> Option<String> {
        let mut answers = Vec::new();
        for request in requests {
            answers.extend(self.run(request, session, connection, channel).await);
        }
        match (batch, answers.is_empty()) {
            (_, true) => None,
            (true, false) => Some(format!("[{}]", answers.join(","))),
            (false, false) => answers.pop(),
        }
    }

    async fn run(
        &self,
        request: &Request,
        session: &Session,
        connection: &Connection,
        channel: Option<&Channel>,
    ) -> Option<String> {
        let result = match request.method.as_str() {
            "tools/list" => tools_list(),
            "tools/call" => match self.call(request, session, connection, channel).await {
                Outcome::Done(result) => result,
                Outcome::Cancelled => return None,
                Outcome::Unknown => return Some(message::error(&request.id, -32602, "unknown tool")),
            },
            "resources/list" => RESOURCES.to_owned(),
            "ping" => "{}".to_owned(),
            "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
                self.set(request, session);
                "{}".to_owned()
            }
            _ => return Some(message::error(&request.id, -32601, "Method not found")),
        };
        Some(message::result(&request.id, &result, &self.options))
    }

    /// Notes what the session sets for its whole life.
    fn set(&self, request: &Request, session: &Session) {
        let text = |name: &str| request.params[name].as_str().unwrap_or_default().to_owned();
        self.sessions.note(&session.id, |session| match request.method.as_str() {
            "logging/setLevel" => session.log_level = Some(text("level")),
            "resources/subscribe" if session.subscriptions.contains(&text("uri")) => {}
            "resources/subscribe" => session.subscriptions.push(text("uri")),
            _ => session.subscriptions.retain(|uri| *uri != text("uri")),
        });
    }

    pub(super) async fn call(
        &self,
        request: &Request,
        session: &Session,
        connection: &Connection,
        channel: Option<&Channel>,
    ) -> Outcome {
        let arguments = &request.params["arguments"];
        let text = match request.params["name"].as_str().unwrap_or_default() {
            "echo" => arguments["text"].as_str().unwrap_or_default().to_owned(),
            "whoami" => connection.fingerprint().unwrap_or("none").to_owned(),
            "big" => "x".repeat(usize::try_from(arguments["bytes"].as_u64().unwrap_or(0)).expect("fits in memory")),
            "wait" => {
                if !self.wait(session, &request.id).await {
                    return Outcome::Cancelled;
                }
                "released".to_owned()
            }
            "ask" => match self.ask(arguments, channel).await {
                Some(answer) => answer,
                None => return Outcome::Cancelled,
            },
            "progress" => self.progress(request, arguments, channel),
            _ => return Outcome::Unknown,
        };
        Outcome::Done(message::tool_text(&text))
    }

    /// True when the test released the call, false when the host cancelled it.
    async fn wait(&self, session: &Session, id: &str) -> bool {
        let (sender, receiver) = oneshot::channel();
        let key = (session.id.clone(), id.to_owned());
        {
            let mut waiting = locked(&self.waiting);
            waiting.insert(key.clone(), sender);
            self.waiting_now.send_replace(waiting.len());
        }
        let _forget = Forget { shared: self, key };
        receiver.await.unwrap_or(false)
    }

    /// Asks the host in the stream of the call, and returns the exact text of its answer.
    async fn ask(&self, arguments: &Value, channel: Option<&Channel>) -> Option<String> {
        let id = format!("\"ask-{}\"", self.counter.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, receiver) = oneshot::channel();
        locked(&self.asked).insert(id.clone(), sender);
        let question = Value::from(arguments["question"].as_str().unwrap_or("Your name?"));
        let params = format!(
            r#"{{"message":{question},"requestedSchema":{{"type":"object","properties":{{"name":{{"type":"string"}}}}}},{ODD}}}"#
        );
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{params}}}"#);
        self.send(channel?, &text);
        receiver.await.ok()
    }

    fn progress(&self, request: &Request, arguments: &Value, channel: Option<&Channel>) -> String {
        let steps = arguments["steps"].as_u64().unwrap_or(3);
        if let (Some(channel), Some(token)) = (channel, &request.progress_token) {
            for step in 1..=steps {
                let params = format!(r#"{{"progressToken":{token},"progress":{step},"total":{steps}.0,{ODD}}}"#);
                let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
                self.send(channel, &text);
            }
        }
        format!("{steps} steps")
    }

    /// Takes a notification. A cancel ends its call without an answer.
    pub(super) fn hear(&self, session: &Session, method: &str, params: &Value) {
        if method == "notifications/initialized" {
            self.sessions.note(&session.id, |session| session.initialized = true);
        }
        if method == "notifications/cancelled" {
            let mut waiting = locked(&self.waiting);
            if let Some(call) = waiting.remove(&(session.id.clone(), params["requestId"].to_string())) {
                // The call may have ended meanwhile with its connection.
                let _gone = call.send(false);
            }
            self.waiting_now.send_replace(waiting.len());
        }
    }

    /// Takes the host's answer to a question.
    pub(super) fn take_answer(&self, id: &str, text: String) {
        self.host_answers.push(text.clone());
        if let Some(question) = locked(&self.asked).remove(id) {
            let _gone = question.send(text);
        }
    }
}

/// Takes a waiting call off the list however it ends, also when its connection is cut.
struct Forget<'a> {
    shared: &'a Shared,
    key: (String, String),
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut waiting = locked(&self.shared.waiting);
        waiting.remove(&self.key);
        self.shared.waiting_now.send_replace(waiting.len());
    }
}

pub(super) enum Outcome {
    Done(String),
    Cancelled,
    Unknown,
}

/// Whether this request cannot be answered by one JSON body.
pub(super) fn streams(request: &Request) -> bool {
    request.method == "tools/call" && matches!(request.params["name"].as_str(), Some("ask" | "progress"))
}

pub(super) fn initialize_result(version: &str) -> String {
    let version = Value::from(version);
    format!(
        r#"{{"protocolVersion":{version},"capabilities":{{"tools":{{"listChanged":true}},"resources":{{"subscribe":true}},"logging":{{}}}},"serverInfo":{{"name":"testkit","version":"1.0"}},{ODD}}}"#
    )
}

fn tools_list() -> String {
    let tools = TOOLS.map(|(name, schema)| {
        format!(r#"{{"name":"{name}","description":"{name}","inputSchema":{{"type":"object","properties":{{{schema}}}}},{ODD}}}"#)
    });
    format!(r#"{{"tools":[{}],{ODD}}}"#, tools.join(", "))
}

pub(super) const RESOURCES: &str =
    r#"{"resources":[{"uri":"test://one","name":"one"},{"uri":"test://two","name":"two"}]}"#;

pub(super) const TOOLS: [(&str, &str); 6] = [
    ("echo", r#""text":{"type":"string"}"#),
    ("whoami", ""),
    ("big", r#""bytes":{"type":"integer","minimum":0,"default":50}"#),
    ("wait", ""),
    ("ask", r#""question":{"type":"string"}"#),
    ("progress", r#""steps":{"type":"integer"}"#),
];

//! What may stand on a line of the bridge, and what a host makes of it.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::call::What;
use super::{ANSWERED_WITHIN, ECHOED, Player};

/// The parts that tell what a line is; the id as written.
#[derive(Deserialize)]
struct Line<'a> {
    jsonrpc: String,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

impl Player {
    /// Takes a line: counts it, answers it, or complains of it.
    pub(super) async fn take(&mut self, line: &[u8]) {
        let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let read = text.and_then(|text| Some((text, serde_json::from_str::<Line<'_>>(text).ok()?)));
        let Some((text, read)) = read.filter(|(_, read)| read.jsonrpc == "2.0") else {
            let shown: String = String::from_utf8_lossy(line).chars().take(300).collect();
            return self.complain(format!("no message: {shown:?}"));
        };
        let id = read.id.map(RawValue::get);
        match (read.method.as_deref(), id) {
            (Some(method), Some(id)) => {
                self.heard.push(text.to_owned());
                self.question(method, id).await;
            }
            (Some(method), None) => self.notification(method, &read.params, text),
            (None, Some(id)) => self.answer(id, read.result, read.error, text),
            (None, None) => self.complain(format!("neither a method nor an id: {text}")),
        }
    }

    /// Answers a request of the server.
    async fn question(&mut self, method: &str, id: &str) {
        if method != "elicitation/create" {
            return self.complain(format!("a question that the server does not ask: {method}"));
        }
        let name = self.dice.text();
        let content = serde_json::json!({ "name": name });
        let reply = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept","content":{content}}}}}"#);
        if self.replies.insert(id.to_owned(), reply.clone()).is_some() {
            self.complain(format!("the question {id} came twice"));
        }
        self.count("questions");
        if let Err(why) = self.process.say(&reply).await {
            self.complain(format!("the bridge does not go on: {why}"));
        }
    }

    fn notification(&mut self, method: &str, params: &Value, text: &str) {
        self.count(method);
        match method {
            "notifications/progress" => {
                let token = params["progressToken"].as_str().unwrap_or_default();
                let step = params["progress"].as_u64().unwrap_or(0);
                match self.progress.insert(token.to_owned(), step) {
                    Some(before) if before < step => {}
                    before => self.complain(format!("progress {step} of {token} after {before:?}")),
                }
            }
            // Of the bridge itself: a subscription has broken off.
            "notifications/cancelled" => {
                let listens = |call: &&String| self.calls[*call].what == What::Listen;
                let id = self.calls.keys().filter(listens).find(|id| text.contains(&format!("\"requestId\":{id},")));
                return match id.cloned() {
                    Some(id) => drop((self.calls.remove(&id), self.over.insert(id))),
                    None => self.complain(format!("this is no subscription of ours: {text}")),
                };
            }
            "notifications/message"
            | "notifications/tools/list_changed"
            | "notifications/subscriptions/acknowledged" => {}
            _ => self.complain(format!("a notification that the server does not send: {text}")),
        }
        self.heard.push(text.to_owned());
    }

    fn answer(&mut self, id: &str, result: Option<Value>, error: Option<Value>, text: &str) {
        let Some(call) = self.calls.remove(id) else {
            let twice = if self.over.contains(id) { "a second answer" } else { "an answer that nobody asked for" };
            let shown: String = text.chars().take(500).collect();
            return self.complain(format!("{twice}: {shown}"));
        };
        self.over.insert(id.to_owned());
        let since = call.cancelled.unwrap_or(call.sent);
        if since.elapsed() > ANSWERED_WITHIN && (call.cancelled.is_some() || !call.what.may_hang()) {
            self.complain(format!("{:?} was answered after {:?}", call.what, since.elapsed()));
        }
        let modern = self.world.revision.is_none();
        if modern && call.cancelled.is_some_and(|when| when.elapsed() > Duration::from_secs(5)) {
            self.complain(format!("{:?} was answered {:?} after its cancel", call.what, since.elapsed()));
        }
        if let Some(error) = error {
            return self.error(&call.what, call.cancelled, &error, text);
        }
        let is_echo = matches!(call.what, What::Echo(_));
        self.count(if is_echo { ECHOED } else { "other results" });
        self.heard.push(text.to_owned());
        let of_ours = |text: &str| self.replies.values().any(|reply| reply == text);
        if let Some(fault) = call.what.fault(&result.unwrap_or_default(), &self.fingerprint, of_ours) {
            self.complain(fault);
        }
    }

    fn error(&mut self, what: &What, cancelled: Option<Instant>, error: &Value, text: &str) {
        let code = error["data"]["code"].as_str().unwrap_or_default();
        if error["data"]["source"] == "mcp-mtls" {
            self.count(&format!("error {code}"));
            let fits = OURS.contains(&code) || (cancelled.is_some() && OF_CANCELLED.contains(&code));
            if !fits {
                self.complain(format!("an error that does not fit {what:?}: {text}"));
            }
            return;
        }
        let number = error["code"].as_i64().unwrap_or_default();
        self.count(&format!("error {number} of the server"));
        let fits = match what {
            What::Unknown => number == -32601,
            // A session that was lost again while the request waited for a new one.
            _ => self.world.revision.is_some() && LOST.contains(&number),
        };
        if !fits {
            self.complain(format!("an error that does not fit {what:?}: {text}"));
        }
    }
}

/// The errors of the bridge that the troubles explain.
const OURS: &[&str] = &["connect-failed", "connection-lost", "session-lost", "timed-out", "tls-failed"];

/// Those to a request that was cancelled: the second when the server was told first, and ended its answer empty.
const OF_CANCELLED: &[&str] = &["cancelled", "protocol-violation"];

/// How a server tells of a session that it does not know.
const LOST: &[i64] = &[-32000, -32001];

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use mcp_mtls_testkit::Pki;

    use super::super::super::call::Call;
    use super::super::super::dice::Dice;
    use super::super::super::process::Process;
    use super::super::super::world::{World, kinds};
    use super::*;

    /// What a host says of these lines that has asked for an echo of `a` as `1`, and for progress.
    async fn complaints(lines: &[&str]) -> String {
        let world = World::start(&Pki::new(), kinds().remove(0)).await;
        // It ends at once; nobody writes but the test.
        let process = Process::start(Path::new("/bin/true"), &[]).unwrap();
        let mut player = Player::new(process, Arc::new(world), Dice::new(1, 1), "alice");
        let call = Call { what: What::Echo("a".to_owned()), sent: Instant::now(), cancelled: None };
        player.calls.insert("1".to_owned(), call);
        player.progress.insert("p-1".to_owned(), 0);
        for line in lines {
            player.take(format!("{line}\n").as_bytes()).await;
        }
        player.compare_with_the_server();
        player.complaints.join("\n")
    }

    #[tokio::test]
    async fn each_fault_on_a_line_is_told() {
        let answer = |id: &str, text: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
        };
        let right = answer("1", "a");
        let step =
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p-1","progress":1}}"#;
        let of_ours = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-31000,"message":"x","data":{"source":"mcp-mtls","code":"CODE"}}}"#;
        for (lines, told) in [
            (&[right.as_str(), &right][..], "a second answer"),
            (&[&answer("\"1\"", "a")], "an answer that nobody asked for"),
            (&[&answer("1", "b")], "was answered by"),
            (&[&answer("null", "a")], "neither a method nor an id"),
            (&["{\"jsonrpc\":\"2.0\""], "no message"),
            (&["{\"id\":1,\"result\":{}}"], "no message"),
            (&[""], "no message"),
            (&[step, step], "progress 1 of p-1 after Some(1)"),
            (&[&of_ours.replace("CODE", "cancelled")], "an error that does not fit"),
            (&[&of_ours.replace("CODE", "stopped")], "an error that does not fit"),
            (&[r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}"#], "an error that does not fit"),
            (&[r#"{"jsonrpc":"2.0","method":"notifications/new"}"#], "a notification that the server does not send"),
            (&[r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#], "a question that the server does not ask"),
            // It is right, and no server has sent it, nor verified anyone.
            (&[&right], "the server did not send these"),
            (&[], "the server verified {}"),
        ] {
            let complaints = complaints(lines).await;
            assert!(complaints.contains(told), "{lines:?}: {complaints}");
        }
        assert!(!complaints(&[&of_ours.replace("CODE", "connection-lost")]).await.contains("fit"));
    }
}

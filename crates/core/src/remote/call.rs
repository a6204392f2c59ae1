//! Calls for applications: a method and its parameters in, a result out.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::message::{Kind, Message};
use super::method::INITIALIZE;
use super::{Observer, Outbox, Remote};
use crate::error::{Code, Failure, Result, quoted};

/// The ids of an application's own requests.
#[derive(Debug, Default)]
pub(super) struct Calls(AtomicU64);

impl Remote {
    /// Begins the MCP session: `initialize` and `notifications/initialized`. Returns the result
    /// of `initialize`.
    ///
    /// # Errors
    /// `timed-out`, and as [`Remote::call`].
    pub async fn initialize(&self, name: &str, version: &str) -> Result<Value> {
        self.initialize_watched(name, version, Silent).await
    }

    /// The same, seen by an observer.
    pub(crate) async fn initialize_watched(
        &self,
        name: &str,
        version: &str,
        observer: impl Observer + Clone,
    ) -> Result<Value> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": name, "version": version },
        });
        let initialize = tokio::time::timeout(self.timeout(), self.call_watched(INITIALIZE, params, observer.clone()));
        let result = initialize.await.map_err(|_| self.timed_out())??;
        let initialized = message(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        self.send(&initialized, &Outbox::new(observer).0).await?;
        Ok(result)
    }

    /// Calls a method and returns its result. Requests that the server makes meanwhile are
    /// answered with "method not found", its notifications are dropped.
    ///
    /// # Errors
    /// `server-error` for a JSON-RPC error, and as [`Remote::request`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.call_watched(method, params, Silent).await
    }

    /// The same, seen by an observer.
    pub(crate) async fn call_watched(&self, method: &str, params: Value, observer: impl Observer) -> Result<Value> {
        let id = self.calls.0.fetch_add(1, Ordering::Relaxed);
        let request = message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        let (outbox, mut others) = Outbox::new(observer);
        let answer = self.request(&request, &outbox, None);
        tokio::pin!(answer);
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer?,
                Some(other) = others.recv() => self.refuse(&other.message, &outbox).await?,
            }
        };
        if let Some(result) = answer.part("/result") {
            return Ok(result);
        }
        let words = answer.part("/error/message").and_then(|words| words.as_str().map(quoted)).unwrap_or_default();
        Err(Failure::new(Code::ServerError, format!("The server answered `{method}` with an error: {words}"))
            .at(self.client.told())
            .fix("Look into the server's log, or correct the parameters.")
            .evidence("error", super::error_as_told(&answer.part("/error").unwrap_or_default())))
    }

    async fn refuse(&self, other: &Message, outbox: &Outbox) -> Result<()> {
        let Kind::Request { id, method } = other.kind() else { return Ok(()) };
        let id: Value = serde_json::from_str(id.raw()).unwrap_or_default();
        let words = format!("{method} is not supported by this client");
        let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": METHOD_NOT_FOUND, "message": words } });
        self.send(&message(&error)?, outbox).await
    }
}

/// An application is told in results.
#[derive(Clone, Copy)]
struct Silent;

impl Observer for Silent {
    fn note(&self, _: &Failure) {}
}

fn message(value: &Value) -> Result<Message> {
    Message::read(value.to_string().into()).remove(0).map_err(|_| {
        Failure::new(Code::HostMessageInvalid, "The parameters make no JSON-RPC message").fix("Correct the parameters.")
    })
}

/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i32 = -32601;

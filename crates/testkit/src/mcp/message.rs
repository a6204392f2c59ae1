//! JSON-RPC messages as text: read without loss, written with what a typed relay would change.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::options::McpOptions;

/// What a host sent.
pub(super) enum Message {
    Request(Request),
    Notification { method: String, params: Value },
    Answer { id: String, text: String },
}

/// A request, with its id exactly as written.
pub(super) struct Request {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) params: Value,
    /// `params._meta.progressToken` exactly as written.
    pub(super) progress_token: Option<String>,
}

impl Message {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields = fields_of(text).ok_or("not a JSON object")?;
        let method = match fields.get("method") {
            Some(method) => Some(serde_json::from_str::<String>(method.get()).map_err(|e| e.to_string())?),
            None => None,
        };
        let id = fields.get("id").map(|id| id.get().to_owned());
        let params = fields.get("params");
        let value = params.map_or(Value::Null, |params| serde_json::from_str(params.get()).unwrap_or(Value::Null));
        match (method, id) {
            (Some(method), Some(id)) => {
                let progress_token = params.and_then(|params| inner(params.get(), &["_meta", "progressToken"]));
                Ok(Self::Request(Request { id, method, params: value, progress_token }))
            }
            (Some(method), None) => Ok(Self::Notification { method, params: value }),
            (None, Some(id)) => Ok(Self::Answer { id, text: text.to_owned() }),
            (None, None) => Err("neither a method nor an id".to_owned()),
        }
    }

    pub(super) fn method(&self) -> Option<&str> {
        match self {
            Self::Request(Request { method, .. }) | Self::Notification { method, .. } => Some(method),
            Self::Answer { .. } => None,
        }
    }
}

/// Splits a body into the texts of its messages. The flag says whether it was a batch.
pub(super) fn split(body: &str) -> Result<(Vec<String>, bool), String> {
    if body.trim_start().starts_with('[') {
        let members: Vec<&RawValue> = serde_json::from_str(body).map_err(|e| e.to_string())?;
        Ok((members.into_iter().map(|member| member.get().to_owned()).collect(), true))
    } else {
        Ok((vec![body.to_owned()], false))
    }
}

pub(super) fn method_of(text: &str) -> Option<String> {
    serde_json::from_str(fields_of(text)?.get("method")?.get()).ok()
}

/// An answer with its result.
pub(super) fn result(id: &str, result: &str, options: &McpOptions) -> String {
    let extra = options.extra;
    spread(format!(r#"{{"jsonrpc":"2.0","id":{id},{extra}"result":{result}}}"#), options.multiline)
}

pub(super) fn error(id: &str, code: i32, message: &str) -> String {
    error_with(id, code, message, &format!("{{{ODD}}}"))
}

pub(super) fn error_with(id: &str, code: i32, message: &str, data: &str) -> String {
    let message = Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message},"data":{data}}}}}"#)
}

/// A tool's result: one text, and fields no model knows.
pub(super) fn tool_text(text: &str) -> String {
    let text = Value::from(text);
    format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":false,{ODD}}}"#)
}

fn spread(text: String, multiline: bool) -> String {
    if multiline { text.replacen(",\"", ",\r\n  \"", 3) } else { text }
}

fn fields_of(text: &str) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

fn inner(text: &str, path: &[&str]) -> Option<String> {
    let Some((first, rest)) = path.split_first() else { return Some(text.to_owned()) };
    inner(fields_of(text)?.get(*first)?.get(), rest)
}

/// Fields that a relay with typed models loses or rewrites: numbers beyond u64, `1.0`, escapes, blanks, unknown names.
pub(super) const ODD: &str = r#""big":12345678901234567890123,"fifty":50,"one":1.0,"tiny":1e-7,"x-unknown":{"\u00e9":"\u00e9\/é", "list":[ ],"null":null}"#;

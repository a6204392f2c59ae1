//! Whether the headers of a POST say what its body says. Strict where the specification says MUST.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use super::catalogue::Annotation;
use super::{META_VERSION, MODERN, refusal};
use crate::mcp::Shared;
use crate::mcp::endpoint::{Refusal, refuse};
use crate::mcp::message::{self, Request};
use crate::reply;

impl Shared {
    /// Checks version, method, name and parameters.
    pub(super) fn check(&self, headers: &HeaderMap, request: &Request) -> Result<(), Refusal> {
        self.check_version(headers, request)?;
        let mismatch = |text: String| refusal(request, 400, HEADER_MISMATCH, &format!("Header mismatch: {text}"));
        same(headers, "mcp-method", Some(&request.method)).map_err(mismatch)?;
        let name = name_field(&request.method).and_then(|field| request.params[field].as_str());
        same(headers, "mcp-name", name).map_err(mismatch)?;
        if request.method == "tools/call" {
            for annotation in self.catalogue.annotations(name.unwrap_or_default()) {
                annotation.check(headers, &request.params["arguments"]).map_err(mismatch)?;
            }
        }
        Ok(())
    }

    fn check_version(&self, headers: &HeaderMap, request: &Request) -> Result<(), Refusal> {
        let meta = &request.params["_meta"];
        let in_body = meta[META_VERSION].as_str();
        let in_header = value_of(headers, "mcp-protocol-version")
            .map_err(|text| refusal(request, 400, HEADER_MISMATCH, &format!("Header mismatch: {text}")))?;
        let asked = if request.method == "initialize" {
            // A legacy client learns here which versions there are.
            request.params["protocolVersion"].as_str().or(in_header.as_deref()).unwrap_or_default()
        } else {
            match (in_header.as_deref(), in_body) {
                (Some(header), Some(body)) if header == body => header,
                (Some(header), None) if header == MODERN => {
                    return Err(refusal(request, 400, -32602, "Invalid params: no protocolVersion in _meta"));
                }
                (Some(header), None) => header,
                (header, body) => {
                    let text = format!("Header mismatch: MCP-Protocol-Version is {header:?}, and _meta says {body:?}");
                    return Err(refusal(request, 400, HEADER_MISMATCH, &text));
                }
            }
        };
        if asked != MODERN || request.method == "initialize" {
            let data = json!({ "supported": self.options.era.versions(), "requested": asked });
            let text = message::error_with(&request.id, -32022, "Unsupported protocol version", &data.to_string());
            return Err(Box::new(reply::json(400, text)));
        }
        if !meta["io.modelcontextprotocol/clientCapabilities"].is_object() {
            return Err(refusal(request, 400, -32602, "Invalid params: no clientCapabilities in _meta"));
        }
        Ok(())
    }
}

/// The specification leaves open which headers a notification has; those it has must be true.
pub(super) fn check_notification(headers: &HeaderMap, method: &str, params: &Value) -> Result<(), Refusal> {
    let version = params["_meta"][META_VERSION].as_str();
    for (name, wanted) in [("mcp-method", Some(method)), ("mcp-protocol-version", version)] {
        if headers.contains_key(name) && wanted.is_some() {
            same(headers, name, wanted).map_err(|text| refuse(400, HEADER_MISMATCH, &text))?;
        }
    }
    Ok(())
}

impl Annotation {
    fn check(&self, headers: &HeaderMap, arguments: &Value) -> Result<(), String> {
        let name = format!("mcp-param-{}", self.header.to_ascii_lowercase());
        let value = self.path.iter().fold(arguments, |value, step| &value[step.as_str()]);
        let said = value_of(headers, &name)?;
        let (agree, wanted) = match value {
            Value::Null => (said.is_none(), None),
            Value::String(text) => (said.as_ref() == Some(text), Some(text.clone())),
            Value::Bool(flag) => (said == Some(flag.to_string()), Some(flag.to_string())),
            Value::Number(number) => {
                let wanted = number.to_string();
                (said.as_deref().and_then(integer).is_some_and(|said| integer(&wanted) == Some(said)), Some(wanted))
            }
            // The call is invalid anyhow, and no rule says what its header is.
            Value::Array(_) | Value::Object(_) => return Ok(()),
        };
        if agree { Ok(()) } else { Err(format!("{name} is {said:?}, and the body says {wanted:?}")) }
    }
}

/// `42.0` and `42` are the same integer.
fn integer(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok())?
}

/// Whether a header says this; without a value, whether it is absent.
fn same(headers: &HeaderMap, name: &str, wanted: Option<&str>) -> Result<(), String> {
    let said = value_of(headers, name)?;
    if said.as_deref() == wanted { Ok(()) } else { Err(format!("{name} is {said:?}, and the body says {wanted:?}")) }
}

/// The one value of a header, decoded.
fn value_of(headers: &HeaderMap, name: &str) -> Result<Option<String>, String> {
    let mut all = headers.get_all(name).iter();
    let (first, second) = (all.next(), all.next());
    let Some(first) = first else { return Ok(None) };
    if second.is_some() {
        return Err(format!("{name} is there twice"));
    }
    let text = first.to_str().map_err(|_| format!("{name} is not visible ASCII: {first:?}"))?;
    match text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Ok(Some(text.to_owned())),
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).map_err(|e| format!("{name} is not Base64 ({e}): {text}"))?;
            String::from_utf8(bytes).map(Some).map_err(|e| format!("{name} is not UTF-8 ({e}): {text}"))
        }
    }
}

fn name_field(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

const HEADER_MISMATCH: i32 = -32020;

//! A [`Failure`] as the JSON-RPC error that the host shows.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Failure;
use crate::remote::message::{Id, Message};

/// The error answer to the request `id`. Its message is what failed and the first thing to do;
/// its data is all that is known, under our name.
pub(super) fn error(id: Option<&Id>, failure: &Failure) -> Message {
    #[derive(Serialize)]
    struct Reply<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RawValue>,
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        code: i32,
        message: String,
        data: Data<'a>,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        source: &'static str,
        #[serde(flatten)]
        failure: &'a Failure,
    }
    let facts = failure.facts();
    let message = match facts.fix.first() {
        Some(fix) => format!("{}. {fix}", facts.what),
        None => facts.what.clone(),
    };
    let id_text = id.map(|id| id.raw().to_owned()).and_then(|raw| RawValue::from_string(raw).ok());
    let reply = Reply {
        jsonrpc: "2.0",
        id: id_text.as_deref(),
        error: Error { code: ERROR_CODE, message, data: Data { source: "mcp-mtls", failure } },
    };
    let text = serde_json::to_vec(&reply).unwrap_or_default();
    Message::response(text.into(), id.cloned())
}

/// Every error of ours has this code; it lies outside the range that JSON-RPC 2.0 reserves.
pub(super) const ERROR_CODE: i32 = -31_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::remote::message::Kind;

    #[test]
    fn a_failure_reads_well_in_a_host() {
        let failure = Failure::new(Code::KeyMissing, "There is a certificate without its private key")
            .at("/me.pem")
            .fix("Add the private key as `key`.");
        let request = Message::read("{\"id\":\"\\u0061\",\"method\":\"initialize\"}".into()).remove(0).unwrap();
        let Kind::Request { id, .. } = request.kind().clone() else { panic!() };
        let reply = error(Some(&id), &failure);
        let text = concat!(
            r#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-31000,"#,
            r#""message":"There is a certificate without its private key. Add the private key as `key`.","#,
            r#""data":{"source":"mcp-mtls","code":"key-missing","side":"ours","#,
            r#""what":"There is a certificate without its private key","#,
            r#""where":["/me.pem"],"fix":["Add the private key as `key`."]}}}"#
        );
        assert_eq!(std::str::from_utf8(reply.raw()).unwrap(), text);
        assert!(!(-32768..=-32000).contains(&ERROR_CODE));
    }
}

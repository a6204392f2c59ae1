//! What a host asks for, and what answer is right.

use std::time::Instant;

use serde_json::{Value, json};

use super::dice::Dice;

/// A request without an answer.
pub(super) struct Call {
    pub(super) what: What,
    pub(super) sent: Instant,
    pub(super) cancelled: Option<Instant>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Echo(String),
    Whoami,
    Big(usize),
    Progress(u64),
    /// Ends when the server lets it go, or by a cancel.
    Wait,
    /// Ends when the host has answered the server's question.
    Ask,
    Ping,
    List,
    Subscribe,
    /// A method that no server knows.
    Unknown,
    /// Ends with the subscription.
    Listen,
}

impl What {
    /// One of them.
    pub(super) fn any(dice: &mut Dice, modern: bool) -> Self {
        let only_legacy = u64::from(!modern);
        match dice.weighted(&[
            (40, 0),
            (8, 1),
            (4, 2),
            (12, 3),
            (8, 4),
            (8, 5),
            (4 * only_legacy, 6),
            (4, 7),
            (4 * only_legacy, 8),
            (3, 9),
            (4 * (1 - only_legacy), 10),
        ]) {
            0 => Self::Echo(dice.text()),
            1 => Self::Whoami,
            2 => Self::Big(dice.length(0..=200_000)),
            3 => Self::Progress(dice.within(1..=8)),
            4 => Self::Wait,
            5 => Self::Ask,
            6 => Self::Ping,
            7 => Self::List,
            8 => Self::Subscribe,
            9 => Self::Unknown,
            _ => Self::Listen,
        }
    }

    /// The method and the parameters.
    pub(super) fn request(&self, token: &str) -> (&'static str, Value) {
        let call = |name: &str, arguments: Value| ("tools/call", json!({ "name": name, "arguments": arguments }));
        match self {
            Self::Echo(text) => call("echo", json!({ "text": text })),
            Self::Whoami => call("whoami", json!({})),
            Self::Big(bytes) => call("big", json!({ "bytes": bytes })),
            Self::Progress(steps) => {
                let (method, mut params) = call("progress", json!({ "steps": steps }));
                params["_meta"] = json!({ "progressToken": token });
                (method, params)
            }
            Self::Wait => call("wait", json!({})),
            Self::Ask => call("ask", json!({ "question": "Who?" })),
            Self::Ping => ("ping", json!({})),
            Self::List => ("tools/list", json!({})),
            Self::Subscribe => ("resources/subscribe", json!({ "uri": "test://one" })),
            Self::Unknown => ("soak/unknown", json!({})),
            Self::Listen => ("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })),
        }
    }

    /// Whether it may never end, unless it is cancelled.
    pub(super) fn may_hang(&self) -> bool {
        matches!(self, Self::Wait | Self::Ask | Self::Listen)
    }

    /// What is wrong with a result.
    pub(super) fn fault(&self, result: &Value, fingerprint: &str, replies: impl Fn(&str) -> bool) -> Option<String> {
        let content = &result["content"];
        let text = content[0]["text"].as_str();
        let right = match self {
            Self::Echo(said) => text == Some(said),
            Self::Whoami => text == Some(fingerprint),
            Self::Big(bytes) => text.is_some_and(|text| text.len() == *bytes && text.bytes().all(|byte| byte == b'x')),
            Self::Progress(steps) => text == Some(&format!("{steps} steps")),
            Self::Wait => text == Some("released"),
            Self::Ask => text.is_some_and(replies) || result["resultType"] == "input_required",
            Self::List => result["tools"].as_array().is_some_and(|tools| tools.len() > 5),
            Self::Ping | Self::Subscribe | Self::Listen => result.is_object(),
            Self::Unknown => false,
        };
        let shown: String = result.to_string().chars().take(300).collect();
        (!right).then(|| format!("{self:?} was answered by {shown}"))
    }
}

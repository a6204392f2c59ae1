//! The protocols in which hosts speak with models, as far as one call of a tool needs.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One of them. Each answer is a whole stream of events.
#[derive(Clone, Copy)]
pub(super) enum Dialect {
    /// The chat completions of `OpenAI`, which most others offer too.
    Chat,
    /// The responses of `OpenAI`.
    Responses,
    /// The messages of Anthropic.
    Messages,
    /// The `streamGenerateContent` of Gemini.
    Gemini,
}

/// A tool by the names that the host gave it.
pub(super) struct Tool {
    name: String,
    namespace: Option<String>,
}

impl Dialect {
    pub(super) fn of(path: &str) -> Option<Self> {
        let endings = [
            ("/chat/completions", Self::Chat),
            ("/responses", Self::Responses),
            ("/messages", Self::Messages),
            (":streamGenerateContent", Self::Gemini),
        ];
        endings.into_iter().find_map(|(ending, dialect)| path.ends_with(ending).then_some(dialect))
    }

    /// The `echo` among the tools that the host offers, by whatever name.
    pub(super) fn echo(self, asked: &Value) -> Option<Tool> {
        let named = |tool: &Value, namespace: Option<&str>| {
            let name = tool["name"].as_str()?.to_owned();
            Some(Tool { name, namespace: namespace.map(str::to_owned) })
        };
        let tools = all(&asked["tools"]).flat_map(|tool| match self {
            Self::Chat => vec![named(&tool["function"], None)],
            Self::Messages => vec![named(tool, None)],
            Self::Gemini => all(&tool["functionDeclarations"]).map(|tool| named(tool, None)).collect(),
            Self::Responses => {
                let inside = all(&tool["tools"]).map(|inner| named(inner, tool["name"].as_str()));
                inside.chain([named(tool, None)]).collect()
            }
        });
        tools.flatten().find(|tool| tool.name.ends_with("echo"))
    }

    /// The results of tools that the host sends.
    pub(super) fn results(self, asked: &Value) -> Vec<String> {
        let results: Vec<&Value> = match self {
            Self::Chat => {
                let told = all(&asked["messages"]).filter(|message| message["role"] == "tool");
                told.map(|message| &message["content"]).collect()
            }
            Self::Responses => {
                let told = all(&asked["input"]).filter(|item| item["type"] == "function_call_output");
                told.map(|item| &item["output"]).collect()
            }
            Self::Messages => {
                let parts = all(&asked["messages"]).flat_map(|message| all(&message["content"]));
                parts.filter(|part| part["type"] == "tool_result").map(|part| &part["content"]).collect()
            }
            Self::Gemini => {
                let parts = all(&asked["contents"]).flat_map(|content| all(&content["parts"]));
                parts.map(|part| &part["functionResponse"]).filter(|told| !told.is_null()).collect()
            }
        };
        results.into_iter().map(ToString::to_string).collect()
    }

    /// The answer that calls this tool with the message `hi`.
    pub(super) fn calls(self, tool: &Tool) -> String {
        let name = &tool.name;
        match self {
            Self::Chat => {
                let function = json!({"name": name, "arguments": MESSAGE});
                let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
                chat(&json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
            }
            Self::Responses => {
                let mut item = json!({"type": "function_call", "id": "item_1", "call_id": "call_1", "name": name});
                item["arguments"] = MESSAGE.into();
                if let Some(namespace) = &tool.namespace {
                    item["namespace"] = namespace.as_str().into();
                }
                response(&item)
            }
            Self::Messages => {
                let block = json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": {}});
                message(&block, &json!({"type": "input_json_delta", "partial_json": MESSAGE}), "tool_use")
            }
            Self::Gemini => gemini(&json!({"functionCall": {"name": name, "args": {"message": "hi"}}})),
        }
    }

    /// The answer that says this.
    pub(super) fn says(self, text: &str) -> String {
        match self {
            Self::Chat => chat(&json!({"role": "assistant", "content": text}), "stop"),
            Self::Responses => {
                let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
                response(&json!({"type": "message", "id": "item_2", "role": "assistant", "content": content}))
            }
            Self::Messages => {
                let block = json!({"type": "text", "text": ""});
                message(&block, &json!({"type": "text_delta", "text": text}), "end_turn")
            }
            Self::Gemini => gemini(&json!({"text": text})),
        }
    }
}

fn chat(delta: &Value, reason: &str) -> String {
    let chunk = |delta: &Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [choice]})
    };
    let mut last = chunk(&json!({}), reason.into());
    last["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    events(&[chunk(delta, Value::Null), last]) + "data: [DONE]\n\n"
}

fn response(item: &Value) -> String {
    let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
    events(&[
        json!({"type": "response.created", "response": {"id": "1", "status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed",
            "response": {"id": "1", "status": "completed", "output": [item], "usage": usage}}),
    ])
}

fn message(block: &Value, delta: &Value, reason: &str) -> String {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    events(&[
        json!({"type": "message_start", "message": {"id": "1", "type": "message", "role": "assistant",
            "model": "scripted", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": usage}),
        json!({"type": "message_stop"}),
    ])
}

fn gemini(part: &Value) -> String {
    let candidate = json!({"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"});
    let usage = json!({"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2});
    events(&[json!({"candidates": [candidate], "usageMetadata": usage})])
}

/// As server-sent events, each with its type for a name if it has one.
fn events(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        if let Some(name) = event["type"].as_str() {
            let _infallible = writeln!(text, "event: {name}");
        }
        let _infallible = write!(text, "data: {event}\n\n");
        text
    })
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The arguments of the call, as text.
const MESSAGE: &str = r#"{"message":"hi"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_is_found_by_the_name_that_a_host_gave_it() {
        let schema = json!({"type": "object"});
        let requests = [
            (Dialect::Chat, json!({"tools": [{"type": "function", "function": {"name": "corp_echo"}}]})),
            (Dialect::Responses, json!({"tools": [{"name": "mcp__corp", "tools": [{"name": "echo"}]}]})),
            (Dialect::Messages, json!({"tools": [{"name": "Bash"}, {"name": "corp__echo", "input_schema": schema}]})),
            (Dialect::Gemini, json!({"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "corp_echo"}]}]})),
        ];
        for (dialect, request) in requests {
            let Some(echo) = dialect.echo(&request) else { panic!("no echo in {request:#}") };
            let answer = dialect.calls(&echo);
            assert!(answer.contains(&format!(r#""name":"{}""#, echo.name)), "{answer}");
            assert_eq!(answer.contains(r#""namespace":"mcp__corp""#), echo.namespace.is_some(), "{answer}");
            assert!(dialect.echo(&json!({"tools": []})).is_none() && dialect.results(&request).is_empty());
        }
    }

    #[test]
    fn the_result_of_a_tool_is_what_the_host_sent_of_it_alone() {
        let requests = [
            (Dialect::Chat, json!({"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]})),
            (
                Dialect::Responses,
                json!({"input": [{"type": "message"}, {"type": "function_call_output", "output": "b"}]}),
            ),
            (
                Dialect::Messages,
                json!({"messages": [{"content": [{"type": "text"}, {"type": "tool_result", "content": "b"}]}]}),
            ),
            (Dialect::Gemini, json!({"contents": [{"parts": [{"text": "a"}, {"functionResponse": "b"}]}]})),
        ];
        for (dialect, request) in requests {
            assert_eq!(dialect.results(&request), [r#""b""#], "{request:#}");
        }
    }
}

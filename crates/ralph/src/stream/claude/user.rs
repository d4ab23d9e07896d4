//! Events of the type `user`: results of tool calls, and prompts to subagents.

use serde::Deserialize;
use serde_json::Value;

use crate::stream::{AgentMessage, Signal, ToolOutput};

#[derive(Deserialize)]
pub(super) struct UserEvent {
    message: UserMessage,
    parent_tool_use_id: Option<String>,
}

#[derive(Deserialize)]
struct UserMessage {
    content: Content<UserBlock>,
}

/// Text, or a list of blocks.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content<Block> {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum UserBlock {
    ToolResult {
        tool_use_id: String,
        /// Missing or `null` if the tool returned nothing.
        content: Option<Content<Value>>,
        is_error: Option<bool>,
    },
    Text {
        text: String,
    },
    /// Images, and types of later versions.
    #[serde(other)]
    Other,
}

pub(super) fn user(event: UserEvent) -> Vec<Signal> {
    let parent = event.parent_tool_use_id;
    let prompt = |text: String| {
        Signal::Message(AgentMessage {
            text,
            is_prompt: true,
            parent_tool_id: parent.clone(),
        })
    };
    let blocks = match event.message.content {
        Content::Text(text) => return vec![prompt(text)],
        Content::Blocks(blocks) => blocks,
    };
    let signal = |block| match block {
        UserBlock::ToolResult {
            tool_use_id,
            content,
            is_error,
        } => Some(Signal::ToolResult(ToolOutput {
            id: tool_use_id,
            ok: is_error != Some(true),
            output: content.map(output_text).unwrap_or_default(),
            parent_tool_id: parent.clone(),
        })),
        UserBlock::Text { text } => Some(prompt(text)),
        UserBlock::Other => None,
    };
    blocks.into_iter().filter_map(signal).collect()
}

fn output_text(content: Content<Value>) -> String {
    let blocks = match content {
        Content::Text(text) => return text,
        Content::Blocks(blocks) => blocks,
    };
    let text = |block: &Value| match block.get("text").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => {
            let kind = block.get("type").and_then(Value::as_str).unwrap_or("value");
            format!("[{kind} left out]")
        }
    };
    blocks.iter().map(text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: Value) -> Vec<Signal> {
        user(serde_json::from_value(event).unwrap())
    }

    fn result(output: &str, ok: bool) -> Vec<Signal> {
        vec![Signal::ToolResult(ToolOutput {
            id: "t1".to_owned(),
            ok,
            output: output.to_owned(),
            parent_tool_id: None,
        })]
    }

    #[test]
    fn a_result_is_text_blocks_or_nothing() {
        for (content, output) in [
            (json!("one\ntwo"), "one\ntwo"),
            (
                json!([{ "type": "text", "text": "one" }, { "type": "image", "source": {} }]),
                "one\n[image left out]",
            ),
            (json!([]), ""),
            (Value::Null, ""),
        ] {
            let block = json!({ "type": "tool_result", "tool_use_id": "t1", "content": content });
            assert_eq!(
                read(json!({ "message": { "content": [block] } })),
                result(output, true)
            );
        }
        let failed = json!({ "type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": true });
        assert_eq!(
            read(json!({ "message": { "content": [failed] } })),
            result("no", false)
        );
    }

    #[test]
    fn what_a_subagent_is_asked_names_the_call_that_started_it() {
        let event = json!({ "message": { "content": [{ "type": "text", "text": "Find the tests" }] }, "parent_tool_use_id": "t1" });
        assert_eq!(
            read(event),
            [Signal::Message(AgentMessage {
                text: "Find the tests".to_owned(),
                is_prompt: true,
                parent_tool_id: Some("t1".to_owned()),
            })]
        );
    }
}

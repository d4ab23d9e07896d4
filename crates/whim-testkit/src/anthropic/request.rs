//! The parts of a Messages request that the fake reads.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct MessagesRequest {
    pub(super) model: String,
    /// Not required to count tokens.
    pub(super) max_tokens: Option<u64>,
    pub(super) messages: Vec<Message>,
    pub(super) system: Option<Content>,
    #[serde(default)]
    pub(super) tools: Vec<Tool>,
    #[serde(default)]
    pub(super) stream: bool,
    pub(super) temperature: Option<f64>,
    pub(super) thinking: Option<Thinking>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    User,
    Assistant,
    /// Instructions in mid-conversation; behind a beta header.
    System,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        /// Only that it is an object matters.
        #[serde(rename = "input")]
        _input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: String,
        content: Option<Content>,
        #[serde(default)]
        is_error: bool,
    },
    /// Images, documents, thinking and beta features.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) name: String,
    /// The tools that Anthropic runs have a type and no schema.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) input_schema: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Thinking {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) budget_tokens: Option<u64>,
}

impl Content {
    pub(super) fn blocks(&self) -> &[Block] {
        match self {
            Self::Text(_) => &[],
            Self::Blocks(blocks) => blocks,
        }
    }

    /// Its text blocks, without tool results.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Blocks(blocks) => {
                let texts = blocks.iter().filter_map(|block| match block {
                    Block::Text { text } => Some(text.as_str()),
                    Block::ToolUse { .. } | Block::ToolResult { .. } | Block::Other => None,
                });
                texts.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

impl MessagesRequest {
    pub(super) fn system_text(&self) -> String {
        self.system.as_ref().map(Content::text).unwrap_or_default()
    }

    /// The text of the turns of one role, without tool results.
    pub(super) fn texts(&self, role: Role) -> impl Iterator<Item = String> {
        self.messages
            .iter()
            .filter(move |message| message.role == role)
            .map(|message| message.content.text())
    }

    pub(super) fn has_tool(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }
}

//! Decoding of an agent's output. Decoders are pure: text in, [`Signal`]s out.

pub(crate) mod claude;

use std::time::Duration;

use ralph_contract::{IterationStats, ToolKind};
use serde_json::{Map, Value};

use crate::provider::Trouble;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signal {
    Tool(ToolUse),
    ToolResult(ToolOutput),
    Message(AgentMessage),
    /// Text of the harness, or of a program that it started.
    Text(String),
    /// A request to the model failed, and the harness will retry it.
    ProviderRetry {
        /// Set if the provider is the cause.
        trouble: Option<Trouble>,
        delay: Duration,
    },
    /// The agent is done, successfully or not.
    Result(AgentResult),
    /// An event of an unknown kind.
    Unknown {
        kind: String,
    },
    /// An event of a known kind with an unexpected body.
    Misfit {
        kind: String,
        error: String,
        /// The beginning of the line.
        start: String,
    },
}

/// Text of the agent, or a prompt to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentMessage {
    pub(crate) text: String,
    pub(crate) is_prompt: bool,
    /// The tool call whose subagent this belongs to.
    pub(crate) parent_tool_id: Option<String>,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolOutput {
    pub(crate) id: String,
    pub(crate) ok: bool,
    pub(crate) output: String,
    /// The tool call whose subagent this belongs to.
    pub(crate) parent_tool_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolUse {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) input: Map<String, Value>,
    pub(crate) kind: ToolKind,
    /// The file, if the tool names one.
    pub(crate) path: Option<String>,
    /// Shown to people if there is no path: the command or the pattern.
    pub(crate) detail: Option<String>,
    /// The tool call whose subagent made this call.
    pub(crate) parent_tool_id: Option<String>,
}

/// The result that the agent reports.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentResult {
    pub(crate) is_error: bool,
    /// Its answer, or the error.
    pub(crate) text: String,
    /// Set if the model provider is the cause of the error.
    pub(crate) trouble: Option<Trouble>,
    /// Tokens and cost of the run. The counts of tool calls are zero.
    pub(crate) usage: IterationStats,
    /// Tool calls that the harness did not allow, for people.
    pub(crate) denied: Vec<String>,
}

impl AgentResult {
    pub(crate) fn used_no_tokens(&self) -> bool {
        let IterationStats {
            tokens_in,
            tokens_out,
            cache_read,
            cache_write,
            ..
        } = self.usage;
        tokens_in == 0 && tokens_out == 0 && cache_read == 0 && cache_write == 0
    }
}

pub(crate) trait Decoder {
    /// Decodes one line, without its line ending. Accepts any text.
    fn decode(&mut self, line: &str) -> Vec<Signal>;

    /// Tokens reported so far, for a run that ends without a result.
    fn usage_so_far(&self) -> IterationStats;
}

/// For a harness that prints text for people.
#[derive(Debug, Default)]
pub(crate) struct PlainText;

impl Decoder for PlainText {
    fn decode(&mut self, line: &str) -> Vec<Signal> {
        vec![Signal::Text(line.to_owned())]
    }

    fn usage_so_far(&self) -> IterationStats {
        IterationStats::default()
    }
}

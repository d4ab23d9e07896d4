//! Foreign lines, to what they mean to us. Decoders are pure: text in, [`Signal`]s out.

pub(crate) mod claude;

use std::time::Duration;

use ralph_contract::{IterationStats, ToolKind};

use crate::provider::Trouble;

/// What a line of an agent's output means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signal {
    /// The agent calls a tool.
    Tool(ToolUse),
    /// The agent says something.
    Text(String),
    /// The harness could not reach the model and will try again by itself.
    ProviderRetry {
        /// What is wrong, where it is the provider's trouble.
        trouble: Option<Trouble>,
        /// How long it will wait before it does.
        delay: Duration,
    },
    /// The agent is done, one way or the other.
    Result(AgentResult),
    /// An event of a kind that this build does not know.
    Unknown { kind: String },
    /// An event of a known kind whose body does not fit.
    Misfit {
        kind: String,
        error: String,
        /// The beginning of the line.
        start: String,
    },
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolUse {
    pub(crate) kind: ToolKind,
    /// The file, where the tool names one.
    pub(crate) path: Option<String>,
    /// What a person would want to see of the call where there is no path: the command, the pattern.
    pub(crate) detail: Option<String>,
    /// Its name and whole input, to know the same call again. Never shown: secrets may be in it.
    pub(crate) whole: String,
}

/// How the agent says that it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentResult {
    /// Whether it says that it failed.
    pub(crate) is_error: bool,
    /// Its last words, or what went wrong.
    pub(crate) text: String,
    /// Set when what went wrong is the model provider's trouble and not the task's.
    pub(crate) trouble: Option<Trouble>,
    /// Tokens and cost of the whole run; the counts of tool calls are zero.
    pub(crate) usage: IterationStats,
}

impl AgentResult {
    /// Whether the harness reports that the model was never asked.
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

/// Turns one harness's lines into signals.
pub(crate) trait Decoder {
    /// Reads one line, without its line ending. Any text has an answer, if only an empty one.
    fn decode(&mut self, line: &str) -> Vec<Signal>;

    /// Tokens that are known to be used so far, for a run that ends without a result.
    fn usage_so_far(&self) -> IterationStats;
}

/// The decoder of a harness that prints text for people: nothing in it is acted on.
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

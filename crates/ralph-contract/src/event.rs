//! The events that `ralph` writes to standard output with `--headless`: one JSON object per line.
//!
//! `SPEC-ralph.md` documents every event and field; the tests compare it with this module.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::review::Review;
use crate::stats::IterationStats;
use crate::warning::WarningKind;

/// One event. The tag is the field `event`, in snake case. [`crate::parse_line`] reads it and [`crate::to_line`] writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First event of `ralph run`, after SPEC.md was read.
    Started(Started),
    /// Around each run of the agent: before it, while it works, after it.
    Iteration(Iteration),
    /// At each text of the agent that the harness reports.
    Message(Message),
    /// At each tool call that the harness reports.
    Tool(Tool),
    /// At each result of a tool call that the harness reports.
    ToolResult(ToolResult),
    /// At each commit that is new in the repository.
    Commit(Commit),
    /// When an open box is ticked and no file is left uncommitted.
    TaskComplete(TaskComplete),
    /// When a task that was done is open again: its box was opened, or its tick does not count.
    TaskReopened(TaskReopened),
    /// After each iteration, when all of its processes have exited.
    IterationDone(IterationDone),
    /// Something that a user should know and that does not end the run.
    Warning(Warning),
    /// Last event of a run that ends without progress.
    Stuck(Stuck),
    /// Last event of a run that did every task.
    Complete(Complete),
    /// Last event of a run that ends for any other reason, iterations used up and interruption included.
    Failed(Failed),
    /// First event of `ralph spec`.
    SpecGenerationStarted,
    /// Last event of `ralph spec` if a SPEC.md was written, with or without violations.
    SpecGenerationComplete(SpecGenerationComplete),
    /// Last event of `ralph spec` if no SPEC.md was written.
    SpecGenerationFailed(SpecGenerationFailed),
    /// Last event of `ralph review` if the model gave a review, whatever it says.
    ReviewComplete(ReviewComplete),
    /// Last event of `ralph review` if there is no review.
    ReviewFailed(ReviewFailed),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Path of SPEC.md, as given.
    pub spec: String,
    /// Number of tasks, open and done.
    pub tasks: u32,
    /// The model, if one was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `claude` or `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness: Option<String>,
    /// RFC 3339.
    pub timestamp: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iteration {
    /// From 1 in each run.
    pub n: u32,
    pub phase: IterationPhase,
    /// While starting: size of the `notes.md` that the prompt of the agent is made from, in bytes; 0 without notes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub notes_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IterationPhase {
    /// The agent is about to be started.
    Starting,
    /// The agent runs.
    Running,
    /// The agent has exited; its changes are being read.
    Finishing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: MessageRole,
    pub text: String,
    /// Bytes that were cut out of the text; see [`crate::content`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated_bytes: u64,
    /// Identifier of the tool call whose subagent this belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// The model.
    Assistant,
    /// A prompt to the model, for example to a subagent.
    User,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The file that is read or written, if the harness names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Equal for two calls of one run with the same name and input. Opaque, and keyed with a random key for each run, so
    /// that it reveals nothing about the input, which may contain a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Identifier of the call, unique in one iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The harness's name of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Arguments of the call, with long texts cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
    /// Bytes that were cut out of the input; see [`crate::content`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated_bytes: u64,
    /// Identifier of the tool call whose subagent this belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Changes nothing.
    Read,
    /// Changes a file.
    Write,
    /// Runs a command.
    Bash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// Identifier of the call.
    pub id: String,
    /// Whether the tool reported success.
    pub ok: bool,
    pub output: String,
    /// Bytes that were cut out of the output; see [`crate::content`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated_bytes: u64,
    /// Identifier of the tool call whose subagent this belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Full hexadecimal hash.
    pub hash: String,
    /// First line of the commit message.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskComplete {
    /// Position among all tasks of SPEC.md, from 0.
    pub index: u32,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReopened {
    /// Position among all tasks of SPEC.md, from 0.
    pub index: u32,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IterationDone {
    /// From 1 in each run.
    pub n: u32,
    pub duration_ms: u64,
    #[serde(default)]
    pub stats: IterationStats,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    #[serde(rename = "type")]
    pub kind: WarningKind,
    /// For people.
    pub message: String,
    /// The files concerned, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Reset time of the model provider's limit, if known, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// For people: the text of `stuck.md`, or what was observed.
    pub reason: String,
    /// Number of iterations in a row in which no task was done and no commit made.
    pub iterations_without_progress: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    pub tasks_done: u32,
    pub total_duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// For people: what failed and why.
    pub error: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpecGenerationComplete {
    /// Path of SPEC.md, as given.
    pub spec_path: String,
    /// Number of tasks in it.
    pub task_count: u32,
    pub validation_passed: bool,
    /// The broken conventions, as [`crate::Violation`] displays them.
    #[serde(default)]
    pub violations: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecGenerationFailed {
    /// For people: what failed and why.
    pub error: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewComplete {
    pub review: Review,
    pub duration_ms: u64,
    #[serde(default)]
    pub stats: IterationStats,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewFailed {
    /// For people: what failed and why.
    pub error: String,
    #[serde(default)]
    pub stats: IterationStats,
}

impl Event {
    /// Every tag of this contract. A line with another tag is [`crate::Line::Unknown`].
    pub const NAMES: [&'static str; 18] = [
        "started",
        "iteration",
        "message",
        "tool",
        "tool_result",
        "commit",
        "task_complete",
        "task_reopened",
        "iteration_done",
        "warning",
        "stuck",
        "complete",
        "failed",
        "spec_generation_started",
        "spec_generation_complete",
        "spec_generation_failed",
        "review_complete",
        "review_failed",
    ];

    /// The tag on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Iteration(_) => "iteration",
            Self::Message(_) => "message",
            Self::Tool(_) => "tool",
            Self::ToolResult(_) => "tool_result",
            Self::Commit(_) => "commit",
            Self::TaskComplete(_) => "task_complete",
            Self::TaskReopened(_) => "task_reopened",
            Self::IterationDone(_) => "iteration_done",
            Self::Warning(_) => "warning",
            Self::Stuck(_) => "stuck",
            Self::Complete(_) => "complete",
            Self::Failed(_) => "failed",
            Self::SpecGenerationStarted => "spec_generation_started",
            Self::SpecGenerationComplete(_) => "spec_generation_complete",
            Self::SpecGenerationFailed(_) => "spec_generation_failed",
            Self::ReviewComplete(_) => "review_complete",
            Self::ReviewFailed(_) => "review_failed",
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

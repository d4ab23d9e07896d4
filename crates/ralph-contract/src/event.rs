//! The events that `ralph` writes to standard output with `--headless`, one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::IterationStats;

/// One event. The tag is the field `event`, in snake case; [`crate::parse_line`] and [`crate::to_line`] are the
/// two ways between an event and its line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First event of `ralph run`, once SPEC.md was read.
    Started(Started),
    /// Around each run of the agent: before it, while it works, after it.
    Iteration(Iteration),
    /// At each tool call of the agent, as the harness reports it.
    Tool(Tool),
    /// At each commit that is new in the repository, found by looking at git.
    Commit(Commit),
    /// When a box that was open is ticked, after the iteration that ticked it.
    TaskComplete(TaskComplete),
    /// After each iteration, once every process of it has ended.
    IterationDone(IterationDone),
    /// Something that a person would want to know of and that does not end the run.
    Warning(Warning),
    /// Last event where the run ends without progress.
    Stuck(Stuck),
    /// Last event where every task is done.
    Complete(Complete),
    /// Last event where the run ends for any other reason, iterations used up and interruption included.
    Failed(Failed),
    /// First event of `ralph spec`.
    SpecGenerationStarted,
    /// Last event of `ralph spec` where a SPEC.md was written, with violations or without.
    SpecGenerationComplete(SpecGenerationComplete),
    /// Last event of `ralph spec` where none was written.
    SpecGenerationFailed(SpecGenerationFailed),
}

/// Payload of [`Event::Started`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Path of SPEC.md, as given.
    pub spec: String,
    /// Number of tasks, open and done.
    pub tasks: u32,
    /// The model that was asked for, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The harness that drives the agent: `claude`, `command`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness: Option<String>,
    /// RFC 3339.
    pub timestamp: String,
}

/// Payload of [`Event::Iteration`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iteration {
    /// Number of the iteration in this run, from 1.
    pub n: u32,
    /// Where the iteration is.
    pub phase: IterationPhase,
}

/// Where an iteration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IterationPhase {
    /// The agent is about to be started.
    Starting,
    /// The agent runs.
    Running,
    /// The agent has ended; what it changed is being looked at.
    Finishing,
}

/// Payload of [`Event::Tool`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// What the tool does.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The file that is read or written, where the harness names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Tells the calls of one run apart: two that are the same in name and whole input have the same digest. Opaque,
    /// and keyed anew for each run, so that nobody learns from it what was in the input, such as a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Looks at something; changes nothing.
    Read,
    /// Changes a file.
    Write,
    /// Runs a command.
    Bash,
}

/// Payload of [`Event::Commit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Full hexadecimal hash.
    pub hash: String,
    /// First line of the commit message.
    pub message: String,
}

/// Payload of [`Event::TaskComplete`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskComplete {
    /// Position among all tasks of SPEC.md, from 0.
    pub index: u32,
    /// The task's text.
    pub text: String,
}

/// Payload of [`Event::IterationDone`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IterationDone {
    /// Number of the iteration in this run, from 1.
    pub n: u32,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What it used.
    #[serde(default)]
    pub stats: IterationStats,
}

/// Payload of [`Event::Warning`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: WarningKind,
    /// For people.
    pub message: String,
    /// The files that it is about, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// When the model provider's limit ends, where it says so: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
}

/// What a warning is about; a snake-case string on the wire. Open, because a newer `ralph` may know more kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum WarningKind {
    /// The model API limits us: 429, or the plan's usage limit.
    ProviderLimited,
    /// The model API is away: 529, another 5xx, no connection.
    ProviderUnavailable,
    /// The model API refuses our credentials.
    ProviderRefused,
    /// Tasks that the agent deleted or reworded were put back.
    TaskRestored,
    /// SPEC.md was gone or empty and was written again.
    SpecRestored,
    /// Processes outlived the agent and were ended.
    LeftoverProcesses,
    /// A line of the agent was longer than the limit and was cut.
    OutputTruncated,
    /// The harness sent an event of a kind that this build does not know.
    UnknownHarnessEvent,
    /// The harness sent an event of a known kind whose body does not fit.
    HarnessMisfit,
    /// The agent ended with changes that it did not commit.
    UncommittedChanges,
    /// Any other kind, by its name on the wire.
    Other(String),
}

impl WarningKind {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::ProviderLimited => "provider_limited",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderRefused => "provider_refused",
            Self::TaskRestored => "task_restored",
            Self::SpecRestored => "spec_restored",
            Self::LeftoverProcesses => "leftover_processes",
            Self::OutputTruncated => "output_truncated",
            Self::UnknownHarnessEvent => "unknown_harness_event",
            Self::HarnessMisfit => "harness_misfit",
            Self::UncommittedChanges => "uncommitted_changes",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for WarningKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "provider_limited" => Self::ProviderLimited,
            "provider_unavailable" => Self::ProviderUnavailable,
            "provider_refused" => Self::ProviderRefused,
            "task_restored" => Self::TaskRestored,
            "spec_restored" => Self::SpecRestored,
            "leftover_processes" => Self::LeftoverProcesses,
            "output_truncated" => Self::OutputTruncated,
            "unknown_harness_event" => Self::UnknownHarnessEvent,
            "harness_misfit" => Self::HarnessMisfit,
            "uncommitted_changes" => Self::UncommittedChanges,
            _ => Self::Other(name),
        }
    }
}

impl From<WarningKind> for String {
    fn from(kind: WarningKind) -> Self {
        if let WarningKind::Other(name) = kind {
            name
        } else {
            kind.as_str().to_owned()
        }
    }
}

/// Payload of [`Event::Stuck`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// For people: what the agent wrote to [`crate::files::STUCK`], or what was seen.
    pub reason: String,
    /// How many iterations in a row ticked no box and made no commit.
    pub iterations_without_progress: u32,
}

/// Payload of [`Event::Complete`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// Number of tasks that are done.
    pub tasks_done: u32,
    /// How long the run took, in milliseconds.
    pub total_duration_ms: u64,
}

/// Payload of [`Event::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// For people: what was being done and why it failed.
    pub error: String,
}

/// Payload of [`Event::SpecGenerationComplete`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpecGenerationComplete {
    /// Where SPEC.md was written.
    pub spec_path: String,
    /// Number of tasks in it.
    pub task_count: u32,
    /// Whether it breaks no convention.
    pub validation_passed: bool,
    /// The broken conventions, as [`crate::Violation`] displays them.
    #[serde(default)]
    pub violations: Vec<String>,
}

/// Payload of [`Event::SpecGenerationFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecGenerationFailed {
    /// For people: what was being done and why it failed.
    pub error: String,
}

impl Event {
    /// Every tag of this contract. A line with another tag is [`crate::Line::Unknown`].
    pub const NAMES: [&'static str; 13] = [
        "started",
        "iteration",
        "tool",
        "commit",
        "task_complete",
        "iteration_done",
        "warning",
        "stuck",
        "complete",
        "failed",
        "spec_generation_started",
        "spec_generation_complete",
        "spec_generation_failed",
    ];

    /// The tag on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Iteration(_) => "iteration",
            Self::Tool(_) => "tool",
            Self::Commit(_) => "commit",
            Self::TaskComplete(_) => "task_complete",
            Self::IterationDone(_) => "iteration_done",
            Self::Warning(_) => "warning",
            Self::Stuck(_) => "stuck",
            Self::Complete(_) => "complete",
            Self::Failed(_) => "failed",
            Self::SpecGenerationStarted => "spec_generation_started",
            Self::SpecGenerationComplete(_) => "spec_generation_complete",
            Self::SpecGenerationFailed(_) => "spec_generation_failed",
        }
    }
}

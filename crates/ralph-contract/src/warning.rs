//! What a warning is about.

use serde::{Deserialize, Serialize};

/// What a warning is about; on the wire a string in snake case. Open, because a newer `ralph` may know more kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum WarningKind {
    /// The model API limits requests: 429, or the usage limit of the plan.
    ProviderLimited,
    /// The model API is unavailable: 529, another 5xx, no connection.
    ProviderUnavailable,
    /// The model API refuses the credentials, the account or the model.
    ProviderRefused,
    /// An iteration failed, and the run continues.
    IterationFailed,
    /// Tasks that the agent deleted or reworded were restored.
    TaskRestored,
    /// Tasks that the agent added were removed.
    TaskDiscarded,
    /// SPEC.md was missing or empty and was written again.
    SpecRestored,
    /// The learnings of earlier runs cannot be read and are not part of the prompt.
    LearningsIgnored,
    /// The notes of the people who requested the work cannot be read and are not part of the prompt.
    NotesIgnored,
    /// Processes were still running after the agent had exited, and were terminated.
    LeftoverProcesses,
    /// A line of the agent was longer than the limit and was truncated.
    OutputTruncated,
    /// Texts of the agent beyond the limit of an iteration were not reported.
    ContentOmitted,
    /// The agent repeated itself without an edit, and was terminated.
    Repetition,
    /// The harness did not let the agent call tools.
    ToolDenied,
    /// The harness sent an event of an unknown kind.
    UnknownHarnessEvent,
    /// The harness sent an event of a known kind with an unexpected body.
    HarnessMisfit,
    /// A box was ticked or all tasks are done, and there are changes that are not committed.
    UncommittedChanges,
    /// The checked-out commit does not contain the commits of earlier iterations.
    CommitsMissing,
    /// Any other kind, by its name on the wire.
    Other(String),
}

impl WarningKind {
    /// Every kind of this contract.
    pub const KNOWN: [Self; 18] = [
        Self::ProviderLimited,
        Self::ProviderUnavailable,
        Self::ProviderRefused,
        Self::IterationFailed,
        Self::TaskRestored,
        Self::TaskDiscarded,
        Self::SpecRestored,
        Self::LearningsIgnored,
        Self::NotesIgnored,
        Self::LeftoverProcesses,
        Self::OutputTruncated,
        Self::ContentOmitted,
        Self::Repetition,
        Self::ToolDenied,
        Self::UnknownHarnessEvent,
        Self::HarnessMisfit,
        Self::UncommittedChanges,
        Self::CommitsMissing,
    ];

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::ProviderLimited => "provider_limited",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderRefused => "provider_refused",
            Self::IterationFailed => "iteration_failed",
            Self::TaskRestored => "task_restored",
            Self::TaskDiscarded => "task_discarded",
            Self::SpecRestored => "spec_restored",
            Self::LearningsIgnored => "learnings_ignored",
            Self::NotesIgnored => "notes_ignored",
            Self::LeftoverProcesses => "leftover_processes",
            Self::OutputTruncated => "output_truncated",
            Self::ContentOmitted => "content_omitted",
            Self::Repetition => "repetition",
            Self::ToolDenied => "tool_denied",
            Self::UnknownHarnessEvent => "unknown_harness_event",
            Self::HarnessMisfit => "harness_misfit",
            Self::UncommittedChanges => "uncommitted_changes",
            Self::CommitsMissing => "commits_missing",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for WarningKind {
    fn from(name: String) -> Self {
        let known = Self::KNOWN.into_iter().find(|kind| kind.as_str() == name);
        known.unwrap_or(Self::Other(name))
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

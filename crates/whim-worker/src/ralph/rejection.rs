//! Why the agent's work does not count as it is: it receives a correction, and may put it right a limited number of times.

use whim_core::{BranchName, CommitHash, FailureCause};

use crate::outcome::Failure;
use crate::workspace::MAX_NAMED;

/// Why ticks do not count, or commits are not pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Files were left uncommitted when a box was ticked.
    LeftBehind { files: Vec<String> },
    /// The checked-out commit does not contain the work of earlier tasks.
    CommitsMissing {
        /// `None` on a branch without commits.
        head: Option<CommitHash>,
        expected: CommitHash,
        branch: BranchName,
    },
    /// The push was refused for what it contains.
    PushRefused {
        /// The refusal, for people and the agent.
        reason: String,
        /// Commits up to this one are on GitHub, or the base's.
        kept: CommitHash,
    },
}

impl Rejection {
    /// How often an agent may put it right in one attempt.
    pub(super) const ALLOWANCE: u32 = 2;

    /// For the agent that is started next.
    pub(super) fn correction(&self) -> String {
        match self {
            Self::LeftBehind { files } => format!(
                "Boxes were ticked, but these files are not committed:\n\n{}\n\nCommit those that belong to the task. \
                 Delete the others, or have git ignore them. Then tick the box again.",
                list(files)
            ),
            Self::CommitsMissing { expected, branch, .. } => format!(
                "The checked-out commit does not contain {expected}, which holds the work of earlier tasks. Get the branch \
                 {branch} back to a commit that contains it (`git reflog` lists where it was), bring over what was committed \
                 elsewhere, and keep every commit up to {expected} as it is."
            ),
            Self::PushRefused { reason, kept } => format!(
                "The commits could not be pushed: {reason}\n\nChange them so that this does not apply any more. It applies \
                 to every commit after {kept}, also if a later one removes what is refused: amend or combine those commits. \
                 Leave {kept} and the commits before it as they are. If the task cannot be done without what is refused, \
                 write that down as described below, and stop."
            ),
        }
    }

    /// For people, in the event log.
    pub(super) fn notice(&self) -> String {
        match self {
            Self::LeftBehind { files } => {
                format!(
                    "Ticks do not count, because files are not committed: {}",
                    files.join(", ")
                )
            }
            Self::CommitsMissing { head, expected, .. } => format!(
                "The workspace is at {}, which does not contain {expected}, the work of earlier tasks; it is not pushed",
                show(head.as_ref())
            ),
            Self::PushRefused { reason, .. } => format!("The commits could not be pushed: {reason}"),
        }
    }

    /// When the agent did not put it right.
    pub(super) fn failure(&self, iterations: u32) -> Failure {
        match self {
            Self::LeftBehind { files } => Failure::Stuck {
                reason: format!(
                    "tasks are ticked, but these files are not committed:\n\n{}",
                    list(files)
                ),
                iterations_without_progress: iterations,
            },
            Self::CommitsMissing {
                head,
                expected,
                branch,
            } => Failure::new(
                FailureCause::Crash,
                format!(
                    "the agent left the workspace at {}, which does not contain the earlier commits of {branch} up to \
                     {expected}; the next attempt resumes from the pushed branch",
                    show(head.as_ref())
                ),
            ),
            Self::PushRefused { reason, .. } => Failure::new(FailureCause::PushRefused, reason.clone()),
        }
    }
}

fn show(head: Option<&CommitHash>) -> &str {
    head.map_or("a branch without commits", CommitHash::as_str)
}

fn list(files: &[String]) -> String {
    let mut lines: Vec<_> = files.iter().map(|file| format!("- {file}")).collect();
    if files.len() >= MAX_NAMED {
        lines.push("- …".to_owned());
    }
    lines.join("\n")
}

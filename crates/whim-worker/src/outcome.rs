//! The possible outcomes of an attempt, and the exit codes of the program.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use ralph_contract::IterationStats;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::learnings::ReportedLearnings;
use whim_core::protocol::worker::{AttemptEnded, Complete, Fail, Stuck};
use whim_core::{CommitHash, FailureCause, IssueNumber};

/// Reasons are shown on the issue.
pub const MAX_REASON_CHARACTERS: usize = 8000;

/// The agent's usage in this attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Iterations that were started.
    pub iterations: u32,
    /// Sums over the completed iterations.
    pub stats: IterationStats,
}

/// The attempt ended with a pull request.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    pub url: String,
    pub number: IssueNumber,
    pub head: CommitHash,
    pub spec: String,
    /// `None` if the project has no tests that Whim can run.
    pub tests: Option<TestReport>,
}

/// The attempt ended without a pull request.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The attempt failed.
    Failed {
        /// Decides whether the work item is retried.
        cause: FailureCause,
        /// Shown on the issue.
        reason: String,
        /// Time until the reset of a rate limit, if known.
        retry_after: Option<Duration>,
        /// `None` if the tests did not run.
        tests: Option<TestReport>,
    },
    /// The agent makes no progress.
    Stuck {
        /// Shown on the issue.
        reason: String,
        /// Consecutive iterations without progress.
        iterations_without_progress: u32,
    },
}

impl Failure {
    pub fn new(cause: FailureCause, reason: impl Into<String>) -> Self {
        Self::Failed {
            cause,
            reason: reason.into(),
            retry_after: None,
            tests: None,
        }
    }

    /// A failure of this machine, not of the task or the repository: a full disk or a crash.
    pub fn of_machine(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let cause = if is_disk_full(&reason) {
            FailureCause::DiskFull
        } else {
            FailureCause::Crash
        };
        Self::new(cause, reason)
    }

    /// A package manager printed `line` because it cannot reach its registry.
    pub fn registry_unavailable(line: &str) -> Self {
        Self::new(
            FailureCause::RegistryUnavailable,
            format!("a package registry cannot be reached: {line}"),
        )
    }

    /// For people.
    pub fn reason(&self) -> &str {
        match self {
            Self::Failed { reason, .. } | Self::Stuck { reason, .. } => reason,
        }
    }

    /// Whether the repository, or the access to it, has to be changed; not an outage.
    pub fn is_about_repository(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                cause: FailureCause::WorkspaceUnusable
                    | FailureCause::PushRefused
                    | FailureCause::GitHubRefused
                    | FailureCause::RepositoryDamaged
                    | FailureCause::CloneTimedOut,
                ..
            }
        )
    }

    #[must_use]
    pub fn with_tests(self, tests: Option<TestReport>) -> Self {
        match self {
            Self::Failed {
                cause,
                reason,
                retry_after,
                ..
            } => Self::Failed {
                cause,
                reason,
                retry_after,
                tests,
            },
            stuck @ Self::Stuck { .. } => stuck,
        }
    }
}

/// Whether an error of git (with `LC_ALL=C`) or of the operating system means that the disk is full. Not for output of
/// the agent, which is untrusted.
pub fn is_disk_full(message: &str) -> bool {
    message.contains("No space left on device")
}

/// The report that ends the attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum FinalReport {
    Complete(Complete),
    Fail(Fail),
    Stuck(Stuck),
}

impl FinalReport {
    pub fn new(result: Result<Delivered, Failure>, totals: Totals, learnings: ReportedLearnings) -> Self {
        let Totals { iterations, stats } = totals;
        let stats = stats.into();
        match result {
            Ok(delivered) => Self::Complete(Complete {
                pr_url: delivered.url,
                pr_number: delivered.number,
                head_sha: delivered.head,
                spec: delivered.spec,
                tests: delivered.tests,
                iterations,
                stats,
                learnings,
            }),
            Err(Failure::Failed {
                cause,
                reason,
                retry_after,
                tests,
            }) => Self::Fail(Fail {
                cause,
                reason,
                retry_after_seconds: retry_after.map(|wait| wait.as_secs().max(1)),
                tests,
                iterations,
                stats,
                learnings,
            }),
            Err(Failure::Stuck {
                reason,
                iterations_without_progress,
            }) => Self::Stuck(Stuck {
                reason,
                iterations_without_progress,
                iterations,
                stats,
                learnings,
            }),
        }
    }
}

/// For the log: without the checklist and the numbers, which are in the events.
impl fmt::Display for FinalReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(complete) => write!(formatter, "completed, {}", complete.pr_url),
            Self::Fail(fail) => write!(formatter, "failed ({}): {}", fail.cause, fail.reason),
            Self::Stuck(stuck) => write!(formatter, "stuck: {}", stuck.reason),
        }
    }
}

/// How the program exits.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The pull request is open, and this was reported.
    Completed(AttemptEnded),
    /// The attempt failed, and this was reported.
    Failed(AttemptEnded),
    /// The agent is stuck, and this was reported.
    Stuck(AttemptEnded),
    /// The lease was lost or could not be renewed in time: the agent was terminated, and nothing was pushed or reported
    /// afterwards.
    Fenced,
    /// A signal arrived: the agent was terminated, and nothing was pushed or reported afterwards.
    Interrupted,
    /// The outcome could not be reported; the log has the error.
    Unreported,
}

impl Ending {
    /// The exit codes of `whim-worker` with their meanings, for `--help`.
    pub const EXIT_CODES: [(u8, &'static str); 7] = [
        (0, "the pull request is open, and this was reported"),
        (1, "the outcome could not be reported; the log has the error"),
        (2, "the attempt failed, and this was reported"),
        (3, "the agent is stuck, and this was reported"),
        (
            4,
            "the lease was lost or could not be renewed in time; nothing was reported",
        ),
        (5, "stopped by a signal; nothing was reported"),
        (64, "invalid settings or command line"),
    ];

    /// The meaning of [`Self::code`].
    pub fn description(&self) -> &'static str {
        let code = self.code();
        let meaning = Self::EXIT_CODES.iter().find(|(listed, _)| *listed == code);
        meaning.map_or("unknown", |(_, meaning)| meaning)
    }

    pub fn code(&self) -> u8 {
        match self {
            Self::Completed(_) => 0,
            Self::Unreported => 1,
            Self::Failed(_) => 2,
            Self::Stuck(_) => 3,
            Self::Fenced => 4,
            Self::Interrupted => 5,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_distinguished_from_a_crash() {
        let cause = |message: &str| match Failure::of_machine(message) {
            Failure::Failed { cause, .. } => Some(cause),
            Failure::Stuck { .. } => None,
        };
        let git = "making the workspace: git clone failed: fatal: write error: No space left on device";
        assert_eq!(cause(git), Some(FailureCause::DiskFull));
        let system = format!("making the workspace: {}", std::io::Error::from_raw_os_error(28));
        assert_eq!(cause(&system), Some(FailureCause::DiskFull));
        assert_eq!(cause("git clone failed"), Some(FailureCause::Crash));
    }
}

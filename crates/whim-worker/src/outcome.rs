//! Every way in which an attempt can end.

use std::process::ExitCode;
use std::time::Duration;

use whim_core::protocol::worker::{AttemptEnded, Complete, Fail, Stuck, TestReport};
use whim_core::{CommitHash, FailureCause, IssueNumber};

use crate::report::Totals;

/// Reasons are shown on the issue: nobody reads more.
pub const MAX_REASON_CHARACTERS: usize = 8000;

/// The attempt came to its end with a pull request.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// The pull request's page.
    pub url: String,
    /// The pull request's number.
    pub number: IssueNumber,
    /// The head that was delivered.
    pub head: CommitHash,
    /// The checklist as it ended.
    pub spec: String,
    /// What the tests said; `None` when the project has none that Whim knows how to run.
    pub tests: Option<TestReport>,
}

/// The attempt came to its end without a pull request.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// For this cause.
    Failed {
        /// For a program: decides whether there is another attempt.
        cause: FailureCause,
        /// For a person; shown on the issue.
        reason: String,
        /// When the cause is a limit that ends at a known time: how long from now.
        retry_after: Option<Duration>,
        /// What the tests said, when they ran.
        tests: Option<TestReport>,
    },
    /// The agent makes no progress.
    Stuck {
        /// For a person; shown on the issue.
        reason: String,
        /// How many iterations in a row changed nothing.
        iterations_without_progress: u32,
    },
}

impl Failure {
    /// A failure that needs no more than a cause and a reason.
    pub fn new(cause: FailureCause, reason: impl Into<String>) -> Self {
        Self::Failed {
            cause,
            reason: reason.into(),
            retry_after: None,
            tests: None,
        }
    }

    /// What failed on this machine, not for the task's or the repository's sake.
    pub fn of_machine(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let cause = if is_disk_full(&reason) {
            FailureCause::DiskFull
        } else {
            FailureCause::Crash
        };
        Self::new(cause, reason)
    }

    /// The same failure, after the tests ran.
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

/// Whether this machine's own words say that nothing more can be written: git's, in the language `C`, and the system's.
/// Never to be asked of words of an agent, which may say anything.
pub fn is_disk_full(words: &str) -> bool {
    words.contains("No space left on device")
}

/// What the worker tells last, and once.
#[derive(Clone, Debug, PartialEq)]
pub enum FinalReport {
    /// `complete`.
    Complete(Complete),
    /// `fail`.
    Fail(Fail),
    /// `stuck`.
    Stuck(Stuck),
}

impl FinalReport {
    /// The report of how the attempt went.
    pub fn new(result: Result<Delivered, Failure>, totals: Totals) -> Self {
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
            }),
            Err(Failure::Stuck {
                reason,
                iterations_without_progress,
            }) => Self::Stuck(Stuck {
                reason,
                iterations_without_progress,
                iterations,
                stats,
            }),
        }
    }
}

/// How the program ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The pull request is open, and the orchestrator knows.
    Completed(AttemptEnded),
    /// The attempt failed, and the orchestrator knows.
    Failed(AttemptEnded),
    /// The agent makes no progress, and the orchestrator knows.
    Stuck(AttemptEnded),
    /// The item was taken away, or the orchestrator was out of reach for too long: the agent was ended, and nothing was
    /// pushed or reported any more.
    Fenced,
    /// A signal: the agent was ended, and nothing was pushed or reported any more.
    Interrupted,
    /// The orchestrator does not accept what the worker tells it; the log says what.
    Unreported,
}

impl Ending {
    /// The exit codes of `whim-worker`. 64 ([`whim_service::program::EXIT_USAGE`]) is a wrong setting or command line.
    pub const EXIT_CODES: [(u8, &'static str); 7] = [
        (0, "the pull request is open, and the orchestrator knows"),
        (
            1,
            "something went wrong that could not be reported; the log says what",
        ),
        (2, "the attempt failed, and the orchestrator knows"),
        (3, "the agent makes no progress, and the orchestrator knows"),
        (
            4,
            "the item was taken away, or the orchestrator was out of reach for too long: nothing was reported",
        ),
        (5, "interrupted by a signal: nothing was reported"),
        (64, "a wrong setting or command line"),
    ];

    /// The exit code of the program.
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
    fn a_full_disk_is_told_from_a_crash() {
        let cause = |words: &str| match Failure::of_machine(words) {
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

//! The failure of a git command.

use std::time::Duration;

use whim_service::process::RunError;

/// Limit on the output of a git command that is read as a whole, in bytes.
pub(super) const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("running git {command}")]
    Run {
        /// The subcommand.
        command: String,
        source: RunError,
    },
    #[error("git {command} timed out after {} s", .timeout.as_secs())]
    TimedOut {
        /// The subcommand.
        command: String,
        timeout: Duration,
    },
    #[error("git {command} failed: {message}")]
    Failed {
        /// The subcommand.
        command: String,
        exit_code: Option<i32>,
        /// Its output, with secrets masked.
        message: String,
    },
    #[error("git {command} printed more than {OUTPUT_LIMIT} bytes")]
    Output {
        /// The subcommand.
        command: String,
    },
}

//! Why a process stopped, and how.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::signal::EndSignal;

/// Why a process stops.
#[derive(Clone, Debug)]
pub enum StopReason {
    /// The program itself came to its end.
    Requested,
    /// Somebody sent a signal.
    Signal(EndSignal),
    /// A critical task ended although nothing had asked it to.
    TaskEnded {
        /// Name of the task.
        task: &'static str,
    },
    /// A critical task failed.
    TaskFailed {
        /// Name of the task.
        task: &'static str,
        /// What it failed with.
        error: Arc<anyhow::Error>,
    },
    /// A critical task panicked; the panic itself is in the log.
    TaskPanicked {
        /// Name of the task.
        task: &'static str,
    },
}

impl StopReason {
    /// Whether the process was asked to stop, as opposed to being unable to go on.
    pub fn is_orderly(&self) -> bool {
        match self {
            Self::Requested | Self::Signal(_) => true,
            Self::TaskEnded { .. } | Self::TaskFailed { .. } | Self::TaskPanicked { .. } => false,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => write!(formatter, "the program asked for it"),
            Self::Signal(signal) => write!(formatter, "{signal}"),
            Self::TaskEnded { task } => write!(formatter, "the task {task} ended"),
            Self::TaskFailed { task, error } => write!(formatter, "the task {task} failed: {error:#}"),
            Self::TaskPanicked { task } => write!(formatter, "the task {task} panicked"),
        }
    }
}

/// How a process stopped.
#[derive(Clone, Debug)]
pub struct StopReport {
    /// Why.
    pub reason: StopReason,
    /// Names of the tasks that did not end within the deadline and were aborted.
    pub unfinished: Vec<&'static str>,
    /// How long the stop took.
    pub elapsed: Duration,
}

impl StopReport {
    /// For the exit code of the process.
    ///
    /// # Errors
    /// A critical task ended the process, or tasks had to be aborted.
    pub fn into_result(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.reason.is_orderly(), "{}", self.reason);
        anyhow::ensure!(
            self.unfinished.is_empty(),
            "tasks had to be aborted: {}",
            self.unfinished.join(", ")
        );
        Ok(())
    }
}

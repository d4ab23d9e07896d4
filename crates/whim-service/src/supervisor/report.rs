//! Why and how a process stopped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::signal::EndSignal;

#[derive(Clone, Debug)]
pub enum StopReason {
    /// By the program itself.
    Requested,
    Signal(EndSignal),
    /// A critical task ended without a request to stop.
    TaskEnded {
        task: &'static str,
    },
    /// A critical task failed.
    TaskFailed {
        task: &'static str,
        error: Arc<anyhow::Error>,
    },
    /// A critical task panicked. The panic is in the log.
    TaskPanicked {
        task: &'static str,
    },
}

impl StopReason {
    /// Whether the process was asked to stop, and did not stop because of a failure.
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
            Self::Requested => write!(formatter, "the program finished"),
            Self::Signal(signal) => write!(formatter, "{signal}"),
            Self::TaskEnded { task } => write!(formatter, "the task {task} ended"),
            Self::TaskFailed { task, error } => write!(formatter, "the task {task} failed: {error:#}"),
            Self::TaskPanicked { task } => write!(formatter, "the task {task} panicked"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct StopReport {
    pub reason: StopReason,
    /// Names of tasks that did not stop within the deadline and were aborted.
    pub unfinished: Vec<&'static str>,
    /// Duration of the stop.
    pub elapsed: Duration,
}

impl StopReport {
    /// Success if the stop was orderly and complete.
    ///
    /// # Errors
    /// A critical task failed, or tasks were aborted.
    pub fn into_result(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.reason.is_orderly(), "{}", self.reason);
        anyhow::ensure!(
            self.unfinished.is_empty(),
            "tasks were aborted: {}",
            self.unfinished.join(", ")
        );
        Ok(())
    }
}

//! How a worker ended, as the runtime observed it.

use std::fmt;

use serde::{Deserialize, Serialize};
use whim_core::FailureCause;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// How the worker's own process ended.
    pub how: ExitKind,
    /// Whether the runtime had requested the stop. Then `how` says nothing about the worker (`FAULTS.md`, row 12).
    pub stopped: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExitKind {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It exceeded its memory limit.
    OutOfMemory,
    /// The container engine or the machine was stopped.
    RuntimeStopped,
    /// The end was not observed.
    Unknown,
}

impl Exit {
    /// The failure cause of an attempt that reported none itself.
    pub fn cause(self) -> FailureCause {
        match self.how {
            ExitKind::OutOfMemory if !self.stopped => FailureCause::OutOfMemory,
            ExitKind::RuntimeStopped => FailureCause::RuntimeUnavailable,
            ExitKind::OutOfMemory | ExitKind::Code(_) | ExitKind::Signal(_) | ExitKind::Unknown => {
                FailureCause::Crash
            }
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = if self.stopped {
            " after a stop was requested"
        } else {
            ""
        };
        match self.how {
            ExitKind::Code(code) => write!(formatter, "the worker exited with code {code}{stopped}"),
            ExitKind::Signal(signal) => write!(formatter, "the worker was ended by signal {signal}{stopped}"),
            ExitKind::OutOfMemory => write!(formatter, "the worker ran out of memory{stopped}"),
            ExitKind::RuntimeStopped => {
                write!(
                    formatter,
                    "the container engine or the machine was stopped{stopped}"
                )
            }
            ExitKind::Unknown => write!(formatter, "the worker is gone{stopped}"),
        }
    }
}

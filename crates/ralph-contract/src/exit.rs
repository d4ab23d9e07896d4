//! The exit codes of `ralph`.

use std::process;

/// The exit codes of `ralph`. There are no others; usage errors are [`ExitCode::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Every task is done (`ralph validate`: no violations; `ralph spec`: a valid SPEC.md was written).
    Complete = 0,
    /// Too many iterations in a row without a ticked box or a commit, or the agent reported that it cannot continue.
    Stuck = 1,
    /// The maximum number of iterations was reached with tasks still open.
    IterationsUsedUp = 2,
    /// Any other error: no SPEC.md, no harness, interrupted, wrong usage.
    Error = 3,
}

/// Not an exit code of `ralph`: the program was killed, or it is not `ralph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an exit code of ralph (0 complete, 1 stuck, 2 iterations used up, 3 error)")]
pub struct UnknownExitCode(pub i32);

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code as Self
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(u8::from(code))
    }
}

impl TryFrom<i32> for ExitCode {
    type Error = UnknownExitCode;

    fn try_from(code: i32) -> Result<Self, UnknownExitCode> {
        match code {
            0 => Ok(Self::Complete),
            1 => Ok(Self::Stuck),
            2 => Ok(Self::IterationsUsedUp),
            3 => Ok(Self::Error),
            other => Err(UnknownExitCode(other)),
        }
    }
}

//! How a container ended.

use bollard::models::ContainerState;
use chrono::{DateTime, Utc};

use crate::exit::{Exit, ExitKind};

/// Exit code of the worker image's entry point when memory ran out.
const OUT_OF_MEMORY: i64 = 70;
/// A shell, and so a container, that ended by a signal exits with this plus the signal's number.
const BY_SIGNAL: i64 = 128;

/// A container that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) at: DateTime<Utc>,
}

/// How a container ended. The engine marks only some of those that ran out of memory; an event or the entry point's
/// exit code counts as well.
pub(super) fn exit_kind(state: &ContainerState, event: bool) -> ExitKind {
    let code = state.exit_code.unwrap_or_default();
    let marked = event || state.oom_killed == Some(true);
    match code {
        OUT_OF_MEMORY => ExitKind::OutOfMemory,
        code if code > BY_SIGNAL && marked => ExitKind::OutOfMemory,
        code if (BY_SIGNAL + 1..=BY_SIGNAL + 64).contains(&code) => {
            i32::try_from(code - BY_SIGNAL).map_or(ExitKind::Unknown, ExitKind::Signal)
        }
        code => i32::try_from(code).map_or(ExitKind::Unknown, ExitKind::Code),
    }
}

/// When it ended; now, when the engine does not know.
pub(super) fn ended_at(state: &ContainerState) -> DateTime<Utc> {
    state
        .finished_at
        .as_deref()
        .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
        .map_or_else(Utc::now, |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_memory_is_distinguished_from_a_kill() {
        let kind = |code, marked, event| {
            let state = ContainerState {
                exit_code: Some(code),
                oom_killed: Some(marked),
                ..ContainerState::default()
            };
            exit_kind(&state, event)
        };
        assert_eq!(kind(137, false, false), ExitKind::Signal(9));
        assert_eq!(kind(137, true, false), ExitKind::OutOfMemory);
        assert_eq!(kind(137, false, true), ExitKind::OutOfMemory);
        assert_eq!(kind(70, false, false), ExitKind::OutOfMemory);
        // Something in it ran out of memory, and the worker went on to its own end.
        assert_eq!(kind(0, true, true), ExitKind::Code(0));
        assert_eq!(kind(2, true, true), ExitKind::Code(2));
    }
}

//! Descendants of an agent that are still running after its exit.

use std::io;
use std::time::Duration;

use process_tree::{Deadlines, ProcessIdentity, Subreaper};

/// How long descendants may take to exit after the agent did, before they count as left running.
const SETTLE: Duration = Duration::from_millis(250);
/// How long descendants may take to exit after SIGTERM, at most.
const DESCENDANT_GRACE: Duration = Duration::from_secs(1);
/// How long SIGKILL may take. A process that survives it hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);
const KILL_NOW: Deadlines = Deadlines {
    interrupt: Duration::ZERO,
    terminate: Duration::ZERO,
    kill: KILL_LIMIT,
};
/// Processes that were still running after their agent had exited.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftRunning {
    /// Names of their programs.
    pub(crate) names: Vec<String>,
    /// Of these, the ones that survived SIGKILL.
    pub(crate) unkillable: Vec<String>,
}

/// Terminates the descendants of an agent that has exited, with at most `signal_grace` between SIGTERM and SIGKILL.
pub(crate) async fn terminate(subreaper: &Subreaper, signal_grace: Duration) -> io::Result<LeftRunning> {
    let alive = subreaper.wait_for_exit(SETTLE).await?;
    if alive.is_empty() {
        return Ok(LeftRunning::default());
    }
    let names = names_of(&alive);
    let deadlines = Deadlines {
        terminate: signal_grace.min(DESCENDANT_GRACE),
        ..KILL_NOW
    };
    let termination = subreaper.terminate(deadlines).await?;
    Ok(LeftRunning {
        names,
        unkillable: names_of(&termination.survivors),
    })
}

/// Kills the descendants of an agent without a signal before.
pub(crate) async fn kill(subreaper: &Subreaper) -> io::Result<()> {
    subreaper.terminate(KILL_NOW).await.map(drop)
}

/// Without those of processes that have exited since they were listed.
fn names_of(processes: &[ProcessIdentity]) -> Vec<String> {
    processes
        .iter()
        .filter_map(|process| process.name().ok().flatten())
        .collect()
}

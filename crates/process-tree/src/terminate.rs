//! Termination of a set of processes: INT, TERM, KILL, each with a deadline.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::identity::ProcessIdentity;
use crate::table::find_by_environment;

/// The kernel has no event for "the last descendant ended".
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long each signal gets before the next one. Zero skips a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// After INT.
    pub interrupt: Duration,
    /// After TERM.
    pub terminate: Duration,
    /// After KILL. A process that survives it hangs in the kernel.
    pub kill: Duration,
}

impl Deadlines {
    /// 5 s for each signal.
    pub const GRACEFUL: Self = Self {
        interrupt: Duration::from_secs(5),
        terminate: Duration::from_secs(5),
        kill: Duration::from_secs(5),
    };

    /// KILL without a signal before it.
    pub const IMMEDIATE: Self = Self {
        interrupt: Duration::ZERO,
        terminate: Duration::ZERO,
        kill: Duration::from_secs(5),
    };

    fn steps(self) -> impl Iterator<Item = (Signal, Duration)> {
        [
            (Signal::INT, self.interrupt),
            (Signal::TERM, self.terminate),
            (Signal::KILL, self.kill),
        ]
        .into_iter()
        .filter(|(_signal, limit)| !limit.is_zero())
    }
}

/// How a set of processes was terminated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    /// The last signal that was sent; `None` if no process was alive.
    pub last_signal: Option<Signal>,
    /// Processes that are alive in spite of KILL.
    pub survivors: Vec<ProcessIdentity>,
}

/// One reading of a set of processes.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) living: Vec<ProcessIdentity>,
    /// Whether the reading may have missed some.
    pub(crate) is_uncertain: bool,
}

impl From<Vec<ProcessIdentity>> for Members {
    fn from(living: Vec<ProcessIdentity>) -> Self {
        Self {
            living,
            is_uncertain: false,
        }
    }
}

/// Terminates every process that carries `name=value` in its environment; for processes that an earlier run of this
/// program started. Returns those that are alive in spite of KILL.
///
/// # Errors
/// `/proc` cannot be read.
pub async fn terminate_marked(
    name: &str,
    value: &str,
    deadlines: Deadlines,
) -> io::Result<Vec<ProcessIdentity>> {
    let members = || find_by_environment(name, value).map(Members::from);
    Ok(terminate(deadlines, members).await?.survivors)
}

pub(crate) async fn terminate(
    deadlines: Deadlines,
    mut members: impl FnMut() -> io::Result<Members>,
) -> io::Result<Termination> {
    let mut last_signal = None;
    for (signal, limit) in deadlines.steps() {
        let step = wait_for_exit(limit, Some(signal), &mut members).await?;
        if step.has_signalled {
            last_signal = Some(signal);
        }
        if step.living.is_empty() {
            return Ok(Termination {
                last_signal,
                survivors: Vec::new(),
            });
        }
    }
    Ok(Termination {
        last_signal,
        survivors: members()?.living,
    })
}

/// What [`wait_for_exit`] came to.
#[derive(Debug)]
pub(crate) struct Step {
    /// The processes that are alive after the limit.
    pub(crate) living: Vec<ProcessIdentity>,
    has_signalled: bool,
}

/// Waits until no member is alive, at most for `limit`. Sends `signal` once to each member, those born in the meantime
/// included: to many programs a second INT means to skip their cleanup.
pub(crate) async fn wait_for_exit(
    limit: Duration,
    signal: Option<Signal>,
    members: &mut impl FnMut() -> io::Result<Members>,
) -> io::Result<Step> {
    let deadline = Instant::now() + limit;
    let mut signalled = BTreeSet::new();
    loop {
        let Members { living, is_uncertain } = members()?;
        if (living.is_empty() && !is_uncertain) || Instant::now() >= deadline {
            return Ok(Step {
                living,
                has_signalled: !signalled.is_empty(),
            });
        }
        if let Some(signal) = signal {
            for member in living {
                if signalled.insert(member) {
                    send(member, signal);
                }
            }
        }
        sleep(POLL_INTERVAL).await;
    }
}

fn send(member: ProcessIdentity, signal: Signal) {
    let sent = member.signal(signal).and_then(|_sent| {
        if signal == Signal::KILL {
            Ok(true)
        } else {
            // A stopped process would receive the signal only when it is continued.
            member.signal(Signal::CONT)
        }
    });
    if let Err(error) = sent {
        tracing::warn!(pid = member.pid, ?signal, %error, "cannot signal a process");
    }
}

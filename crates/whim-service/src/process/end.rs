//! Ending a tree of processes: ask, insist, kill.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::identity::ProcessIdentity;
use super::table::find_by_environment;
use super::tree::Tree;

/// Between two looks at the process table. There is no event for "the last descendant ended".
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long each signal gets before the next, harder one. Zero leaves a signal out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// After INT.
    pub interrupt: Duration,
    /// After TERM.
    pub terminate: Duration,
    /// After KILL, which is repeated: what still lives then hangs in the kernel.
    pub kill: Duration,
}

impl Deadlines {
    /// 5 s to wind up, 5 s to stop, 5 s for the kernel.
    pub const PATIENT: Self = Self {
        interrupt: Duration::from_secs(5),
        terminate: Duration::from_secs(5),
        kill: Duration::from_secs(5),
    };

    /// Killed at once.
    pub const AT_ONCE: Self = Self {
        interrupt: Duration::ZERO,
        terminate: Duration::ZERO,
        kill: Duration::from_secs(5),
    };

    fn steps(self) -> [(Signal, Duration); 3] {
        [
            (Signal::INT, self.interrupt),
            (Signal::TERM, self.terminate),
            (Signal::KILL, self.kill),
        ]
    }
}

/// How a child and its descendants ended.
#[derive(Debug)]
pub struct Ended {
    /// The child's own exit status; `None` when even KILL did not end it in time.
    pub status: Option<ExitStatus>,
    /// The hardest signal that was sent; `None` when all had ended by themselves.
    pub last_signal: Option<Signal>,
    /// What lives in spite of KILL.
    pub survivors: Vec<ProcessIdentity>,
}

pub(super) async fn end_tree(
    root: &mut tokio::process::Child,
    tree: &mut Tree,
    deadlines: Deadlines,
) -> io::Result<(Option<Signal>, Vec<ProcessIdentity>)> {
    // tokio reaps the child as soon as it ends, so that it is no zombie that others wait for.
    end_members(deadlines, || {
        root.try_wait()?;
        tree.members()
    })
    .await
}

/// Ends every process that carries `name=value` in its environment, and what lies below those; for processes that an
/// earlier run of this program started. Returns what lives in spite of KILL.
///
/// # Errors
/// `/proc` cannot be read.
pub async fn end_marked(name: &str, value: &str, deadlines: Deadlines) -> io::Result<Vec<ProcessIdentity>> {
    let (_last_signal, survivors) = end_members(deadlines, || find_by_environment(name, value)).await?;
    Ok(survivors)
}

async fn end_members(
    deadlines: Deadlines,
    mut members: impl FnMut() -> io::Result<Vec<ProcessIdentity>>,
) -> io::Result<(Option<Signal>, Vec<ProcessIdentity>)> {
    let mut last_signal = None;
    for (signal, patience) in deadlines.steps() {
        if patience.is_zero() {
            continue;
        }
        let deadline = Instant::now() + patience;
        let mut signalled = Vec::new();
        loop {
            let living = members()?;
            if living.is_empty() {
                return Ok((last_signal, Vec::new()));
            }
            if Instant::now() >= deadline {
                break;
            }
            // Those that were born meanwhile get the signal too; nobody gets it twice, because to many programs a
            // second INT means "drop everything".
            for member in living {
                if !signalled.contains(&member) {
                    send(member, signal);
                    signalled.push(member);
                    last_signal = Some(signal);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok((last_signal, members()?))
}

fn send(member: ProcessIdentity, signal: Signal) {
    // A stopped process would keep the signal for later; KILL works without.
    let wake = if signal == Signal::KILL {
        Ok(true)
    } else {
        member.signal(Signal::CONT)
    };
    if let Err(error) = member.signal(signal).and(wake) {
        tracing::warn!(pid = member.pid, ?signal, %error, "cannot signal a process");
    }
}

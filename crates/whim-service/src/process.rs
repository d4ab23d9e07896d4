//! Child processes that leave nothing behind.
//!
//! A child gets a group of its own, an environment of exactly what is named, and no standard input. Ending it is INT,
//! TERM, KILL with deadlines, to **every descendant**: a process group is not enough, because coding agents and test
//! runners give their shells sessions of their own. Signals go through pid file descriptors that were checked against
//! the start time, so that a recycled pid is never hit.
//!
//! Linux only: it reads `/proc`.

mod bounded;
mod end;
mod identity;
mod spawn;
mod table;
mod tree;

use std::io;

pub use self::bounded::{Captured, Ending, Finished, RunError, run_bounded};
pub use self::end::{Deadlines, Ended, end_marked};
pub use self::identity::ProcessIdentity;
pub use self::spawn::{Child, CommandSpec, Orphans, SpawnError};
pub use self::table::{descendants, find_by_environment};
pub use rustix::process::Signal;

/// Makes this process the one that inherits the orphans among its descendants, instead of process 1.
///
/// Without it, [`Orphans::Adopted`] has nothing to see: an orphan that changed its session and cleared its environment
/// cannot be told from a stranger's process.
///
/// # Errors
/// The kernel refused.
pub fn become_subreaper() -> io::Result<()> {
    // Any process id switches the attribute on; it always concerns the calling process.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

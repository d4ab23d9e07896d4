//! Child processes with a cleared environment, limits, and no descendants left behind.
//!
//! A child gets a process group of its own, an environment of exactly the named variables, and no standard input.
//! [`process_tree`] finds and terminates its descendants; the types of its interface are re-exported here.

mod bounded;
mod spawn;

pub use process_tree::{
    Deadlines, Orphans, ProcessIdentity, Signal, become_subreaper, descendants, find_by_environment,
    terminate_marked,
};

pub use self::bounded::{Captured, Ending, Finished, RunError, run_bounded};
pub use self::spawn::{Child, CommandSpec, SpawnError, Terminated};

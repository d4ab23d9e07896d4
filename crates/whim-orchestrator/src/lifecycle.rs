//! The worker protocol: the effect of each call of a worker, from registration to its final report.
//!
//! Every transition is one transaction. It locks the item first and the worker second, and its statements are guarded
//! by the lease epoch and the states that they may come from: a late caller changes nothing.

mod after_end;
mod attempt;
mod complete;
mod end_attempt;
mod file_locks;
mod heartbeat;
mod heartbeat_batch;
mod heartbeat_queue;
mod kill;
mod model_limit;
mod next_attempt;
mod notes;
mod preflight;
mod progress;
mod register;
mod review;
mod usage;

pub(crate) use self::after_end::worker_ended;
pub use self::attempt::Caller;
pub use self::complete::{complete, fail, stuck};
pub use self::end_attempt::{Transition, end_attempt};
pub use self::file_locks::{lock, restore as restore_locks, unlock};
pub use self::heartbeat::heartbeat;
pub use self::heartbeat_batch::run as write_heartbeats;
pub use self::heartbeat_queue::Heartbeats;
pub use self::kill::kill;
pub(crate) use self::kill::kill_worker_of;
pub use self::model_limit::model_limit;
pub use self::next_attempt::{AttemptEnd, EndedBy};
pub use self::notes::notes;
pub use self::preflight::preflight;
pub use self::register::register;
pub use self::review::{ReviewReport, review};

//! The life of a worker, from its registration to its end: what each call of the worker protocol means.
//!
//! Every transition is one transaction with all that it implies. It locks the item first and the worker second, and
//! its statements carry the epoch and the states that they may come from: whoever is late changes nothing.

mod complete;
pub mod end_attempt;
mod file_locks;
mod heartbeat;
mod heartbeat_batch;
mod progress;
mod register;
mod review;

pub use self::complete::{complete, fail, stuck};
pub use self::end_attempt::{AttemptEnd, EndedBy, Transition, end_attempt, kill};
pub use self::file_locks::{lock, rebuild as rebuild_locks, unlock};
pub use self::heartbeat::heartbeat;
pub use self::heartbeat_batch::{Heartbeats, run as write_heartbeats};
pub use self::register::register;
pub use self::review::{Reported, review};

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::{LeaseEpoch, RepoName, WorkItemStatus, WorkerId, WorkerStatus};

use crate::db::{work_items, workers};
use crate::error::Error;

/// Who calls: a worker that proved itself with its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The worker.
    pub id: WorkerId,
    /// Its epoch: everything that it asks for is bound to it.
    pub lease_epoch: LeaseEpoch,
    /// The repository that it works on, whatever its requests say (`ATTACKS.md`, row 24).
    pub repo: RepoName,
    /// How many iterations it may use.
    pub max_iterations: u32,
}

impl Caller {
    /// The answer to a worker whose item was found to be taken away.
    fn lease_lost(&self) -> Error {
        Error::LeaseLost {
            worker: self.id,
            now: None,
        }
    }
}

/// A worker and its item, both locked.
#[derive(Clone, Debug)]
struct Attempt {
    item: work_items::Locked,
    worker: workers::Locked,
}

impl Attempt {
    /// Locks the item, then the worker; `None` when there is no such worker.
    async fn lock(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<Self>> {
        let Some(item) = work_items::lock_of_worker(&mut *db, worker).await? else {
            return Ok(None);
        };
        let worker = workers::lock(db, worker).await?;
        Ok(worker.map(|worker| Self { item, worker }))
    }

    /// Whether the item still is this worker's.
    fn has_item(&self) -> bool {
        let in_hand = matches!(
            self.item.status,
            WorkItemStatus::Assigned | WorkItemStatus::InProgress
        );
        let the_same =
            self.item.worker_id == Some(self.worker.id) && self.item.lease_epoch == self.worker.lease_epoch;
        in_hand && the_same && !self.worker.status.is_terminal()
    }

    /// The answer to a worker that has its item no more.
    fn lease_lost(&self) -> Error {
        Error::LeaseLost {
            worker: self.worker.id,
            now: Some(self.item.status),
        }
    }

    /// Passes a worker that is running and has its item.
    fn require_running(&self, asked: &'static str) -> Result<(), Error> {
        if !self.has_item() {
            return Err(self.lease_lost());
        }
        if self.worker.status != WorkerStatus::Running {
            return Err(Error::WorkerState {
                now: self.worker.status,
                asked,
            });
        }
        Ok(())
    }
}

/// A lease as workers are told it: rounded down, so that nobody counts on more than there is.
fn whole_seconds(lease: Duration) -> u64 {
    lease.as_secs().max(1)
}

/// The longest reason that is kept, in bytes; what an agent writes more is cut.
const MAX_REASON_BYTES: usize = 16 * 1024;

/// A reason as it is kept: an agent notify_changed it, so anything may be in it.
fn kept_reason(reason: &str) -> String {
    let mut kept = crate::db::storable(reason.trim()).into_owned();
    if kept.len() > MAX_REASON_BYTES {
        kept.truncate(kept.floor_char_boundary(MAX_REASON_BYTES));
        kept.push('…');
    }
    if kept.is_empty() {
        kept.push_str("No reason was given.");
    }
    kept
}

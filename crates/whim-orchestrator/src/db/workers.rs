//! Workers: one row for each attempt at an item.

mod queries;
mod transitions;
mod view;

pub use self::queries::{
    AwaitingStop, Expired, LiveWorker, Locked, Overdue, TokenOwner, attempt_number, awaiting_stop, by_token,
    count_live, count_live_by_status, expired, has_lease, live, lock, since_last_start,
};
pub use self::transitions::{End, end, mark_stopped, register, set_handle};
pub use self::view::{find, list};

use serde::{Deserialize, Serialize};
use whim_core::protocol::worker::AttemptEnded;

/// Which report ended a worker, and what was answered: the same report gets the same answer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinalResponse {
    /// The report.
    pub report: FinalReport,
    /// The answer.
    pub answer: AttemptEnded,
}

/// The reports by which a worker ends itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalReport {
    /// `POST /api/worker/:id/complete`.
    Complete,
    /// `POST /api/worker/:id/fail`.
    Fail,
    /// `POST /api/worker/:id/stuck`.
    Stuck,
}

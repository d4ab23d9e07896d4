//! The report that ended a worker.

use serde::{Deserialize, Serialize};
use whim_core::protocol::worker::AttemptEnded;

/// The report that ended a worker and the response to it: the same report again gets the same response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinalResponse {
    pub report: FinalReport,
    pub answer: AttemptEnded,
}

/// A report that ends a worker.
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

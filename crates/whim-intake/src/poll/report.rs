//! What a poll did.

use serde::Serialize;

use crate::labels::LabelState;

#[derive(Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PollReport {
    /// GitHub has no such repository.
    pub(crate) missing: bool,
    /// Ended early by GitHub's rate limit.
    pub(crate) rate_limited: bool,
    pub(crate) candidates: usize,
    pub(crate) processing: usize,
    pub(crate) finished: usize,
    pub(crate) submitted: usize,
    pub(crate) requeued: usize,
    /// Requests that started no run.
    pub(crate) refused: usize,
    pub(crate) cancelled: usize,
    pub(crate) reflected: usize,
    pub(crate) failed: usize,
}

impl PollReport {
    pub(super) fn count(&mut self, state: LabelState) {
        match state {
            LabelState::Candidate => self.candidates += 1,
            LabelState::Processing => self.processing += 1,
            LabelState::Finished => self.finished += 1,
            LabelState::Refused | LabelState::Ignored => {}
        }
    }
}

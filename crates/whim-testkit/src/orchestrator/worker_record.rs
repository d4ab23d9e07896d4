//! The stored state of a worker.

use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::reviews::Review;
use whim_core::protocol::transcript::TranscriptEntry;
use whim_core::protocol::worker::{AttemptEnded, Complete, Fail, Heartbeat, LockFiles, Registered, Stuck};

/// The report with which a worker ends its attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum FinalReport {
    Complete(Complete),
    Fail(Fail),
    Stuck(Stuck),
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) token: String,
    /// The response to `register`.
    pub(super) registered: Registered,
    pub(super) nonce: Option<String>,
    pub(super) last_seq: Option<u64>,
    /// Heartbeats that carried something new.
    pub(super) heartbeats: Vec<Heartbeat>,
    pub(super) lock_requests: Vec<LockFiles>,
    pub(super) transcript: Vec<TranscriptEntry>,
    pub(super) diffs: Vec<ReportDiff>,
    pub(super) preflight: Option<ReportPreflight>,
    pub(super) reviews: Vec<Review>,
    /// The final report as often as it was sent.
    pub(super) final_reports: Vec<FinalReport>,
    pub(super) final_response: Option<AttemptEnded>,
}

impl Worker {
    pub(super) fn new(registered: Registered, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            registered,
            nonce: None,
            last_seq: None,
            heartbeats: Vec::new(),
            lock_requests: Vec::new(),
            transcript: Vec::new(),
            diffs: Vec::new(),
            preflight: None,
            reviews: Vec::new(),
            final_reports: Vec::new(),
            final_response: None,
        }
    }
}

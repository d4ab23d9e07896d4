//! Controls of a test for workers.

use axum::http::Method;
use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::events::WorkerEventBody;
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::reviews::Review;
use whim_core::protocol::transcript::TranscriptEntry;
use whim_core::protocol::work::CreateWork;
use whim_core::protocol::worker::{Heartbeat, LockConflict, LockFiles, Registered};
use whim_core::{BranchName, LeaseEpoch, RelativePath, WorkItemId, WorkItemStatus, WorkerId};

use super::api_error::ApiError;
use super::handle::Orchestrator;
use super::item_controls::allowed;
use super::state::State;
use super::worker_record::{FinalReport, Worker};

impl Orchestrator {
    /// Starts an attempt: the worker with this token gets `registered` when it registers, with the next lease epoch.
    /// The item is created if there is none; an earlier attempt at it loses its lease.
    ///
    /// # Panics
    /// The orchestrator would refuse the item.
    #[track_caller]
    pub fn assign(&self, registered: Registered, token: &str) {
        let mut state = self.shared.write();
        let assigned = assign(&mut state, registered, token);
        drop(state);
        allowed(assigned);
    }

    /// The assignment of the latest attempt.
    ///
    /// # Panics
    /// There is no attempt.
    #[must_use]
    #[track_caller]
    pub fn assignment(&self) -> Registered {
        let assignment = self
            .shared
            .read()
            .workers
            .last()
            .map(|worker| worker.registered.clone());
        match assignment {
            Some(assignment) => assignment,
            None => panic!("no worker has an assignment"),
        }
    }

    /// The number of received heartbeats, refused ones included.
    #[must_use]
    pub fn heartbeat_count(&self) -> usize {
        self.count_requests(&Method::POST, "/api/worker/{id}/heartbeat")
    }

    /// The heartbeats of all attempts that carried something new.
    #[must_use]
    pub fn heartbeats(&self) -> Vec<Heartbeat> {
        let state = self.shared.read();
        let heartbeats = state.workers.iter().flat_map(|worker| &worker.heartbeats);
        heartbeats.cloned().collect()
    }

    /// The events of all heartbeats.
    #[must_use]
    pub fn worker_events(&self) -> Vec<WorkerEventBody> {
        let events = self.heartbeats().into_iter().flat_map(|it| it.events);
        events.map(|event| event.body).collect()
    }

    /// The names of `ralph`'s events.
    #[must_use]
    pub fn ralph_events(&self) -> Vec<String> {
        let name_of = |event| {
            if let WorkerEventBody::Ralph { event } = event {
                Some(event.name().to_owned())
            } else {
                None
            }
        };
        self.worker_events().into_iter().filter_map(name_of).collect()
    }

    /// The messages of the worker's own notices.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let message_of = |event| {
            if let WorkerEventBody::Notice { message } = event {
                Some(message)
            } else {
                None
            }
        };
        self.worker_events().into_iter().filter_map(message_of).collect()
    }

    /// The latest spec, with the pushed head that belongs to it.
    #[must_use]
    pub fn checkpoint(&self) -> Option<(String, String)> {
        let mut heartbeats = self.heartbeats().into_iter().rev();
        heartbeats.find_map(|heartbeat| Some((heartbeat.spec?, heartbeat.head_sha?.to_string())))
    }

    /// The final report of the latest attempt, as often as it was sent.
    #[must_use]
    pub fn final_reports(&self) -> Vec<FinalReport> {
        let state = self.shared.read();
        let latest = state.workers.last();
        latest.map_or_else(Vec::new, |worker| worker.final_reports.clone())
    }

    /// The lock requests of all attempts that were granted.
    #[must_use]
    pub fn lock_requests(&self) -> Vec<LockFiles> {
        let state = self.shared.read();
        let requests = state.workers.iter().flat_map(|worker| &worker.lock_requests);
        requests.cloned().collect()
    }

    /// The transcripts of all attempts.
    #[must_use]
    pub fn transcript(&self) -> Vec<TranscriptEntry> {
        let state = self.shared.read();
        let entries = state.workers.iter().flat_map(|worker| &worker.transcript);
        entries.cloned().collect()
    }

    /// The preflight that the latest attempt reported.
    #[must_use]
    pub fn preflight(&self) -> Option<ReportPreflight> {
        let state = self.shared.read();
        state.workers.last()?.preflight.clone()
    }

    /// The reviews of all attempts, oldest first.
    #[must_use]
    pub fn reviews(&self) -> Vec<Review> {
        let state = self.shared.read();
        let reviews = state.workers.iter().flat_map(|worker| &worker.reviews);
        reviews.cloned().collect()
    }

    /// The diffs of all attempts, oldest first.
    #[must_use]
    pub fn diffs(&self) -> Vec<ReportDiff> {
        let state = self.shared.read();
        let diffs = state.workers.iter().flat_map(|worker| &worker.diffs);
        diffs.cloned().collect()
    }

    /// Locks a file for another worker, which works on `branch`.
    pub fn hold_lock(&self, file: RelativePath, branch: BranchName) -> LockConflict {
        let lock = LockConflict {
            file: file.clone(),
            worker_id: WorkerId::new(),
            work_item_id: WorkItemId::new(),
            branch,
        };
        self.shared.write().locks.insert(file, lock.clone());
        lock
    }

    pub fn release_lock(&self, file: &RelativePath) {
        self.shared.write().locks.remove(file);
    }
}

fn assign(state: &mut State, mut registered: Registered, token: &str) -> Result<(), ApiError> {
    let assignment = registered.work_item.clone();
    let status = state.item(assignment.id).map(|item| item.status);
    match status {
        Err(_) => {
            let (_, item) = state.create(CreateWork {
                repo: assignment.repo,
                branch: Some(assignment.branch),
                spec: Some(assignment.spec),
                description: None,
                priority: whim_core::Priority::default(),
                source: None,
                source_ref: None,
                requested_by: None,
                max_iterations: None,
                metadata: assignment.metadata,
            })?;
            // The test chose the identifier.
            state.update(item.id, |item| item.id = assignment.id)?;
        }
        Ok(WorkItemStatus::Queued) => {}
        Ok(_) => state.transition(assignment.id, WorkItemStatus::Queued, |item| {
            item.repo = assignment.repo;
            item.branch = assignment.branch;
            item.metadata = assignment.metadata;
        })?,
    }
    let epoch = state.item(assignment.id)?.lease_epoch.number() + 1;
    let (worker_id, epoch) = (registered.worker_id, LeaseEpoch::from_number(epoch));
    registered.work_item.lease_epoch = epoch;
    state.transition(assignment.id, WorkItemStatus::Assigned, |item| {
        item.worker_id = Some(worker_id);
        item.lease_epoch = epoch;
    })?;
    state.workers.push(Worker::new(registered, token));
    Ok(())
}

//! Controls of a test for items.

use ralph_contract::SpecDocument;
use serde_json::Value;
use whim_core::protocol::work::{CancelWork, CreateWork, FailSpec, RequeueWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};

use super::api_error::ApiError;
use super::handle::Orchestrator;
use super::items::set_spec;
use super::state::{ModelBreaker, State, set_fields};

/// The spec of an item that a test moves past `generating`.
const SPEC: &str = "# A change\n\n## Tasks\n- [ ] Make the change\n";

impl Orchestrator {
    /// Every item, oldest first.
    #[must_use]
    pub fn items(&self) -> Vec<WorkItem> {
        self.shared.read().items.clone()
    }

    /// The latest item with this `sourceRef`.
    #[must_use]
    pub fn item_with_ref(&self, source_ref: &str) -> Option<WorkItem> {
        let matches = |item: &WorkItem| item.source_ref.as_deref() == Some(source_ref);
        self.items().into_iter().rfind(matches)
    }

    /// `POST /api/work` of another client.
    ///
    /// # Panics
    /// The orchestrator would refuse it.
    #[track_caller]
    pub fn submit(&self, request: CreateWork) -> WorkItem {
        let created = self.shared.write().create(request);
        allowed(created).1
    }

    /// `POST /api/work/{id}/requeue` of another client.
    ///
    /// # Panics
    /// The orchestrator would refuse it.
    #[track_caller]
    pub fn requeue(&self, id: WorkItemId) -> WorkItem {
        let requeued = self.shared.write().requeue(id, &RequeueWork::default());
        allowed(requeued)
    }

    /// `POST /api/work/{id}/cancel` of another client. A worker of the item loses its lease.
    ///
    /// # Panics
    /// The orchestrator would refuse it.
    #[track_caller]
    pub fn cancel(&self, id: WorkItemId) -> WorkItem {
        let cancelled = self.shared.write().cancel(id, &CancelWork::default());
        allowed(cancelled)
    }

    /// Ends the current run of an item: moves it to a terminal status through allowed transitions, and then sets
    /// `fields` of its JSON form.
    ///
    /// # Panics
    /// The status is not terminal, the item has ended, or the result is not a work item.
    #[track_caller]
    pub fn end_run(&self, id: WorkItemId, status: WorkItemStatus, fields: &Value) {
        let mut state = self.shared.write();
        let ended = end_run(&mut state, id, status, fields);
        drop(state);
        allowed(ended);
    }

    /// Sets fields of an item's JSON form, but not its status.
    ///
    /// # Panics
    /// There is no such item, or the result is not a work item.
    #[track_caller]
    pub fn set_fields(&self, id: WorkItemId, fields: &Value) {
        let changed = self.shared.write().update(id, |item| set_fields(item, fields));
        allowed(changed);
    }

    /// Makes every item in backoff due.
    pub fn release_retries(&self) {
        for item in &mut self.shared.write().items {
            item.next_retry_at = None;
        }
    }

    pub fn set_model_breaker(&self, breaker: ModelBreaker) {
        self.shared.write().model_breaker = breaker;
    }

    /// The bodies of `POST /api/work/{id}/spec/fail`, in order.
    #[must_use]
    pub fn spec_failures(&self) -> Vec<FailSpec> {
        self.shared.read().spec_failures.clone()
    }
}

fn end_run(
    state: &mut State,
    id: WorkItemId,
    status: WorkItemStatus,
    fields: &Value,
) -> Result<(), ApiError> {
    use WorkItemStatus::{Assigned, Cancelled, Completed, Failed, Generating, InProgress, Queued};
    let steps: &[WorkItemStatus] = match (status, state.item(id)?.status) {
        (Cancelled, _) | (Failed, Generating | Assigned | InProgress) | (Completed, InProgress) => &[],
        (Completed, Assigned) => &[InProgress],
        (Completed | Failed, Queued) => &[Assigned, InProgress],
        (_, _) => &[Queued, Assigned, InProgress],
    };
    for step in steps {
        state.transition(id, *step, |item| {
            if item.spec.is_none() {
                set_spec(item, &SpecDocument::parse(SPEC));
            }
        })?;
    }
    assert!(status.is_terminal(), "{status} does not end a run");
    state.transition(id, status, |_| {})?;
    state.update(id, |item| set_fields(item, fields))
}

/// Panics if the orchestrator would refuse the request: the test is wrong.
#[track_caller]
pub(super) fn allowed<T>(result: Result<T, ApiError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the orchestrator would refuse this: {}", error.message()),
    }
}

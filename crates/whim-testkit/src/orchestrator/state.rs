//! The stored items, workers and locks.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Value, json};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::intake::IntakeAccess;
use whim_core::protocol::learnings::PullRequestOutcome;
use whim_core::protocol::notes::Note;
use whim_core::protocol::work::{FailSpec, WorkItem};
use whim_core::protocol::worker::LockConflict;
use whim_core::{FailureCause, RelativePath, WorkItemId, WorkItemStatus};

use super::api_error::ApiError;
use super::worker_record::Worker;

/// The circuit breaker of the model API, as `explain` shows it for items without a spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelBreaker {
    #[default]
    Closed,
    Open,
    /// The spec of this item is the probe.
    HalfOpen(WorkItemId),
}

#[derive(Clone, Debug)]
pub(super) struct StoredNote {
    pub(super) source_key: Option<String>,
    pub(super) note: Note,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Oldest first.
    pub(super) items: Vec<WorkItem>,
    /// Oldest first; the last one with a token has it.
    pub(super) workers: Vec<Worker>,
    /// The holder of each locked file, in whatever repository.
    pub(super) locks: BTreeMap<RelativePath, LockConflict>,
    pub(super) model_breaker: ModelBreaker,
    /// The bodies of `POST /api/work/{id}/spec/fail`.
    pub(super) spec_failures: Vec<FailSpec>,
    /// Oldest first.
    pub(super) notes: Vec<StoredNote>,
    /// Completed items whose learnings wait for their pull request.
    pub(super) quarantined: Vec<WorkItemId>,
    /// What became of those pull requests, once they were merged or closed.
    pub(super) quarantine_decisions: Vec<(WorkItemId, PullRequestOutcome)>,
    /// The bodies of `PUT /api/intake/access`.
    pub(super) access_reports: Vec<IntakeAccess>,
    /// Retries of the current runs.
    pub(super) retries_by_cause: BTreeMap<(WorkItemId, FailureCause), u32>,
}

impl State {
    pub(super) fn item(&self, id: WorkItemId) -> Result<&WorkItem, ApiError> {
        self.items
            .iter()
            .find(|item| item.id == id)
            .ok_or_else(|| not_found(id))
    }

    /// An item that has to be in this run.
    pub(super) fn item_in_run(&self, id: WorkItemId, run: u32) -> Result<&WorkItem, ApiError> {
        let item = self.item(id)?;
        if item.run == run {
            return Ok(item);
        }
        let details = json!({ "status": item.status, "run": item.run });
        Err(ApiError::wrong_state(item.status).with_details(details))
    }

    fn item_mut(&mut self, id: WorkItemId) -> Result<&mut WorkItem, ApiError> {
        self.items
            .iter_mut()
            .find(|item| item.id == id)
            .ok_or_else(|| not_found(id))
    }

    /// Moves an item to another status, as [`WorkItemStatus::predecessors`] allows it, and applies `change`.
    pub(super) fn transition(
        &mut self,
        id: WorkItemId,
        to: WorkItemStatus,
        change: impl FnOnce(&mut WorkItem),
    ) -> Result<(), ApiError> {
        let item = self.item_mut(id)?;
        if !to.predecessors().contains(&item.status) {
            return Err(ApiError::wrong_state(item.status));
        }
        let now = Utc::now();
        item.status = to;
        item.updated_at = now;
        item.next_retry_at = None;
        item.ended_at = to.is_terminal().then_some(now);
        change(item);
        Ok(())
    }

    /// Changes an item without a transition.
    pub(super) fn update(
        &mut self,
        id: WorkItemId,
        change: impl FnOnce(&mut WorkItem),
    ) -> Result<(), ApiError> {
        let item = self.item_mut(id)?;
        let status = item.status;
        change(item);
        item.status = status;
        Ok(())
    }
}

fn not_found(id: WorkItemId) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("there is no work item {id}"))
}

/// Sets fields of an item as in its JSON form.
///
/// # Panics
/// The result is not a work item.
pub(super) fn set_fields(item: &mut WorkItem, fields: &Value) {
    let merged = serde_json::to_value(&*item).and_then(|mut form| {
        if let (Some(form), Some(fields)) = (form.as_object_mut(), fields.as_object()) {
            form.extend(fields.clone());
        }
        serde_json::from_value(form)
    });
    match merged {
        Ok(merged) => *item = merged,
        Err(error) => panic!("not a work item with {fields}: {error}"),
    }
}

//! The items, and what may happen to them.

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use ralph_contract::SpecDocument;
use serde_json::{Value, json};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::queue::{Explanation, ReasonCode};
use whim_core::protocol::work::{CreateWork, FailSpec, PutSpec, RequeueWork, WorkFilter, WorkItem, WorkPage};
use whim_core::{BranchName, SourceName, WorkItemId, WorkItemStatus};

use super::refusal::Refusal;

const MAX_DESCRIPTION_BYTES: usize = 256 * 1024;
const MAX_REASON_BYTES: usize = 4 * 1024;

#[derive(Default)]
pub(super) struct State {
    /// The oldest first.
    pub(super) items: Vec<WorkItem>,
    pub(super) requests: Vec<(Method, String)>,
    pub(super) away: bool,
    /// The model is spared: no spec may be asked for but that of this item.
    pub(super) spared: Option<Option<WorkItemId>>,
    /// What was told of specs that could not be written.
    pub(super) failures: Vec<FailSpec>,
    pub(super) hold: Option<(Method, &'static str)>,
}

impl State {
    /// The item, and whether it is new.
    pub(super) fn create(&mut self, request: CreateWork) -> (bool, WorkItem) {
        let source = request.source.unwrap_or_else(SourceName::api);
        let same = |item: &&WorkItem| {
            request.source_ref.is_some()
                && item.repo == request.repo
                && item.source == source
                && item.source_ref == request.source_ref
        };
        if let Some(item) = self.items.iter().rfind(same) {
            return (false, item.clone());
        }
        let description = request.description.expect("the intake submits descriptions");
        assert!(
            !description.trim().is_empty() && description.len() <= MAX_DESCRIPTION_BYTES,
            "the orchestrator would refuse the description"
        );
        let id = WorkItemId::new();
        let title = request.metadata.issue_title.clone().unwrap_or_default();
        let item: WorkItem = serde_json::from_value(json!({
            "id": id, "repo": request.repo, "status": WorkItemStatus::Generating,
            "branch": BranchName::for_item(id, request.metadata.issue_number, &title),
            "priority": request.priority, "source": source, "sourceRef": request.source_ref,
            "requestedBy": request.requested_by, "metadata": request.metadata, "description": description, "retries": 0, "maxRetries": 3,
            "leaseEpoch": 0, "run": 1, "iteration": 0, "tasksTotal": 0, "tasksDone": 0,
            "createdAt": Utc::now(), "updatedAt": Utc::now(),
        }))
        .unwrap();
        self.items.push(item.clone());
        (true, item)
    }

    pub(super) fn list(&self, filter: &WorkFilter) -> Result<WorkPage, Refusal> {
        let limit = filter.limit.unwrap_or(50);
        if !(1..=200).contains(&limit) {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "limit: from 1 to 200"));
        }
        let limit = usize::try_from(limit).unwrap();
        let fits = |item: &&WorkItem| {
            filter.status.is_none_or(|status| item.status == status)
                && filter.repo.as_ref().is_none_or(|repo| item.repo == *repo)
                && filter.source.as_ref().is_none_or(|source| item.source == *source)
                && (filter.source_ref.is_none() || item.source_ref == filter.source_ref)
                && filter.priority.is_none_or(|priority| item.priority == priority)
        };
        let position = |id| self.items.iter().position(|item| item.id == id);
        let end = filter.cursor.and_then(position).unwrap_or(self.items.len());
        let mut fitting = self.items[..end].iter().rev().filter(fits);
        let items: Vec<WorkItem> = fitting.by_ref().take(limit).map(without_texts).collect();
        let more = fitting.next().is_some();
        let next_cursor = items.last().filter(|_| more).map(|item| item.id);
        Ok(WorkPage { items, next_cursor })
    }

    pub(super) fn get(&self, id: WorkItemId) -> Result<WorkItem, Refusal> {
        let found = self.items.iter().find(|item| item.id == id).cloned();
        found.ok_or_else(|| Refusal::new(ErrorCode::NotFound, format!("there is no item {id}")))
    }

    pub(super) fn explain(&self, id: WorkItemId) -> Result<Explanation, Refusal> {
        let item = self.get(id)?;
        let because = match self.spared {
            _ if item.status != WorkItemStatus::Generating => ReasonCode::Ended,
            Some(tries) if tries != Some(id) => ReasonCode::ModelUnavailable,
            Some(_) | None => ReasonCode::SpecMissing,
        };
        Ok(Explanation {
            id,
            status: item.status,
            reason_code: because,
            explanation: String::new(),
            retry_at: None,
        })
    }

    pub(super) fn hand_in(&mut self, id: WorkItemId, put: PutSpec) -> Result<WorkItem, Refusal> {
        let document = SpecDocument::parse(put.spec.clone());
        if document.check_submittable().is_err() || !document.violations().is_empty() {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "spec: breaks a convention",
            ));
        }
        let item = self.get(id)?;
        if item.run != put.run {
            return Err(wrong_state(&item));
        }
        if item.status == WorkItemStatus::Generating {
            let tasks = document.tasks().len();
            self.change(
                id,
                &json!({"status": "queued", "spec": put.spec, "tasksTotal": tasks, "nextRetryAt": null}),
            );
        } else if item.spec.as_ref() != Some(&put.spec) {
            return Err(wrong_state(&item));
        }
        self.get(id)
    }

    pub(super) fn fail_spec(&mut self, id: WorkItemId, fail: &FailSpec) -> Result<WorkItem, Refusal> {
        if fail.reason.trim().is_empty() || fail.reason.len() > MAX_REASON_BYTES {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "reason: 1 to 4096 bytes"));
        }
        let item = self.get(id)?;
        if item.run != fail.run {
            return Err(wrong_state(&item));
        }
        self.failures.push(fail.clone());
        if item.status == WorkItemStatus::Generating {
            let changes = if fail.retryable {
                json!({"nextRetryAt": Utc::now() + TimeDelta::hours(1), "error": fail.reason})
            } else {
                json!({"status": "failed", "nextRetryAt": null, "error": fail.reason})
            };
            self.change(id, &changes);
        } else if fail.retryable || item.status != WorkItemStatus::Failed {
            return Err(wrong_state(&item));
        }
        self.get(id)
    }

    pub(super) fn requeue(&mut self, id: WorkItemId, request: RequeueWork) -> Result<WorkItem, Refusal> {
        let item = self.get(id)?;
        if request.after_run.is_some_and(|run| run > item.run) {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "afterRun: is too large"));
        }
        if request.after_run.is_some_and(|run| item.run > run) {
            return Ok(item);
        }
        if !item.status.is_terminal() {
            return Err(wrong_state(&item));
        }
        let reworded = request
            .description
            .filter(|text| item.description.as_ref() != Some(text));
        if let Some(description) = &reworded {
            self.change(
                id,
                &json!({"description": description, "spec": null, "tasksTotal": 0}),
            );
        }
        let status = if reworded.is_none() && item.spec.is_some() {
            WorkItemStatus::Queued
        } else {
            WorkItemStatus::Generating
        };
        self.change(
            id,
            &json!({
                "status": status, "run": item.run + 1, "error": null, "prUrl": null, "prNumber": null,
                "requestedBy": request.requested_by.or(item.requested_by),
            }),
        );
        self.get(id)
    }

    pub(super) fn end_waits(&mut self) {
        for item in &mut self.items {
            item.next_retry_at = None;
        }
    }

    /// Sets fields of an item as in its JSON form.
    pub(super) fn change(&mut self, id: WorkItemId, fields: &Value) {
        let item = self.items.iter_mut().find(|item| item.id == id).unwrap();
        let mut form = serde_json::to_value(&*item).unwrap();
        let form_fields = form.as_object_mut().unwrap();
        form_fields.extend(fields.as_object().unwrap().clone());
        form_fields.insert("updatedAt".to_owned(), json!(Utc::now()));
        *item = serde_json::from_value(form).unwrap();
    }
}

/// As lists show an item.
fn without_texts(item: &WorkItem) -> WorkItem {
    WorkItem {
        spec: None,
        description: None,
        ..item.clone()
    }
}

fn wrong_state(item: &WorkItem) -> Refusal {
    Refusal::new(ErrorCode::WrongState, format!("the item is {}", item.status))
}

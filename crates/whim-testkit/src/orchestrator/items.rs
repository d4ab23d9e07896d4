//! The routes of `/api/work`.

use chrono::{TimeDelta, Utc};
use ralph_contract::SpecDocument;
use serde_json::json;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::explain::{Explanation, ReasonCode};
use whim_core::protocol::timeline::Timeline;
use whim_core::protocol::work::{
    Approval, CancelWork, CreateWork, FailSpec, PutSpec, RequeueWork, SetPriority, WorkFilter, WorkItem,
    WorkPage,
};
use whim_core::source::TextHash;
use whim_core::{BranchName, BranchPrefix, LeaseEpoch, SourceName, WorkItemId, WorkItemStatus};

use super::api_error::ApiError;
use super::state::{ModelBreaker, State};

const MAX_DESCRIPTION_BYTES: usize = 256 * 1024;
const MAX_NOTE_BYTES: usize = 4 * 1024;
const MAX_PAGE: u32 = 200;
const MAX_RETRIES: u32 = 3;

impl State {
    /// The item, and whether it is new.
    pub(super) fn create(&mut self, request: CreateWork) -> Result<(bool, WorkItem), ApiError> {
        let source = request.source.clone().unwrap_or_else(SourceName::api);
        let is_same = |item: &&WorkItem| {
            request.source_ref.is_some()
                && item.repo == request.repo
                && item.source == source
                && item.source_ref == request.source_ref
        };
        if let Some(item) = self.items.iter().rfind(is_same) {
            return Ok((false, item.clone()));
        }
        let item = new_item(request, source)?;
        if let Some(holder) = self.live_on_branch(&item) {
            return Err(ApiError::new(ErrorCode::BranchInUse, "the branch is in use")
                .with_details(json!({ "workItemId": holder })));
        }
        self.items.push(item.clone());
        Ok((true, item))
    }

    fn live_on_branch(&self, item: &WorkItem) -> Option<WorkItemId> {
        let conflicts = |other: &&WorkItem| {
            other.id != item.id
                && other.repo == item.repo
                && other.branch == item.branch
                && !other.status.is_terminal()
        };
        self.items.iter().find(conflicts).map(|other| other.id)
    }

    pub(super) fn list(&self, filter: &WorkFilter) -> Result<WorkPage, ApiError> {
        let limit = filter.limit.unwrap_or(50);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(ApiError::invalid("limit", format!("expected 1 to {MAX_PAGE}")));
        }
        let matches = |item: &&WorkItem| {
            filter.status.is_none_or(|status| item.status == status)
                && filter.repo.as_ref().is_none_or(|repo| item.repo == *repo)
                && filter.source.as_ref().is_none_or(|source| item.source == *source)
                && (filter.source_ref.is_none() || item.source_ref == filter.source_ref)
                && filter.priority.is_none_or(|priority| item.priority == priority)
        };
        let position = |id| self.items.iter().position(|item| item.id == id);
        let end = filter.cursor.and_then(position).unwrap_or(self.items.len());
        let mut matching = self.items[..end].iter().rev().filter(matches);
        let items: Vec<WorkItem> = matching
            .by_ref()
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .map(without_texts)
            .collect();
        let has_more = matching.next().is_some();
        let next_cursor = items.last().filter(|_| has_more).map(|item| item.id);
        Ok(WorkPage { items, next_cursor })
    }

    pub(super) fn explain(&self, id: WorkItemId) -> Result<Explanation, ApiError> {
        let item = self.item(id)?;
        let reason_code = match item.status {
            WorkItemStatus::Generating | WorkItemStatus::Queued if item.next_retry_at.is_some() => {
                ReasonCode::Backoff
            }
            WorkItemStatus::Generating => match self.model_breaker {
                ModelBreaker::Open => ReasonCode::ModelUnavailable,
                ModelBreaker::HalfOpen(probe) if probe != id => ReasonCode::ModelUnavailable,
                ModelBreaker::HalfOpen(_) | ModelBreaker::Closed => ReasonCode::SpecMissing,
            },
            WorkItemStatus::Queued => ReasonCode::Next,
            WorkItemStatus::Assigned | WorkItemStatus::InProgress => ReasonCode::Running,
            WorkItemStatus::Completed | WorkItemStatus::Failed | WorkItemStatus::Cancelled => {
                ReasonCode::Ended
            }
        };
        Ok(Explanation {
            id,
            status: item.status,
            reason_code,
            explanation: format!("The work item is {}.", item.status),
            retry_at: item.next_retry_at,
        })
    }

    pub(super) fn put_spec(&mut self, id: WorkItemId, put: &PutSpec) -> Result<WorkItem, ApiError> {
        let document = SpecDocument::parse(put.spec.as_str());
        document
            .check_submittable()
            .map_err(|problem| ApiError::invalid("spec", problem))?;
        let violations: Vec<String> = document.violations().iter().map(ToString::to_string).collect();
        if !violations.is_empty() {
            return Err(ApiError::invalid("spec", "breaks conventions of SPEC.md")
                .with_details(json!({ "field": "spec", "violations": violations })));
        }
        let item = self.item_in_run(id, put.run)?;
        if item.spec.as_ref() == Some(&put.spec) {
            return Ok(item.clone());
        }
        if item.status != WorkItemStatus::Generating {
            return Err(ApiError::wrong_state(item.status));
        }
        self.transition(id, WorkItemStatus::Queued, |item| set_spec(item, &document))?;
        self.item(id).cloned()
    }

    pub(super) fn fail_spec(&mut self, id: WorkItemId, fail: &FailSpec) -> Result<WorkItem, ApiError> {
        check_text("reason", &fail.reason, MAX_NOTE_BYTES)?;
        let status = self.item_in_run(id, fail.run)?.status;
        self.spec_failures.push(fail.clone());
        let error = Some(fail.reason.clone());
        match (fail.retryable, status) {
            (true, WorkItemStatus::Generating) => self.update(id, |item| {
                item.next_retry_at = Some(Utc::now() + TimeDelta::hours(1));
                item.error = error;
                item.failure_cause = fail.cause;
            })?,
            (false, WorkItemStatus::Generating) => {
                self.transition(id, WorkItemStatus::Failed, |item| item.error = error)?;
            }
            // A repeated report.
            (false, WorkItemStatus::Failed) => {}
            (_, status) => return Err(ApiError::wrong_state(status)),
        }
        self.item(id).cloned()
    }

    pub(super) fn requeue(&mut self, id: WorkItemId, request: &RequeueWork) -> Result<WorkItem, ApiError> {
        if let Some(description) = &request.description {
            check_text("description", description, MAX_DESCRIPTION_BYTES)?;
        }
        let item = self.item(id)?.clone();
        if let Some(after_run) = request.after_run {
            if !(1..=item.run).contains(&after_run) {
                return Err(ApiError::invalid(
                    "afterRun",
                    format!("expected 1 to {}", item.run),
                ));
            }
            if item.run > after_run {
                return Ok(item);
            }
        }
        if !item.status.is_terminal() {
            return Err(ApiError::wrong_state(item.status));
        }
        if let Some(approval) = &request.approval {
            let description = request.description.as_ref().or(item.description.as_ref());
            check_approval("approval", approval, description)?;
        }
        let reworded = request
            .description
            .clone()
            .filter(|text| item.description.as_ref() != Some(text));
        self.retries_by_cause.retain(|(item, _), _| *item != id);
        let spec = item.spec.filter(|_| reworded.is_none());
        let status = if spec.is_some() {
            WorkItemStatus::Queued
        } else {
            WorkItemStatus::Generating
        };
        self.transition(id, status, |next| {
            next.run += 1;
            next.retries = 0;
            next.error = None;
            next.failure_cause = None;
            next.pr_url = None;
            next.pr_number = None;
            if let Some(person) = &request.requested_by {
                next.requested_by = Some(person.clone());
            }
            if let Some(approval) = &request.approval {
                next.metadata.approval = Some(approval.clone());
            }
            if reworded.is_some() {
                next.description = reworded;
            }
            match spec {
                Some(spec) if item.status == WorkItemStatus::Completed => {
                    set_spec(next, &SpecDocument::parse(spec).with_all_open());
                }
                Some(_) => {}
                None => {
                    next.spec = None;
                    (next.tasks_total, next.tasks_done) = (0, 0);
                }
            }
        })?;
        self.item(id).cloned()
    }

    pub(super) fn set_priority(
        &mut self,
        id: WorkItemId,
        request: SetPriority,
    ) -> Result<WorkItem, ApiError> {
        let status = self.item(id)?.status;
        if status.is_terminal() {
            return Err(ApiError::wrong_state(status));
        }
        self.update(id, |item| item.priority = request.priority)?;
        self.item(id).cloned()
    }

    /// The fake records no attempts.
    pub(super) fn timeline(&self, id: WorkItemId) -> Result<Timeline, ApiError> {
        self.item(id)?;
        Ok(Timeline {
            items: Vec::new(),
            next_cursor: None,
        })
    }

    pub(super) fn cancel(&mut self, id: WorkItemId, request: &CancelWork) -> Result<WorkItem, ApiError> {
        if self.item(id)?.status != WorkItemStatus::Cancelled {
            let by = request.cancelled_by.as_deref();
            let by = by.map_or_else(String::new, |by| format!(" by {by}"));
            let reason = request.reason.as_deref();
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            self.transition(id, WorkItemStatus::Cancelled, |item| {
                item.error = Some(format!("Cancelled{by}{reason}"));
            })?;
        }
        self.item(id).cloned()
    }
}

fn new_item(request: CreateWork, source: SourceName) -> Result<WorkItem, ApiError> {
    let CreateWork {
        repo,
        branch,
        spec,
        description,
        priority,
        source: _,
        source_ref,
        requested_by,
        max_iterations: _,
        metadata,
    } = request;
    if let Some(approval) = &metadata.approval {
        check_approval("metadata.approval", approval, description.as_ref())?;
    }
    let status = match (&spec, &description) {
        (Some(spec), None) => {
            SpecDocument::parse(spec.as_str())
                .check_submittable()
                .map_err(|problem| ApiError::invalid("spec", problem))?;
            WorkItemStatus::Queued
        }
        (None, Some(description)) => {
            check_text("description", description, MAX_DESCRIPTION_BYTES)?;
            WorkItemStatus::Generating
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::invalid(
                "spec",
                "expected either spec or description, not both",
            ));
        }
    };
    let id = WorkItemId::new();
    let title = metadata.issue_title.clone().unwrap_or_default();
    let now = Utc::now();
    let mut item = WorkItem {
        id,
        repo,
        branch: branch.unwrap_or_else(|| {
            BranchName::for_item(&BranchPrefix::default(), id, metadata.issue_number, &title)
        }),
        status,
        priority,
        source,
        source_ref,
        requested_by,
        metadata,
        retries: 0,
        max_retries: MAX_RETRIES,
        next_retry_at: None,
        lease_epoch: LeaseEpoch::from_number(0),
        run: 1,
        worker_id: None,
        stage: None,
        iteration: 0,
        tasks_total: 0,
        tasks_done: 0,
        pr_url: None,
        pr_number: None,
        error: None,
        failure_cause: None,
        spec: None,
        description,
        warnings: Vec::new(),
        lock_conflicts: Vec::new(),
        created_at: now,
        updated_at: now,
        started_at: None,
        ended_at: None,
    };
    if let Some(spec) = spec {
        set_spec(&mut item, &SpecDocument::parse(spec));
    }
    Ok(item)
}

pub(super) fn set_spec(item: &mut WorkItem, document: &SpecDocument) {
    item.spec = Some(document.as_str().to_owned());
    item.tasks_total = u32::try_from(document.tasks().len()).unwrap_or(u32::MAX);
    item.tasks_done = u32::try_from(document.done_count()).unwrap_or(u32::MAX);
}

fn check_approval(field: &str, approval: &Approval, description: Option<&String>) -> Result<(), ApiError> {
    if description.map(|text| TextHash::of(text)).as_ref() == Some(&approval.text_sha256) {
        return Ok(());
    }
    Err(ApiError::invalid(
        field,
        "is for another text than the description",
    ))
}

fn check_text(field: &str, text: &str, max_bytes: usize) -> Result<(), ApiError> {
    if text.trim().is_empty() || text.len() > max_bytes || text.contains('\0') {
        let problem = format!("expected 1 to {max_bytes} bytes without NUL");
        return Err(ApiError::invalid(field, problem));
    }
    Ok(())
}

/// As lists show an item.
fn without_texts(item: &WorkItem) -> WorkItem {
    WorkItem {
        spec: None,
        description: None,
        ..item.clone()
    }
}

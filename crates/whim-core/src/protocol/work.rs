//! Work items: submit, list, cancel, requeue, and the results of spec generation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::source::TextHash;
use crate::{
    BranchName, FailureCause, IssueNumber, LeaseEpoch, Priority, RelativePath, RepoName, SourceName, Stage,
    UserName, WorkItemId, WorkItemStatus, WorkerId,
};

/// `POST /api/work`. Either `spec` (queued at once) or `description` (a spec is generated first).
///
/// 201 with the new item. 200 with the existing item of the same repository, `source` and `sourceRef`, in any state: a
/// repeated submission creates no second item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateWork {
    pub repo: RepoName,
    /// Branch to work on. Default: `whim/<issue number>-<slug>-<short id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchName>,
    /// Checklist in the format of SPEC.md; at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 262144, pattern = r"(?:^|\n) {0,3}[-*+] {1,4}\[ \] \S")
    )]
    pub spec: Option<String>,
    /// Task in prose, from which a spec is generated; at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 262144, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub description: Option<String>,
    #[serde(default)]
    pub priority: Priority,
    /// Where the item comes from. Default: `api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Reference at the source, such as an issue number. Together with `source` it makes submitting idempotent. 1 to 200
    /// characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub source_ref: Option<String>,
    /// Requester, for `DAILY_BUDGET_PER_USER`. An item without one counts against no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    /// Limit of iterations of one attempt. `MAX_ITERATIONS` applies as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub max_iterations: Option<std::num::NonZeroU32>,
    #[serde(default)]
    pub metadata: WorkMetadata,
}

/// Further data of an item. Unknown fields are stored and returned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkMetadata {
    /// Issue that the pull request closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 1))]
    pub issue_number: Option<IssueNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_title: Option<String>,
    /// Web page of the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_url: Option<String>,
    /// Base branch of the pull request. Default: the repository's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BranchName>,
    /// Who approved which text at the source. Refused unless it fits the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::HashMap<String, Value>))]
    pub other: Map<String, Value>,
}

/// The request of a person at the source for a run, such as a label on an issue, and the text that it was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    pub approved_by: UserName,
    /// Numeric id of the account, which outlives its name.
    pub approved_by_id: u64,
    pub approved_at: DateTime<Utc>,
    /// Identifier of the event at the source. Each event approves one run.
    pub event_id: u64,
    /// SHA-256 of the description.
    pub text_sha256: TextHash,
}

/// A work item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkItem {
    pub id: WorkItemId,
    pub repo: RepoName,
    pub branch: BranchName,
    pub status: WorkItemStatus,
    pub priority: Priority,
    pub source: SourceName,
    /// Reference at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<String>,
    /// Requester of the current run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    #[serde(default)]
    pub metadata: WorkMetadata,
    /// Retries that this run used, of all causes.
    pub retries: u32,
    /// Limit of retries for each failure cause.
    pub max_retries: u32,
    /// End of the backoff; `null` when the item is not in backoff.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// Number of claims.
    pub lease_epoch: LeaseEpoch,
    /// 1 for the submission, plus 1 for each requeue.
    pub run: u32,
    /// Current worker, or the latest one.
    pub worker_id: Option<WorkerId>,
    /// `null` unless the worker is running.
    pub stage: Option<Stage>,
    /// Current iteration, or the latest one.
    pub iteration: u32,
    /// Tasks of the checklist; 0 without one.
    pub tasks_total: u32,
    /// Ticked tasks.
    pub tasks_done: u32,
    pub pr_url: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 1))]
    pub pr_number: Option<IssueNumber>,
    /// Reason of the latest failed attempt or of the cancellation, for people. Kept during a retry.
    pub error: Option<String>,
    /// Reason of the latest failed attempt, for programs.
    pub failure_cause: Option<FailureCause>,
    /// Checklist with its ticks. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// Task in prose. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Conventions that the submitted spec violates. Only in the response to the submission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Files that this item and another one both changed; at most 100, newest first. Not in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_conflicts: Vec<FileConflict>,
    pub created_at: DateTime<Utc>,
    /// Time of the latest state change.
    pub updated_at: DateTime<Utc>,
    /// Start of the latest attempt.
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A file that one item changed while another one held its lock: the branches may conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileConflict {
    pub path: RelativePath,
    pub other_work_item_id: WorkItemId,
    pub other_branch: BranchName,
    /// Whether this item held the lock and the other one changed the file.
    pub is_holder: bool,
    pub detected_at: DateTime<Utc>,
}

/// `GET /api/work?status=&repo=&source=&sourceRef=&priority=&limit=&cursor=`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkFilter {
    /// Only items in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkItemStatus>,
    /// Only items of this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// Only items from this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Only items with this reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub source_ref: Option<String>,
    /// Only items of this priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Page size: 1 to 200, default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<WorkItemId>,
}

/// A page of work items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkPage {
    /// The items, without their wide texts.
    pub items: Vec<WorkItem>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<WorkItemId>,
}

/// `POST /api/work/:id/cancel`, in any live state. The body is optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelWork {
    /// Shown on the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub reason: Option<String>,
    /// Login or name of the person; shown on the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub cancelled_by: Option<String>,
}

/// `PUT /api/work/:id/priority`, in any live state. A running item keeps its worker; the priority counts again when the item
/// returns to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPriority {
    pub priority: Priority,
}

/// `POST /api/work/:id/requeue`: another run of an ended item. The body is optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequeueWork {
    /// The run that has ended, 1 to the current run. Makes the request idempotent: a repeated one starts no second run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub after_run: Option<u32>,
    /// Requester of the new run. Default: the requester of the previous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    /// Task in prose. If it differs from the item's description, a new spec is generated; otherwise the item keeps its
    /// spec. At most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 262144, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub description: Option<String>,
    /// Who approved the new run at the source. Refused unless it fits the description. Default: that of the previous run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// `PUT /api/work/:id/spec`: the spec of an item that is `generating`. The same text again for the same run is 200 too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutSpec {
    /// The item's run that the spec was written for. 409 when the item is in another run by now: a requeue may have
    /// changed the description.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub run: u32,
    /// The checklist; it has to keep all conventions, or the answer is 400 with `details.violations`.
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 262144, pattern = r"(?:^|\n) {0,3}[-*+] {1,4}\[ \] \S")
    )]
    pub spec: String,
}

/// `POST /api/work/:id/spec/fail`: no spec could be generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailSpec {
    /// The item's run for which no spec could be written. 409 when the item is in another run by now.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub run: u32,
    /// Reason for people; shown on the issue.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub reason: String,
    /// `true`: the item stays `generating` in backoff. `false`: the item fails.
    pub retryable: bool,
    /// `model_limited`, `model_unavailable` or `model_refused`, if other calls of the model API would fail too. Reported to
    /// the breaker of the model. Only with `retryable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<FailureCause>,
    /// Delay after which the model API accepts requests again, in seconds; at most a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 31536000))]
    pub retry_after_seconds: Option<u64>,
}

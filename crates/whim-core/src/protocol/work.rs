//! Work items: submit, look, cancel, requeue, and the hand-in of specifications.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    BranchName, FailureCause, IssueNumber, LeaseEpoch, Priority, RelativePath, RepoName, SourceName, Stage,
    UserName, WorkItemId, WorkItemStatus, WorkerId,
};

/// `POST /api/work`. Either `spec` (queued at once) or `description` (a spec is written first).
///
/// 201 with the new item; 200 with the latest item of the same repository, `source` and `sourceRef`, in whatever
/// state it is, when there is one: submitting twice never gives two items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateWork {
    /// The repository to work on.
    pub repo: RepoName,
    /// The branch to work on; without one, `whim/<issue number>-<slug>-<short id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchName>,
    /// The checklist, in the format of SPEC.md; at most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 262144, pattern = r"(?:^|\n) {0,3}[-*+] {1,4}\[ \] \S")
    )]
    pub spec: Option<String>,
    /// What is wanted, in prose; a spec is written from it. At most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 262144, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub description: Option<String>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Where it comes from; `api` when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// What it is called there, for example an issue's number; with `source`, what makes submitting idempotent.
    /// 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub source_ref: Option<String>,
    /// Who asked for it: counts against `DAILY_BUDGET_PER_USER`. An item without one counts against no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    /// The most iterations that one attempt may use; without one, the configured cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub max_iterations: Option<std::num::NonZeroU32>,
    /// What else is known of it.
    #[serde(default)]
    pub metadata: WorkMetadata,
}

/// What else is known of an item. Fields that Whim does not know are kept and given back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkMetadata {
    /// The issue that the pull request closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 1))]
    pub issue_number: Option<IssueNumber>,
    /// The issue's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_title: Option<String>,
    /// The issue's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_url: Option<String>,
    /// The branch that the pull request goes into; without one, the repository's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BranchName>,
    /// Everything else.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::HashMap<String, Value>))]
    pub other: Map<String, Value>,
}

/// A work item, as every route that answers with one shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkItem {
    /// Its identifier.
    pub id: WorkItemId,
    /// The repository that it works on.
    pub repo: RepoName,
    /// The branch that it works on.
    pub branch: BranchName,
    /// Its state.
    pub status: WorkItemStatus,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it came from.
    pub source: SourceName,
    /// What it is called there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<String>,
    /// Who asked for its current run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    /// What else is known of it.
    #[serde(default)]
    pub metadata: WorkMetadata,
    /// Retries that this run used, of all causes.
    pub retries: u32,
    /// Limit of retries for each failure cause.
    pub max_retries: u32,
    /// When a failed attempt is tried again; `null` unless it waits for that.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// How often it was claimed.
    pub lease_epoch: LeaseEpoch,
    /// How many runs a person asked for: 1 at first, one more with each requeue.
    pub run: u32,
    /// The worker that has it, or had it last.
    pub worker_id: Option<WorkerId>,
    /// What that worker is doing, while it runs.
    pub stage: Option<Stage>,
    /// The iteration that it is in, or was in last.
    pub iteration: u32,
    /// How many tasks its checklist has, and how many are ticked; 0 while there is no checklist.
    pub tasks_total: u32,
    /// How many tasks of its checklist are ticked.
    pub tasks_done: u32,
    /// The pull request, when it is open.
    pub pr_url: Option<String>,
    /// The pull request's number.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, minimum = 1))]
    pub pr_number: Option<IssueNumber>,
    /// Why its latest attempt failed, for a person; kept while it is tried again.
    pub error: Option<String>,
    /// Why its latest attempt failed, for a program.
    pub failure_cause: Option<FailureCause>,
    /// The checklist, with its ticks. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// What was asked for, in prose. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Conventions that a submitted spec does not keep; it is worked on all the same. Only when it was submitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Files that this item and another one both changed, at most 100, the newest first. Not in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_conflicts: Vec<FileConflict>,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it last changed its state.
    pub updated_at: DateTime<Utc>,
    /// When its latest attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A file that one item changed without its lock while another one held it: the two branches may not merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileConflict {
    /// The file.
    pub path: RelativePath,
    /// The other item.
    pub other_work_item_id: WorkItemId,
    /// The branch of the other item.
    pub other_branch: BranchName,
    /// Whether this item held the lock; else it changed the file while the other one did.
    pub is_holder: bool,
    /// When that was found.
    pub detected_at: DateTime<Utc>,
}

/// `GET /api/work?status=&repo=&source=&sourceRef=&priority=&limit=&cursor=`: the newest first.
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
    /// Only items from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Only items that are called so there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub source_ref: Option<String>,
    /// Only items of this priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// How many at the most: 1 to 200, 50 when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// Where the page before ended (`nextCursor`).
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
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<WorkItemId>,
}

/// `POST /api/work/:id/cancel`, in any live state. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelWork {
    /// Why; shown on the issue.
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

/// `POST /api/work/:id/requeue`: another run of an item that has ended. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequeueWork {
    /// The run that the caller saw ended: asking twice for the same gives one run. Without it, whatever run it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub after_run: Option<u32>,
    /// Who asks; without one, it counts for whoever asked for the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    /// What is wanted by now, in prose. When it is not what the item's spec was written from, a new spec is written;
    /// without it, or when it is, the item goes on with the spec that it has. At most 256 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 262144, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub description: Option<String>,
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

/// `POST /api/work/:id/spec/fail`: no spec could be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailSpec {
    /// The item's run for which no spec could be written. 409 when the item is in another run by now.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub run: u32,
    /// Why, for a person.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub reason: String,
    /// Whether to try again later: the item stays `generating` with `nextRetryAt` set; else it has failed.
    pub retryable: bool,
    /// Where the model API is to blame, and every other caller would fare the same: `model_limited`,
    /// `model_unavailable` or `model_refused`. Opens the breaker of the model; only with `retryable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<FailureCause>,
    /// When the model API said that it can be asked again, in seconds from now; at most a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 31536000))]
    pub retry_after_seconds: Option<u64>,
}

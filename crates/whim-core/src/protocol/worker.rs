//! The worker protocol. Every route requires the worker's own token and its own identifier.

use serde::{Deserialize, Serialize};

use super::checks::TestReport;
use super::events::WorkerEvent;
use super::learnings::ReportedLearnings;
use super::notes::Note;
use super::stats::WorkerStats;
use super::work::WorkMetadata;
use crate::{
    BranchName, CommitHash, FailureCause, IssueNumber, LeaseEpoch, RelativePath, RepoName, Stage, UserName,
    WorkItemId, WorkerId,
};

/// While the project's tests run, a worker reports that once per this number of heartbeat intervals.
pub const HEARTBEATS_PER_TEST_PROGRESS: u32 = 6;

/// `POST /api/worker/register`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Register {
    /// The registering worker.
    pub worker_id: WorkerId,
    /// Generated once by the calling process: a repeated nonce gets the same response, another one 409
    /// (`already_registered`), so that only one process registers as the worker (docs/faults.md, row 21). 1 to 64 characters.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")
    )]
    pub nonce: String,
}

/// The response of `register`: the assignment of the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The registered worker.
    pub worker_id: WorkerId,
    /// The assigned item.
    pub work_item: Assignment,
    /// How long the lease lasts after each heartbeat, in seconds.
    pub lease_seconds: u64,
    /// Limit of iterations of this attempt.
    pub max_iterations: u32,
}

/// A work item, as its worker needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    pub id: WorkItemId,
    /// The epoch of this attempt.
    pub lease_epoch: LeaseEpoch,
    pub repo: RepoName,
    /// The branch to create or resume.
    pub branch: BranchName,
    /// The checklist, with the ticks of earlier attempts.
    pub spec: String,
    /// The pushed head that belongs to those ticks: they count only when it is on the branch (docs/decisions/0009-ticks-need-a-pushed-head.md).
    pub head_sha: Option<CommitHash>,
    /// The attempt: 1 for the first.
    pub attempt: u32,
    /// The login of the person at GitHub who asked for the work, for `Co-authored-by`; absent for items of other sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserName>,
    /// Further data of the item; workers use `base` and `issueNumber`.
    pub metadata: WorkMetadata,
    /// Learnings of earlier attempts, for the agent: the content of `learnings.md`, or empty.
    #[serde(default)]
    pub learnings: String,
    /// The notes of the run, oldest first.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// `POST /api/worker/:id/heartbeat`: renews the lease and carries everything that a worker reports while it runs
/// (docs/decisions/0006-one-heartbeat-call.md).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heartbeat {
    /// Increases with every heartbeat that carries something new. A repeated one renews the lease and changes nothing else.
    pub seq: u64,
    /// The current iteration; 0 before the first.
    #[serde(default)]
    pub iteration: u32,
    /// Sums over the finished iterations.
    #[serde(default)]
    pub stats: WorkerStats,
    /// Events since the previous heartbeat; at most 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 500))]
    pub events: Vec<WorkerEvent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The checklist, if it changed; only together with `headSha`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// The head that was pushed last, to which the ticks of `spec` belong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_sha: Option<CommitHash>,
    /// How many notes of the run the agent's latest prompt has, counted from the oldest; sent when the number grew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes_delivered: Option<u32>,
}

/// The answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseRenewed {
    /// Duration of the renewed lease.
    pub lease_seconds: u64,
    /// How many notes the run has. If the worker knows fewer, it requests them.
    #[serde(default)]
    pub note_count: u32,
}

/// `POST /api/worker/:id/lock`: all of the files or none. Locks that the worker already holds are granted again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockFiles {
    /// The files, 1 to 1000, each of at most 1024 bytes.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1000))]
    pub files: Vec<RelativePath>,
    /// The files were changed already, for example by a shell command. Free ones are locked; for the others nothing is
    /// refused, and the conflict is recorded on both items.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after: bool,
}

/// The answer when all locks were granted, or those that were free (`after`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LocksGranted {
    /// The files that the worker holds now out of those that it asked for.
    pub files: Vec<RelativePath>,
    /// Those that others hold; only with `after`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<LockConflict>,
}

/// One entry of `details.conflicts` when a lock was refused (`lock_held`), or of the answer with `after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockConflict {
    pub file: RelativePath,
    /// The worker that holds it.
    pub worker_id: WorkerId,
    /// The item of that worker.
    pub work_item_id: WorkItemId,
    /// The branch that it works on.
    pub branch: BranchName,
}

/// `POST /api/worker/:id/unlock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnlockFiles {
    /// The files; those that the worker does not hold are passed over.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub files: Vec<RelativePath>,
}

/// `POST /api/worker/:id/complete`: the pull request is open. A repeated report gets the same response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Complete {
    /// The pull request's page.
    #[cfg_attr(feature = "openapi", schema(max_length = 2048, pattern = "^https?://"))]
    pub pr_url: String,
    /// The pull request's number.
    #[cfg_attr(feature = "openapi", schema(value_type = u64, minimum = 1))]
    pub pr_number: IssueNumber,
    /// The head that was delivered.
    pub head_sha: CommitHash,
    /// The checklist as it ended.
    pub spec: String,
    /// Results of the checks; `null` if none were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestReport>,
    /// The iterations that were used.
    pub iterations: u32,
    /// Sums over all iterations.
    #[serde(default)]
    pub stats: WorkerStats,
    /// What the agent learned in this attempt.
    #[serde(default, skip_serializing_if = "ReportedLearnings::is_empty")]
    pub learnings: ReportedLearnings,
}

/// `POST /api/worker/:id/fail`: the attempt ended without a pull request. Sent twice, the same answer twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fail {
    /// Why, for a program: decides whether there is another attempt. `stuck` has a route of its own.
    pub cause: FailureCause,
    /// Why, for a person; shown on the issue.
    pub reason: String,
    /// When the cause is a limit that ends at a known time: seconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// Results of the checks, if they ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestReport>,
    /// The iterations that were used.
    #[serde(default)]
    pub iterations: u32,
    /// Sums over all iterations.
    #[serde(default)]
    pub stats: WorkerStats,
    /// What the agent learned in this attempt.
    #[serde(default, skip_serializing_if = "ReportedLearnings::is_empty")]
    pub learnings: ReportedLearnings,
}

/// `POST /api/worker/:id/stuck`: the agent makes no progress. Ends the attempt like a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stuck {
    /// Why, from `.ai/stuck.md` or from `ralph`; shown on the issue.
    pub reason: String,
    /// Number of consecutive iterations without a change.
    #[serde(default)]
    pub iterations_without_progress: u32,
    /// The iterations that were used.
    #[serde(default)]
    pub iterations: u32,
    /// Sums over all iterations.
    #[serde(default)]
    pub stats: WorkerStats,
    /// What the agent learned in this attempt.
    #[serde(default, skip_serializing_if = "ReportedLearnings::is_empty")]
    pub learnings: ReportedLearnings,
}

/// The response of `complete`, `fail` and `stuck`: the resulting state of the item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptEnded {
    /// The item's state after the attempt.
    pub status: crate::WorkItemStatus,
    /// When it is tried again, if it is.
    pub next_retry_at: Option<chrono::DateTime<chrono::Utc>>,
}

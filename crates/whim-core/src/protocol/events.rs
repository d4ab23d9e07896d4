//! What a worker tells on the way, and what those who watch are told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::worker::TestReport;
use crate::{
    BranchName, CommitHash, FailureCause, IssueNumber, LeaseEpoch, Priority, RepoName, Stage, WorkItemId,
    WorkItemStatus, WorkerId, WorkerStatus,
};

/// One event of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerEvent {
    /// When it happened, by the worker's clock.
    pub occurred_at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub body: WorkerEventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum WorkerEventBody {
    /// The worker went on to another stage.
    Stage {
        /// The stage.
        stage: Stage,
    },
    /// An event of `ralph`, as it came; kinds that this version does not know included.
    Ralph {
        /// The JSON object that `ralph` printed.
        event: Value,
    },
    /// Commits were pushed.
    Pushed {
        /// The new head of the branch.
        head_sha: CommitHash,
    },
    /// The project's tests are running. Counts as progress.
    TestsRunning {
        /// The running command: the tests, or a step that prepares them.
        command: String,
        /// How long it has been running.
        elapsed_seconds: u64,
    },
    /// The project's own tests ran.
    Tests {
        /// What they said.
        report: TestReport,
    },
    /// The pull request is open.
    PullRequest {
        /// Its page.
        url: String,
        /// Its number.
        #[cfg_attr(feature = "openapi", schema(value_type = u64, minimum = 1))]
        number: IssueNumber,
    },
    /// Something that a person may want to know.
    Notice {
        /// The text.
        message: String,
    },
}

/// What viewers of `GET /api/events` and `GET /api/workers/:id/events` are told: the `data` of a server-sent event,
/// whose `event` is the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// An item was made or changed; not in the events of a worker.
    Item(ItemChanged),
    /// A worker was made, or its state changed.
    Worker(WorkerChanged),
    /// A worker told something.
    WorkerEvent(WorkerEventRecord),
    /// Some events were left out here. Where it is said how many, the viewer was too slow, and whoever asks again with
    /// the last identifier that came before gets them; else they are older than the history that is kept.
    Lagged(Lagged),
}

/// The kinds of [`Event`], as they stand in `event`.
pub const EVENT_KINDS: [&str; 4] = ["item", "worker", "worker_event", "lagged"];

/// An item as it is since a change of its state, its place in the queue or its checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemChanged {
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// The item.
    pub work_item_id: WorkItemId,
    /// Its repository.
    pub repo: RepoName,
    /// Its branch.
    pub branch: BranchName,
    /// Its state.
    pub status: WorkItemStatus,
    /// Its priority.
    pub priority: Priority,
    /// Its run.
    pub run: u32,
    /// Retries that were spent in this run.
    pub retries: u32,
    /// When its next attempt is due, while it waits for that.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// Why the latest attempt failed.
    pub failure_cause: Option<FailureCause>,
    /// Tasks of its checklist.
    pub tasks_total: u32,
    /// Those that are done.
    pub tasks_done: u32,
    /// The page of its pull request.
    pub pr_url: Option<String>,
    /// The worker that has it, or had it last.
    pub worker_id: Option<WorkerId>,
}

/// A worker as it is since a change of its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerChanged {
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// The worker.
    pub worker_id: WorkerId,
    /// What it works on.
    pub work_item_id: WorkItemId,
    /// The epoch of its claim.
    pub lease_epoch: LeaseEpoch,
    /// Its state.
    pub status: WorkerStatus,
    /// Why it ended, unless it completed or was killed.
    pub failure_cause: Option<FailureCause>,
}

/// What a worker told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerEventRecord {
    /// The worker.
    pub worker_id: WorkerId,
    /// What it works on.
    pub work_item_id: WorkItemId,
    /// What happened, and when.
    #[serde(flatten)]
    pub event: WorkerEvent,
}

/// How much a viewer missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lagged {
    /// How many events were left out; nobody knows that of those that are older than the history that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_count: Option<u64>,
}

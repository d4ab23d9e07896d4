//! Events: what a worker sends with its heartbeats, and what a subscriber receives.
//!
//! [`WorkerEvent`] is sent by workers, [`SubscriberEvent`] is received by subscribers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::checks::TestReport;
use crate::{
    BranchName, CommitHash, FailureCause, IssueNumber, LeaseEpoch, NoteId, Priority, RepoName, Stage,
    WorkItemId, WorkItemStatus, WorkerId, WorkerStatus,
};

/// One event of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerEvent {
    /// By the worker's clock.
    pub occurred_at: DateTime<Utc>,
    #[serde(flatten)]
    pub body: WorkerEventBody,
}

/// The content of a [`WorkerEvent`].
//
// Fields are renamed one by one: the generator of the OpenAPI document ignores `rename_all_fields`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkerEventBody {
    /// The worker entered a stage.
    Stage { stage: Stage },
    /// An event of `ralph`.
    Ralph { event: RalphEvent },
    /// Commits were pushed.
    Pushed {
        /// New head of the branch.
        #[serde(rename = "headSha")]
        head_sha: CommitHash,
    },
    /// The project's checks are running. Counts as progress.
    TestsRunning {
        /// The running command: a check, or one that prepares it.
        command: String,
        /// How long it has been running.
        #[serde(rename = "elapsedSeconds")]
        elapsed_seconds: u64,
    },
    /// The project's checks ran.
    Tests { report: TestReport },
    /// The pull request is open.
    PullRequest {
        url: String,
        #[cfg_attr(feature = "openapi", schema(value_type = u64, minimum = 1))]
        number: IssueNumber,
    },
    /// A message for a person.
    Notice { message: String },
}

/// The JSON object that `ralph` printed, unchanged except that secrets are masked and long texts are cut. Kinds that
/// this version does not know are included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct RalphEvent(Map<String, Value>);

impl RalphEvent {
    /// The name of the event; empty if there is none.
    pub fn name(&self) -> &str {
        self.0.get("event").and_then(Value::as_str).unwrap_or_default()
    }

    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl From<Map<String, Value>> for RalphEvent {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

/// The `data` of a server-sent event of `GET /api/events` and `GET /api/workers/:id/events`. The field `event` of the
/// server-sent event is its `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SubscriberEvent {
    /// An item was created or changed. Not part of the events of one worker.
    Item(ItemChanged),
    /// A worker was created, or its state changed.
    Worker(WorkerChanged),
    /// A worker sent an event.
    WorkerEvent(WorkerEventRecord),
    /// There are more entries in the transcript of an attempt. At most about one per second and worker.
    Transcript(TranscriptChanged),
    /// The diff of an item was replaced.
    Diff(DiffChanged),
    /// A person wrote a note to the agent of an item. Not part of the events of one worker.
    NoteAdded(NoteAdded),
    /// A prompt of an agent had a note for the first time.
    NoteDelivered(NoteDelivered),
    /// Events are missing at this place. With `droppedCount` the subscriber read too slowly, and receives them if it
    /// reconnects with the last identifier before this event. Without it they are older than the retention.
    Lagged(Lagged),
}

impl SubscriberEvent {
    /// Every [`kind`](Self::kind).
    pub const KINDS: [&'static str; 8] = [
        "item",
        "worker",
        "worker_event",
        "transcript",
        "diff",
        "note_added",
        "note_delivered",
        "lagged",
    ];

    /// The tag on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Item(_) => "item",
            Self::Worker(_) => "worker",
            Self::WorkerEvent(_) => "worker_event",
            Self::Transcript(_) => "transcript",
            Self::Diff(_) => "diff",
            Self::NoteAdded(_) => "note_added",
            Self::NoteDelivered(_) => "note_delivered",
            Self::Lagged(_) => "lagged",
        }
    }

    /// The worker in whose stream the event appears.
    pub fn worker_id(&self) -> Option<WorkerId> {
        match self {
            Self::Item(_) | Self::NoteAdded(_) | Self::Lagged(_) => None,
            Self::Worker(worker) => Some(worker.worker_id),
            Self::WorkerEvent(record) => Some(record.worker_id),
            Self::Transcript(changed) => Some(changed.worker_id),
            Self::Diff(changed) => Some(changed.worker_id),
            Self::NoteDelivered(delivered) => Some(delivered.worker_id),
        }
    }
}

/// An item after a change of its state, its position in the queue or its checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemChanged {
    pub occurred_at: DateTime<Utc>,
    pub work_item_id: WorkItemId,
    pub repo: RepoName,
    pub branch: BranchName,
    pub status: WorkItemStatus,
    pub priority: Priority,
    pub run: u32,
    /// Retries spent in this run.
    pub retries: u32,
    /// When the next attempt is due, while the item is in backoff.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// Why the latest attempt failed.
    pub failure_cause: Option<FailureCause>,
    pub tasks_total: u32,
    pub tasks_done: u32,
    /// URL of the pull request.
    pub pr_url: Option<String>,
    /// The worker of the current attempt, or of the latest one.
    pub worker_id: Option<WorkerId>,
}

/// A worker after a change of its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerChanged {
    pub occurred_at: DateTime<Utc>,
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    pub lease_epoch: LeaseEpoch,
    pub status: WorkerStatus,
    /// Why it ended, unless it completed or was killed.
    pub failure_cause: Option<FailureCause>,
}

/// A [`WorkerEvent`] with its sender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerEventRecord {
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    #[serde(flatten)]
    pub event: WorkerEvent,
}

/// The transcript of an attempt has more entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptChanged {
    pub occurred_at: DateTime<Utc>,
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    pub lease_epoch: LeaseEpoch,
    /// Number of the newest entry.
    pub last_number: u64,
}

/// The diff of an item belongs to another head now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DiffChanged {
    pub occurred_at: DateTime<Utc>,
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    pub lease_epoch: LeaseEpoch,
    /// The pushed head.
    pub head_sha: CommitHash,
}

/// A run of an item has another note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoteAdded {
    pub occurred_at: DateTime<Utc>,
    pub work_item_id: WorkItemId,
    pub run: u32,
    pub note_id: NoteId,
}

/// An agent has a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NoteDelivered {
    pub occurred_at: DateTime<Utc>,
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    pub lease_epoch: LeaseEpoch,
    pub run: u32,
    pub note_id: NoteId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lagged {
    /// How many events were dropped; missing if they are older than the retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_count: Option<u64>,
}

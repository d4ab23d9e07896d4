//! Workers as the API shows them.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::types::Json;
use whim_core::protocol::stats::WorkerStats;
use whim_core::protocol::workers::{Worker, WorkerFilter};
use whim_core::{FailureCause, RepoName, Stage, WorkItemId, WorkerId, WorkerStatus};

struct Row {
    id: WorkerId,
    work_item_id: WorkItemId,
    repo: RepoName,
    status: WorkerStatus,
    stage: Option<Stage>,
    iteration: i32,
    max_iterations: i32,
    stats: Json<WorkerStats>,
    started_at: DateTime<Utc>,
    last_heartbeat_at: Option<DateTime<Utc>>,
    lease_expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    error: Option<String>,
    failure_cause: Option<FailureCause>,
}

impl From<Row> for Worker {
    fn from(row: Row) -> Self {
        let Row {
            id,
            work_item_id,
            repo,
            status,
            stage,
            iteration,
            max_iterations,
            stats: Json(stats),
            started_at,
            last_heartbeat_at,
            lease_expires_at,
            ended_at,
            error,
            failure_cause,
        } = row;
        Self {
            id,
            work_item_id,
            repo,
            status,
            stage: stage.filter(|_| status == WorkerStatus::Running),
            iteration: iteration.cast_unsigned(),
            max_iterations: max_iterations.cast_unsigned(),
            stats,
            started_at,
            last_heartbeat_at,
            lease_expires_at: (!status.is_terminal()).then_some(lease_expires_at),
            ended_at,
            error,
            failure_cause,
        }
    }
}

macro_rules! select {
    ($rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            "select w.id, w.work_item_id, i.repo, w.status, b.stage, b.iteration, w.max_iterations, b.stats,
                    w.started_at, b.last_heartbeat_at, b.lease_expires_at, w.ended_at, w.error, w.failure_cause
             from workers w
             join work_items i on i.id = w.work_item_id
             join worker_heartbeats b on b.worker_id = w.id "
                + $rest
            $(, $argument)*
        )
    };
}

/// One worker.
pub async fn find(db: impl PgExecutor<'_>, id: WorkerId) -> sqlx::Result<Option<Worker>> {
    let row = select!("where w.id = $1", id as WorkerId)
        .fetch_optional(db)
        .await?;
    Ok(row.map(Worker::from))
}

/// At most `limit` workers that match the filter, newest first, after the filter's cursor. The filter's own limit is
/// ignored.
pub async fn page(db: impl PgExecutor<'_>, filter: &WorkerFilter, limit: i64) -> sqlx::Result<Vec<Worker>> {
    let rows = select!(
        "where ($1::worker_status is null or w.status = $1)
           and ($2::uuid is null or w.id < $2)
         order by w.id desc
         limit $3",
        filter.status as Option<WorkerStatus>,
        filter.cursor as Option<WorkerId>,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Worker::from).collect())
}

//! Attempts of an item, with what their workers reported.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::types::Json;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::stats::WorkerStats;
use whim_core::{FailureCause, LeaseEpoch, WorkItemId, WorkerId, WorkerStatus};

/// An attempt.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    pub worker: WorkerId,
    pub lease_epoch: LeaseEpoch,
    pub status: WorkerStatus,
    pub started_at: DateTime<Utc>,
    pub registered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub failure_cause: Option<FailureCause>,
    pub error: Option<String>,
    pub max_iterations: i32,
    pub tests: Option<Json<TestReport>>,
    pub stats: Json<WorkerStats>,
    pub transcript_entries: i64,
    /// Whether events of the attempt may have been dropped.
    pub is_beyond_retention: bool,
}

/// At most `limit` attempts below the epoch `cursor`, newest first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn attempts(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    cursor: Option<LeaseEpoch>,
    limit: i64,
    event_retention_days: u32,
) -> sqlx::Result<Vec<AttemptRow>> {
    sqlx::query_as!(
        AttemptRow,
        r#"select w.id as "worker: WorkerId", w.lease_epoch as "lease_epoch: LeaseEpoch",
                  w.status as "status: WorkerStatus", w.started_at, w.registered_at, w.ended_at,
                  w.failure_cause as "failure_cause: FailureCause", w.error, w.max_iterations,
                  w.tests as "tests: Json<TestReport>", b.stats as "stats: Json<WorkerStats>",
                  coalesce(t.last_number, 0) as "transcript_entries!",
                  (w.started_at at time zone 'utc')::date < (now() at time zone 'utc')::date - $4::int
                      as "is_beyond_retention!"
         from workers w
         join worker_heartbeats b on b.worker_id = w.id
         left join transcripts t on t.worker_id = w.id
         where w.work_item_id = $1 and ($2::bigint is null or w.lease_epoch < $2)
         order by w.lease_epoch desc limit $3"#,
        item as WorkItemId,
        cursor as Option<LeaseEpoch>,
        limit,
        event_retention_days.cast_signed(),
    )
    .fetch_all(db)
    .await
}

/// An event of a worker that a timeline shows.
#[derive(Clone, Debug)]
pub struct Milestone {
    pub worker: WorkerId,
    pub occurred_at: DateTime<Utc>,
    /// A `WorkerEventBody` as JSON.
    pub body: String,
}

/// Stages, iterations, commits, pushes and pull requests that these workers reported, in order; at most `limit` of each
/// worker.
///
/// # Errors
/// Postgres is unavailable.
pub async fn milestones(
    db: impl PgExecutor<'_>,
    workers: &[WorkerId],
    limit: i64,
) -> sqlx::Result<Vec<Milestone>> {
    sqlx::query_as!(
        Milestone,
        r#"select w.id as "worker!: WorkerId", e.occurred_at, e.body as "body!"
         from unnest($1::uuid[]) as w (id)
         cross join lateral (
             select id, occurred_at, body::text
             from events
             where worker_id = w.id and kind = 'worker_event'
               and (body ->> 'type' in ('stage', 'pushed', 'pull_request')
                    or body -> 'event' ->> 'event' in ('iteration_done', 'commit')
                    or (body -> 'event' ->> 'event' = 'iteration' and body -> 'event' ->> 'phase' = 'starting'))
             order by id limit $2
         ) e
         order by e.id"#,
        workers as &[WorkerId],
        limit,
    )
    .fetch_all(db)
    .await
}

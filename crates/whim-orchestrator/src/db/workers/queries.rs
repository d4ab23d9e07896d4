//! Queries about workers that decide what happens next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkerId, WorkerStatus};

use super::final_response::FinalResponse;

/// The worker that a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    pub id: WorkerId,
    pub lease_epoch: LeaseEpoch,
    /// The repository that it works on.
    pub repo: RepoName,
    pub max_iterations: u32,
    /// Whether it has not ended.
    pub live: bool,
}

/// The worker whose token has this hash, unless it ended longer than `afterlife` ago.
pub async fn by_token(
    db: impl PgExecutor<'_>,
    token_hash: &[u8; 32],
    afterlife: Duration,
) -> sqlx::Result<Option<TokenOwner>> {
    let row = sqlx::query!(
        r#"select w.id, w.lease_epoch, w.max_iterations, w.ended_at is null as "live!", i.repo
         from workers w join work_items i on i.id = w.work_item_id
         where w.token_hash = $1 and (w.ended_at is null or w.ended_at > now() - make_interval(secs => $2))"#,
        token_hash.as_slice(),
        afterlife.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| TokenOwner {
        id: row.id,
        lease_epoch: row.lease_epoch,
        repo: row.repo,
        max_iterations: row.max_iterations.cast_unsigned(),
        live: row.live,
    }))
}

/// A worker whose row is locked until the end of the transaction. Its item is locked before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    pub id: WorkerId,
    pub lease_epoch: LeaseEpoch,
    pub status: WorkerStatus,
    /// Nonce of the process that registered.
    pub nonce: Option<String>,
    pub registered_at: Option<DateTime<Utc>>,
    /// The orchestrator instance that started it.
    pub instance: String,
    /// Set when the worker ended with a report of its own.
    pub final_response: Option<FinalResponse>,
}

/// Locks a worker.
pub async fn lock(db: &mut PgConnection, id: WorkerId) -> sqlx::Result<Option<Locked>> {
    let row = sqlx::query!(
        "select id, lease_epoch, status, nonce, registered_at, instance, final_response
         from workers where id = $1 for no key update",
        id as WorkerId
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Locked {
        id: row.id,
        lease_epoch: row.lease_epoch,
        status: row.status,
        nonce: row.nonce,
        registered_at: row.registered_at,
        instance: row.instance,
        final_response: row.final_response.map(|Json(response)| response),
    }))
}

/// Number of the attempt with this epoch among those that registered, from 1.
pub async fn attempt_number(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    epoch: LeaseEpoch,
) -> sqlx::Result<u32> {
    let earlier = sqlx::query_scalar!(
        r#"select count(*) as "count!" from workers
         where work_item_id = $1 and lease_epoch < $2 and registered_at is not null"#,
        item as WorkItemId,
        epoch as LeaseEpoch,
    )
    .fetch_one(db)
    .await?;
    Ok(u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1))
}

/// Whether a worker is running and still has its item.
pub async fn has_lease(db: impl PgExecutor<'_>, id: WorkerId, epoch: LeaseEpoch) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
             select from workers w join work_items i on i.id = w.work_item_id
             where w.id = $1 and w.lease_epoch = $2 and w.status = 'running'
               and i.worker_id = w.id and i.lease_epoch = w.lease_epoch and i.status = 'in_progress'
         ) as "exists!""#,
        id as WorkerId,
        epoch as LeaseEpoch,
    )
    .fetch_one(db)
    .await
}

/// Whether the attempt before this epoch was taken from its worker: its lease expired, or it was killed or cancelled.
/// Such a worker does not know yet and may push once more. One that sent a final report pushes nothing after it.
pub async fn predecessor_was_fenced(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    epoch: LeaseEpoch,
) -> sqlx::Result<bool> {
    let fenced = sqlx::query_scalar!(
        r#"select final_response is null as "fenced!" from workers
         where work_item_id = $1 and lease_epoch < $2 and registered_at is not null
         order by lease_epoch desc limit 1"#,
        item as WorkItemId,
        epoch as LeaseEpoch,
    )
    .fetch_optional(db)
    .await?;
    Ok(fenced.unwrap_or_default())
}

/// Gives the running workers of an instance a full lease, counted from now; returns how many those were.
pub async fn renew_leases(db: impl PgExecutor<'_>, instance: &str, lease: Duration) -> sqlx::Result<u64> {
    let renewed = sqlx::query!(
        "update worker_heartbeats b
         set lease_expires_at = greatest(b.lease_expires_at, now() + make_interval(secs => $2)), progress_at = now()
         from workers w
         where w.id = b.worker_id and w.instance = $1 and w.status in ('starting', 'running')",
        instance,
        lease.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(renewed.rows_affected())
}

/// Workers that occupy a slot.
pub async fn count_live(db: impl PgExecutor<'_>) -> sqlx::Result<u32> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from workers where status in ('starting', 'running')"#
    )
    .fetch_one(db)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Live workers by state.
pub async fn count_live_by_status(db: impl PgExecutor<'_>) -> sqlx::Result<[(WorkerStatus, u32); 2]> {
    let counts = sqlx::query!(
        r#"select count(*) filter (where status = 'starting') as "starting!",
                  count(*) filter (where status = 'running') as "running!"
           from workers where status in ('starting', 'running')"#
    )
    .fetch_one(db)
    .await?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok([
        (WorkerStatus::Starting, count(counts.starting)),
        (WorkerStatus::Running, count(counts.running)),
    ])
}

/// Time since the latest claim; `None` before the first.
pub async fn since_last_start(db: impl PgExecutor<'_>) -> sqlx::Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        r#"select extract(epoch from now() - started_at)::float8 as "seconds!" from workers order by id desc limit 1"#
    )
    .fetch_optional(db)
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// A worker that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveWorker {
    pub id: WorkerId,
    /// The orchestrator instance that started it.
    pub instance: String,
}

/// Workers that have not ended, oldest first.
pub async fn live(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<LiveWorker>> {
    sqlx::query_as!(
        LiveWorker,
        "select id, instance from workers where status in ('starting', 'running') order by id"
    )
    .fetch_all(db)
    .await
}

/// The deadline that a live worker missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    Registration,
    /// No heartbeat renewed its lease.
    Lease,
    /// Its heartbeats carry no progress.
    Progress,
}

/// A live worker that missed a deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    pub id: WorkerId,
    /// The orchestrator instance that started it.
    pub instance: String,
    pub overdue: Overdue,
}

/// Live workers that missed a deadline; `progress_deadline` is the longest time without progress.
pub async fn expired(db: impl PgExecutor<'_>, progress_deadline: Duration) -> sqlx::Result<Vec<Expired>> {
    let rows = sqlx::query!(
        r#"select w.id, w.instance, w.status, b.lease_expires_at < now() as "lease_ended!"
         from workers w join worker_heartbeats b on b.worker_id = w.id
         where w.status in ('starting', 'running')
           and (b.lease_expires_at < now()
                or (w.status = 'running' and b.progress_at < now() - make_interval(secs => $1)))
         order by w.id"#,
        progress_deadline.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    let overdue = |status, lease_ended| match (status, lease_ended) {
        (WorkerStatus::Starting, _) => Overdue::Registration,
        (_, true) => Overdue::Lease,
        (_, false) => Overdue::Progress,
    };
    Ok(rows
        .into_iter()
        .map(|row| Expired {
            id: row.id,
            instance: row.instance,
            overdue: overdue(row.status, row.lease_ended),
        })
        .collect())
}

/// A worker that has ended in the database, while its process or container may still run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingStop {
    pub id: WorkerId,
    /// Whether to stop it at once. Otherwise it sent a final report and exits by itself.
    pub stop_requested: bool,
    pub ended_ago: Duration,
}

/// Ended workers of an instance whose stop the runtime has not confirmed, oldest first.
pub async fn awaiting_stop(db: impl PgExecutor<'_>, instance: &str) -> sqlx::Result<Vec<AwaitingStop>> {
    let rows = sqlx::query!(
        r#"select id, stop_requested,
                  extract(epoch from now() - ended_at)::float8 as "ended_ago!"
         from workers
         where instance = $1 and ended_at is not null and stopped_at is null
         order by id"#,
        instance
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AwaitingStop {
            id: row.id,
            stop_requested: row.stop_requested,
            ended_ago: Duration::try_from_secs_f64(row.ended_ago).unwrap_or_default(),
        })
        .collect())
}

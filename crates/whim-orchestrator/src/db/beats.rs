//! Signs of life.

use std::time::Duration;

use ralph_contract::IterationStats;
use sqlx::PgConnection;
use sqlx::types::Json;
use whim_core::{LeaseEpoch, Stage, WorkItemId, WorkerId};

/// What a heartbeat tells.
#[derive(Clone, Copy, Debug)]
pub struct Beat<'a> {
    /// Its number; what is not newer than the latest changes nothing but the lease.
    pub seq: i64,
    /// The iteration.
    pub iteration: i32,
    /// The stage, when it is told.
    pub stage: Option<Stage>,
    /// The sums so far, when they are told.
    pub stats: Option<&'a IterationStats>,
    /// Whether something happened.
    pub progress: bool,
}

/// What a heartbeat did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The lease is renewed and what it tells is kept.
    New(Known),
    /// The lease is renewed; what it tells was known.
    Repeated,
    /// The worker has its item no more: nothing changed.
    LeaseLost,
}

/// What was known before a heartbeat that told something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The iteration.
    pub iteration: i32,
    /// The worker's item.
    pub work_item_id: WorkItemId,
}

/// Renews the lease of a worker that has its item, and keeps what is new.
pub async fn record(
    db: &mut PgConnection,
    worker: WorkerId,
    epoch: LeaseEpoch,
    lease: Duration,
    beat: &Beat<'_>,
) -> sqlx::Result<Recorded> {
    // One statement, because this is the most frequent one. `old` is the row before the update.
    let known = sqlx::query!(
        r#"update worker_beats b
         set last_heartbeat_at = now(),
             lease_expires_at = now() + make_interval(secs => $3),
             seq = greatest(b.seq, $4),
             iteration = case when $4 > b.seq then greatest(b.iteration, $5) else b.iteration end,
             stage = case when $4 > b.seq then coalesce($6, b.stage) else b.stage end,
             stats = case when $4 > b.seq then coalesce($7, b.stats) else b.stats end,
             progress_at = case when $4 > b.seq and $8 then now() else b.progress_at end
         from worker_beats old
         join workers w on w.id = old.worker_id
         join work_items i on i.id = w.work_item_id
         where b.worker_id = $1 and old.worker_id = $1
           and w.lease_epoch = $2 and w.status = 'running'
           and i.worker_id = w.id and i.lease_epoch = w.lease_epoch and i.status = 'in_progress'
         returning old.seq, old.iteration, w.work_item_id"#,
        worker as WorkerId,
        epoch as LeaseEpoch,
        lease.as_secs_f64(),
        beat.seq,
        beat.iteration,
        beat.stage as Option<Stage>,
        beat.stats.map(Json) as Option<Json<&IterationStats>>,
        beat.progress,
    )
    .fetch_optional(db)
    .await?;
    Ok(match known {
        None => Recorded::LeaseLost,
        Some(known) if beat.seq > known.seq => Recorded::New(Known {
            iteration: known.iteration,
            work_item_id: known.work_item_id,
        }),
        Some(_) => Recorded::Repeated,
    })
}

/// Keeps the sums with which a worker ended.
pub async fn settle(
    db: &mut PgConnection,
    worker: WorkerId,
    iteration: i32,
    stats: Option<&IterationStats>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update worker_beats set iteration = greatest(iteration, $2), stats = coalesce($3, stats) where worker_id = $1",
        worker as WorkerId,
        iteration,
        stats.map(Json) as Option<Json<&IterationStats>>,
    )
    .execute(db)
    .await?;
    Ok(())
}

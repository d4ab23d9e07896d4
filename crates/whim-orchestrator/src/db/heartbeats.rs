//! Heartbeats of workers: leases, progress, events and used iterations.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::types::Json;
use whim_core::protocol::stats::WorkerStats;
use whim_core::{LeaseEpoch, Stage, WorkItemId, WorkerId};

use super::events::{self, NewEvent};

/// One heartbeat, without its events.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatRow {
    pub worker: WorkerId,
    pub lease_epoch: LeaseEpoch,
    /// A number that is not above the latest one renews the lease and changes nothing else.
    pub seq: i64,
    pub iteration: i32,
    /// `None` keeps the stored stage.
    pub stage: Option<Stage>,
    /// `None` keeps the stored sums.
    pub stats: Option<WorkerStats>,
    /// Whether the heartbeat carries progress, as opposed to a repetition.
    pub progress: bool,
}

/// A worker whose lease was renewed, with its state before the heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewedLease {
    pub worker: WorkerId,
    /// `seq` of the latest heartbeat before this one.
    pub seq: i64,
    pub work_item_id: WorkItemId,
    /// Notes of the item's run.
    pub note_count: u32,
}

/// Result of [`record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatOutcome {
    /// Workers that still hold their items.
    pub renewed: Vec<RenewedLease>,
    /// Iterations that count against the day's budget for the first time.
    pub new_iterations: u32,
}

/// Whether a crash of Postgres may lose the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It may not.
    Whole,
    /// It may lose what the next heartbeat repeats: everything but events and iterations. The commit of a batch without
    /// those does not wait for the disk.
    UntilNext,
}

/// Heartbeats as columns.
struct Columns {
    workers: Vec<WorkerId>,
    epochs: Vec<LeaseEpoch>,
    seqs: Vec<i64>,
    iterations: Vec<i32>,
    stages: Vec<Option<Stage>>,
    stats: Vec<Option<Json<WorkerStats>>>,
    progress: Vec<bool>,
}

impl Columns {
    fn of(rows: &[HeartbeatRow]) -> Self {
        Self {
            workers: rows.iter().map(|row| row.worker).collect(),
            epochs: rows.iter().map(|row| row.lease_epoch).collect(),
            seqs: rows.iter().map(|row| row.seq).collect(),
            iterations: rows.iter().map(|row| row.iteration).collect(),
            stages: rows.iter().map(|row| row.stage).collect(),
            stats: rows.iter().map(|row| row.stats.map(Json)).collect(),
            progress: rows.iter().map(|row| row.progress).collect(),
        }
    }
}

macro_rules! record {
    ($db:expr, $rows:expr, $lease:expr, $may_be_lost:expr, $insert_events:literal $(, $argument:expr)*) => {
        // `lateral` and `offset 0` force lookups by key, because the planner cannot estimate the number of rows. `current`
        // holds the values of the locked rows; the update alone would see an older version.
        sqlx::query!(
            r#"with current as materialized (
                 select t.*, b.seq as current_seq, b.iteration as current_iteration, w.work_item_id, i.note_count
                 from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::worker_stage[], $6::jsonb[], $7::bool[])
                     as t (worker_id, lease_epoch, seq, iteration, stage, stats, progress)
                 cross join lateral (
                     select work_item_id from workers
                     where id = t.worker_id and lease_epoch = t.lease_epoch and status = 'running'
                     offset 0
                 ) w
                 cross join lateral (
                     select note_count from work_items
                     where id = w.work_item_id and worker_id = t.worker_id and lease_epoch = t.lease_epoch
                       and status = 'in_progress'
                     offset 0
                 ) i
                 cross join lateral (
                     select seq, iteration from worker_heartbeats where worker_id = t.worker_id
                     for no key update skip locked
                 ) b
             ),
             renewed as (
                 update worker_heartbeats b
                 set last_heartbeat_at = now(),
                     lease_expires_at = now() + make_interval(secs => $8),
                     seq = greatest(c.current_seq, c.seq),
                     iteration = case when c.seq > c.current_seq then greatest(c.current_iteration, c.iteration)
                                 else c.current_iteration end,
                     stage = case when c.seq > c.current_seq then coalesce(c.stage, b.stage) else b.stage end,
                     stats = case when c.seq > c.current_seq then coalesce(c.stats, b.stats) else b.stats end,
                     progress_at = case when c.seq > c.current_seq and c.progress then now() else b.progress_at end
                 from current c
                 where b.worker_id = c.worker_id
                 returning b.worker_id, c.work_item_id, c.note_count, c.current_seq, c.seq > c.current_seq as is_new,
                           c.current_iteration, b.iteration
             ),
             counted as (
                 insert into worker_iterations (worker_id, iteration)
                 select worker_id, n
                 from renewed, generate_series(renewed.current_iteration + 1, renewed.iteration) as n
                 on conflict do nothing
                 returning iteration
             ),
             setting as materialized (
                 select case when $9::bool and not exists (select from counted)
                             then set_config('synchronous_commit', 'off', true) end
             )"#
                + $insert_events
                + r#" select r.worker_id as "worker!: WorkerId", r.work_item_id as "work_item_id!: WorkItemId",
                             r.note_count as "note_count!",
                             r.current_seq as "seq!", (select count(*) from counted) as "new_iterations!"
                      from renewed r cross join setting"#,
            &$rows.workers as &[WorkerId],
            &$rows.epochs as &[LeaseEpoch],
            &$rows.seqs,
            &$rows.iterations,
            &$rows.stages as &[Option<Stage>],
            &$rows.stats as &[Option<Json<WorkerStats>>],
            &$rows.progress,
            $lease.as_secs_f64(),
            $may_be_lost
            $(, $argument)*
        )
        .fetch_all($db)
        .await
        .map(|rows| HeartbeatOutcome {
            new_iterations: rows
                .first()
                .map_or(0, |row| u32::try_from(row.new_iterations).unwrap_or(u32::MAX)),
            renewed: rows
                .into_iter()
                .map(|row| RenewedLease {
                    worker: row.worker,
                    seq: row.seq,
                    work_item_id: row.work_item_id,
                    note_count: row.note_count.cast_unsigned(),
                })
                .collect(),
        })
    };
}

/// Renews the leases of workers that still hold their items and stores what is new, with `events`. `rows` holds each
/// worker at most once. One statement, because the answers to all of these heartbeats wait for it.
///
/// Nothing changes for a worker that is missing in the result: it lost its item, or another transaction has locked its
/// row. Locked rows are skipped, so that one worker does not delay the others.
///
/// # Errors
/// Postgres is unavailable, or an event cannot be written as JSON.
pub async fn record(
    db: &mut PgConnection,
    lease: Duration,
    rows: &[HeartbeatRow],
    events: &[NewEvent<'_>],
    durability: Durability,
) -> sqlx::Result<HeartbeatOutcome> {
    let rows = Columns::of(rows);
    let events = events::Columns::of(events)?;
    if events.workers.is_empty() {
        return record!(db, rows, lease, durability == Durability::UntilNext, "");
    }
    // A separate statement: an insert into `events` takes the position lock even if it inserts no rows.
    record!(
        db,
        rows,
        lease,
        false,
        ", inserted as (
             insert into events (kind, worker_id, work_item_id, seq, ordinal, occurred_at, body)
             select 'worker_event', r.worker_id, r.work_item_id, e.seq, e.ordinal, e.occurred_at, e.body
             from unnest($10::uuid[], $11::bigint[], $12::int[], $13::timestamptz[], $14::jsonb[])
                 with ordinality as e (worker_id, seq, ordinal, occurred_at, body, place)
             join renewed r on r.worker_id = e.worker_id and r.is_new
             order by e.place
         )",
        &events.workers as &[WorkerId],
        &events.seqs,
        &events.ordinals,
        &events.times,
        &events.bodies
    )
}

/// Locks a worker's row until the end of the transaction.
///
/// # Errors
/// Postgres is unavailable.
pub async fn lock(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<()> {
    sqlx::query!(
        "select from worker_heartbeats where worker_id = $1 for no key update",
        worker as WorkerId
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// Stores the iterations and sums of a worker's last report.
///
/// # Errors
/// Postgres is unavailable.
pub async fn settle(
    db: &mut PgConnection,
    worker: WorkerId,
    iteration: i32,
    stats: Option<&WorkerStats>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update worker_heartbeats set iteration = greatest(iteration, $2), stats = coalesce($3, stats) where worker_id = $1",
        worker as WorkerId,
        iteration,
        stats.map(Json) as Option<Json<&WorkerStats>>,
    )
    .execute(db)
    .await?;
    Ok(())
}

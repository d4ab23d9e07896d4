//! Signs of life.

use std::time::Duration;

use ralph_contract::IterationStats;
use sqlx::PgConnection;
use sqlx::types::Json;
use whim_core::{LeaseEpoch, Stage, WorkItemId, WorkerId};

use super::events::{self, NewEvent};

/// What a heartbeat tells.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatRow {
    /// The worker.
    pub worker: WorkerId,
    /// Its epoch.
    pub lease_epoch: LeaseEpoch,
    /// Its number; what is not newer than the latest changes nothing but the lease.
    pub seq: i64,
    /// The iteration.
    pub iteration: i32,
    /// The stage, when it is told.
    pub stage: Option<Stage>,
    /// The sums so far, when they are told.
    pub stats: Option<IterationStats>,
    /// Whether something new happened.
    pub progress: bool,
}

/// A worker whose lease was renewed, as it was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewedLease {
    /// The worker.
    pub worker: WorkerId,
    /// The latest heartbeat that carried something new.
    pub seq: i64,
    /// The worker's item.
    pub work_item_id: WorkItemId,
}

/// What became of heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatOutcome {
    /// The workers that have their items.
    pub known: Vec<RenewedLease>,
    /// How many iterations count against the day that did not before.
    pub new_iterations: u32,
}

/// Whether a crash of Postgres may cost what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It may not.
    Whole,
    /// It may, as far as the next heartbeat tells it again: everything but events and iterations. The commit does not
    /// wait for the disk then.
    UntilNext,
}

/// Heartbeats as columns.
struct Columns {
    workers: Vec<WorkerId>,
    epochs: Vec<LeaseEpoch>,
    seqs: Vec<i64>,
    iterations: Vec<i32>,
    stages: Vec<Option<Stage>>,
    stats: Vec<Option<Json<IterationStats>>>,
    progress: Vec<bool>,
}

impl Columns {
    fn of(beats: &[HeartbeatRow]) -> Self {
        Self {
            workers: beats.iter().map(|beat| beat.worker).collect(),
            epochs: beats.iter().map(|beat| beat.lease_epoch).collect(),
            seqs: beats.iter().map(|beat| beat.seq).collect(),
            iterations: beats.iter().map(|beat| beat.iteration).collect(),
            stages: beats.iter().map(|beat| beat.stage).collect(),
            stats: beats.iter().map(|beat| beat.stats.map(Json)).collect(),
            progress: beats.iter().map(|beat| beat.progress).collect(),
        }
    }
}

macro_rules! record {
    ($db:expr, $beats:expr, $lease:expr, $may_be_lost:expr, $told:literal $(, $argument:expr)*) => {
        // The rows are looked up one by one by their keys (`lateral` and `offset 0`), because the planner cannot know how
        // many there are. `known` is what is in the row that was locked; the update would see what it was before.
        sqlx::query!(
            r#"with known as materialized (
                 select t.*, b.seq as known_seq, b.iteration as known_iteration, w.work_item_id
                 from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::worker_stage[], $6::jsonb[], $7::bool[])
                     as t (worker_id, lease_epoch, seq, iteration, stage, stats, progress)
                 cross join lateral (
                     select work_item_id from workers
                     where id = t.worker_id and lease_epoch = t.lease_epoch and status = 'running'
                     offset 0
                 ) w
                 cross join lateral (
                     select from work_items
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
                     seq = greatest(k.known_seq, k.seq),
                     iteration = case when k.seq > k.known_seq then greatest(k.known_iteration, k.iteration)
                                 else k.known_iteration end,
                     stage = case when k.seq > k.known_seq then coalesce(k.stage, b.stage) else b.stage end,
                     stats = case when k.seq > k.known_seq then coalesce(k.stats, b.stats) else b.stats end,
                     progress_at = case when k.seq > k.known_seq and k.progress then now() else b.progress_at end
                 from known k
                 where b.worker_id = k.worker_id
                 returning b.worker_id, k.work_item_id, k.known_seq, k.seq > k.known_seq as is_new,
                           k.known_iteration, b.iteration
             ),
             counted as (
                 insert into worker_iterations (worker_id, iteration)
                 select worker_id, n
                 from renewed, generate_series(renewed.known_iteration + 1, renewed.iteration) as n
                 on conflict do nothing
                 returning iteration
             ),
             setting as materialized (
                 select case when $9::bool and not exists (select from counted)
                             then set_config('synchronous_commit', 'off', true) end
             )"#
                + $told
                + r#" select r.worker_id as "worker!: WorkerId", r.work_item_id as "work_item_id!: WorkItemId",
                             r.known_seq as "seq!", (select count(*) from counted) as "new_iterations!"
                      from renewed r cross join setting"#,
            &$beats.workers as &[WorkerId],
            &$beats.epochs as &[LeaseEpoch],
            &$beats.seqs,
            &$beats.iterations,
            &$beats.stages as &[Option<Stage>],
            &$beats.stats as &[Option<Json<IterationStats>>],
            &$beats.progress,
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
            known: rows
                .into_iter()
                .map(|row| RenewedLease {
                    worker: row.worker,
                    seq: row.seq,
                    work_item_id: row.work_item_id,
                })
                .collect(),
        })
    };
}

/// Renews the leases of workers that have their items, each at most once in `beats`, and keeps what is new, with what
/// they told: in one statement, because the answers to all of them wait for it.
///
/// A worker that is missing in the answer has its item no more, or another transaction holds its row just now: nothing
/// changed. Nobody is waited for, so that no worker holds up the others.
///
/// # Errors
/// When the database refuses, or an event cannot be written as JSON.
pub async fn record(
    db: &mut PgConnection,
    lease: Duration,
    beats: &[HeartbeatRow],
    told: &[NewEvent<'_>],
    durability: Durability,
) -> sqlx::Result<HeartbeatOutcome> {
    let beats = Columns::of(beats);
    let events = events::Columns::of(told)?;
    if events.workers.is_empty() {
        return record!(db, beats, lease, durability == Durability::UntilNext, "");
    }
    // Only where there are events: whoever may insert some has to announce that, even if there are none.
    record!(
        db,
        beats,
        lease,
        false,
        ", told as (
             insert into events (kind, worker_id, work_item_id, seq, ordinal, occurred_at, body)
             select 'worker_event', r.worker_id, r.work_item_id, e.seq, e.ordinal, e.at, e.body
             from unnest($10::uuid[], $11::bigint[], $12::int[], $13::timestamptz[], $14::jsonb[])
                 with ordinality as e (worker_id, seq, ordinal, at, body, place)
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

/// Waits until no other transaction holds a worker's row, and keeps it from others until the end of this one.
pub async fn lock(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<()> {
    sqlx::query!(
        "select from worker_heartbeats where worker_id = $1 for no key update",
        worker as WorkerId
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// Keeps the sums with which a worker ended.
pub async fn settle(
    db: &mut PgConnection,
    worker: WorkerId,
    iteration: i32,
    stats: Option<&IterationStats>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update worker_heartbeats set iteration = greatest(iteration, $2), stats = coalesce($3, stats) where worker_id = $1",
        worker as WorkerId,
        iteration,
        stats.map(Json) as Option<Json<&IterationStats>>,
    )
    .execute(db)
    .await?;
    Ok(())
}

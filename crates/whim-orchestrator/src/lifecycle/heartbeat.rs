//! `POST /api/worker/:id/heartbeat`.

use std::sync::Arc;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use whim_core::CommitHash;
use whim_core::protocol::stats::WorkerStats;
use whim_core::protocol::worker::{Heartbeat, LeaseRenewed};
use whim_service::chain::chain;

use super::heartbeat_batch::{self, PendingHeartbeat};
use super::{Caller, whole_seconds};
use crate::app::App;
use crate::db::heartbeats::{self, Durability, HeartbeatRow};
use crate::db::work_items::{self, TaskCounts};
use crate::db::{in_transaction, storable};
use crate::error::Error;

const MAX_EVENTS: usize = 500;

/// Renews the lease and keeps what is new: the sums, the events, the iterations that count against the day, and the
/// checklist together with the pushed head that belongs to it. A heartbeat that came before renews the lease only.
///
/// # Errors
/// The item was taken away, a field is wrong, or Postgres is away.
pub async fn heartbeat(app: &App, caller: &Caller, request: Heartbeat) -> Result<LeaseRenewed, Error> {
    let Heartbeat {
        seq,
        iteration,
        stats,
        events,
        stage,
        spec,
        head_sha,
    } = request;
    let seq = i64::try_from(seq).map_err(|_| Error::invalid("seq", "is too large"))?;
    if events.len() > MAX_EVENTS {
        return Err(Error::invalid("events", format!("expected at most {MAX_EVENTS}")));
    }
    let checklist = checklist(spec.as_deref(), head_sha.as_ref())?;
    let beat = HeartbeatRow {
        worker: caller.id,
        lease_epoch: caller.lease_epoch,
        seq,
        iteration: bounded(iteration, caller.max_iterations),
        stage,
        stats: told(&stats).copied(),
        progress: app.heartbeats.is_progress(caller.id, &events) || checklist.is_some(),
    };
    let news = Arc::new(PendingHeartbeat { beat, events });
    // A checklist wants the item's row, for which one may have to wait; it comes once a task.
    if checklist.is_some() || !app.heartbeats.written_together(&news).await {
        write_alone(app, caller, &news, checklist.as_ref()).await?;
    }
    if app.heartbeats.is_time_for_locks(caller.id) {
        renew_locks(app, caller).await;
    }
    Ok(LeaseRenewed {
        lease_seconds: whole_seconds(app.config.lifecycle.stale_threshold),
    })
}

/// Writes one heartbeat in a transaction of its own, and waits for whoever has the worker's row.
async fn write_alone(
    app: &App,
    caller: &Caller,
    news: &PendingHeartbeat,
    checklist: Option<&Checklist<'_>>,
) -> Result<(), Error> {
    let lease = app.config.lifecycle.stale_threshold;
    let new_iterations = in_transaction(&app.work_database, async |db| {
        if checklist.is_some() {
            // The item before the worker, as everywhere: the beat reads both.
            work_items::lock_of_worker(db, caller.id).await?;
        }
        heartbeats::lock(db, caller.id).await?;
        let kept = heartbeat_batch::keep(db, lease, &[news], Durability::Whole).await?;
        let known = kept.renewed.first().ok_or_else(|| caller.lease_lost())?;
        if let Some((document, head_sha)) = checklist
            && news.beat.seq > known.seq
        {
            let spec = (document.as_str(), *head_sha, TaskCounts::of(document));
            if !work_items::record_progress(db, known.work_item_id, caller.lease_epoch, spec).await? {
                return Err(caller.lease_lost());
            }
        }
        Ok(kept.new_iterations)
    })
    .await?;
    if new_iterations > 0 {
        app.wakers.budget.activate();
    }
    Ok(())
}

/// A checklist and the pushed head that belongs to it.
type Checklist<'a> = (SpecDocument, &'a CommitHash);

/// The checklist and its head, which only count together.
fn checklist<'a>(
    spec: Option<&str>,
    head_sha: Option<&'a CommitHash>,
) -> Result<Option<Checklist<'a>>, Error> {
    let Some(spec) = spec else {
        return Ok(None);
    };
    let head_sha = head_sha.ok_or_else(|| Error::invalid("headSha", "expected together with spec"))?;
    if spec.len() > MAX_SPEC_BYTES {
        return Err(Error::invalid(
            "spec",
            format!("expected at most {MAX_SPEC_BYTES} bytes"),
        ));
    }
    Ok(Some((SpecDocument::parse(storable(spec)), head_sha)))
}

/// Sums only ever grow, so sums of nothing were left out and do not take back what was told before.
pub(super) fn told(stats: &WorkerStats) -> Option<&WorkerStats> {
    (*stats != WorkerStats::default()).then_some(stats)
}

/// An iteration within what the worker may use: more would be a defect of the worker, and must not cost the day.
pub(super) fn bounded(iteration: u32, max_iterations: u32) -> i32 {
    i32::try_from(iteration.min(max_iterations)).unwrap_or(i32::MAX)
}

/// Locks live as long as the lease. Redis being away costs no worker its work: locks last for an hour.
async fn renew_locks(app: &App, caller: &Caller) {
    if let Err(error) = app.locks.renew(caller.id).await {
        let error = chain(&error);
        tracing::debug!(worker_id = %caller.id, %error, "locks were not renewed");
    }
}

//! `POST /api/worker/:id/heartbeat`.

use std::sync::Arc;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use whim_core::CommitHash;
use whim_core::protocol::worker::{Heartbeat, LeaseRenewed};
use whim_service::chain::chain;

use super::attempt::{Caller, whole_seconds};
use super::heartbeat_batch;
use super::heartbeat_queue::PendingHeartbeat;
use super::usage::{bounded, reported};
use crate::app::App;
use crate::db::heartbeats::{self, Durability, HeartbeatRow};
use crate::db::work_items::{self, TaskCounts};
use crate::db::{in_transaction, storable};
use crate::error::Error;

const MAX_EVENTS: usize = 500;

/// Renews the lease and stores what is new: sums, events, iterations that count against the daily budget, and the
/// checklist together with the pushed head that its ticks belong to. A repeated heartbeat only renews the lease.
///
/// # Errors
/// The item was taken away, a field is invalid, or Postgres is unavailable.
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
        return Err(Error::invalid(
            "events",
            format!("has {} entries; expected at most {MAX_EVENTS}", events.len()),
        ));
    }
    let checklist = checklist(spec.as_deref(), head_sha.as_ref())?;
    let row = HeartbeatRow {
        worker: caller.id,
        lease_epoch: caller.lease_epoch,
        seq,
        iteration: bounded(iteration, caller.max_iterations),
        stage,
        stats: reported(&stats).copied(),
        progress: app.heartbeats.is_progress(caller.id, &events) || checklist.is_some(),
    };
    let heartbeat = Arc::new(PendingHeartbeat { row, events });
    // A checklist locks the item's row, which others may hold. It arrives once per task.
    if checklist.is_some()
        || app
            .heartbeats
            .queue()
            .write(Arc::clone(&heartbeat))
            .await
            .is_none()
    {
        write_alone(app, caller, &heartbeat, checklist.as_ref()).await?;
    }
    if app.heartbeats.locks_are_due(caller.id) {
        renew_locks(app, caller).await;
    }
    Ok(LeaseRenewed {
        lease_seconds: whole_seconds(app.config.lifecycle.stale_threshold),
    })
}

/// Writes one heartbeat in a transaction of its own, which waits for the lock of the worker's row.
async fn write_alone(
    app: &App,
    caller: &Caller,
    heartbeat: &PendingHeartbeat,
    checklist: Option<&Checklist<'_>>,
) -> Result<(), Error> {
    let lease = app.config.lifecycle.stale_threshold;
    let new_iterations = in_transaction(&app.work_database, async |db| {
        if checklist.is_some() {
            // The item before the worker, as everywhere: the statement reads both.
            work_items::lock_of_worker(db, caller.id).await?;
        }
        heartbeats::lock(db, caller.id).await?;
        let outcome = heartbeat_batch::write(db, lease, &[heartbeat], Durability::Whole).await?;
        let known = outcome.renewed.first().ok_or_else(|| caller.lease_lost())?;
        if let Some((document, head_sha)) = checklist
            && heartbeat.row.seq > known.seq
        {
            let spec = (document.as_str(), *head_sha, TaskCounts::of(document));
            if !work_items::record_progress(db, known.work_item_id, caller.lease_epoch, spec).await? {
                return Err(caller.lease_lost());
            }
        }
        Ok(outcome.new_iterations)
    })
    .await?;
    if new_iterations > 0 {
        app.wakers.budget.activate();
    }
    Ok(())
}

/// A checklist and the pushed head that its ticks belong to.
type Checklist<'a> = (SpecDocument, &'a CommitHash);

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

/// Failures do not matter while Redis is unavailable for less than an hour: locks last that long.
async fn renew_locks(app: &App, caller: &Caller) {
    if let Err(error) = app.locks.renew(caller.id).await {
        let error = chain(&error);
        tracing::debug!(worker_id = %caller.id, %error, "file locks were not renewed");
    }
}

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
use crate::db::{in_transaction, notes, storable, workers};
use crate::error::Error;

const MAX_EVENTS: usize = 500;

/// Renews the lease and stores what is new: sums, events, iterations that count against the daily budget, and the
/// checklist together with the pushed head that its ticks belong to, and that an agent has notes. A repeated heartbeat only
/// renews the lease.
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
        notes_delivered,
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
    // These lock the item's row, which others may hold. They arrive once per task and per note.
    let rare = Rare {
        checklist,
        notes_delivered: notes_delivered.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
    };
    let batched = if rare.is_empty() {
        app.heartbeats.queue().write(Arc::clone(&heartbeat)).await
    } else {
        None
    };
    let note_count = match batched {
        Some(note_count) => note_count,
        None => write_alone(app, caller, &heartbeat, &rare).await?,
    };
    if app.heartbeats.locks_are_due(caller.id) {
        renew_locks(app, caller).await;
    }
    Ok(LeaseRenewed {
        lease_seconds: whole_seconds(app.config.lifecycle.stale_threshold),
        note_count,
    })
}

/// The parts of a heartbeat that change the item.
struct Rare<'a> {
    checklist: Option<Checklist<'a>>,
    /// How many notes of the run an agent has.
    notes_delivered: Option<i32>,
}

impl Rare<'_> {
    fn is_empty(&self) -> bool {
        self.checklist.is_none() && self.notes_delivered.is_none()
    }
}

/// Writes one heartbeat in a transaction of its own, which waits for the lock of the worker's row. Returns the number of notes
/// of the item's run.
async fn write_alone(
    app: &App,
    caller: &Caller,
    heartbeat: &PendingHeartbeat,
    rare: &Rare<'_>,
) -> Result<u32, Error> {
    let lease = app.config.lifecycle.stale_threshold;
    let (new_iterations, note_count) = in_transaction(&app.work_database, async |db| {
        if !rare.is_empty() {
            // The item before the worker, as everywhere: the statement reads both.
            work_items::lock_of_worker(db, caller.id).await?;
        }
        heartbeats::lock(db, caller.id).await?;
        let outcome = heartbeat_batch::write(db, lease, &[heartbeat], Durability::Whole).await?;
        let known = outcome.renewed.first().ok_or_else(|| caller.lease_lost())?;
        let is_new = heartbeat.row.seq > known.seq;
        if let Some((document, head_sha)) = &rare.checklist
            && is_new
        {
            let spec = (document.as_str(), *head_sha, TaskCounts::of(document));
            if !work_items::record_progress(db, known.work_item_id, caller.lease_epoch, spec).await? {
                return Err(caller.lease_lost());
            }
        }
        if let Some(count) = rare.notes_delivered
            && is_new
        {
            let attempt = workers::attempt_number(&mut *db, known.work_item_id, caller.lease_epoch).await?;
            notes::deliver(db, caller.id, count, attempt).await?;
        }
        Ok((outcome.new_iterations, known.note_count))
    })
    .await?;
    if new_iterations > 0 {
        app.wakers.budget.activate();
    }
    Ok(note_count)
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

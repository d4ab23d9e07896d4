//! Writes the heartbeats of many workers in one statement.
//!
//! A batch that only renews leases does not wait for the disk: the next heartbeats repeat what a crash of Postgres would
//! lose.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;

use super::heartbeat_queue::{PendingHeartbeat, QueuedHeartbeat};
use crate::app::App;
use crate::batch_writer::WriteBatch;
use crate::db::events::NewEvent;
use crate::db::heartbeats::{self, Durability, HeartbeatOutcome, HeartbeatRow};

/// Largest batch. A heartbeat rarely carries more than a few events.
const BATCH_SIZE: usize = 128;

/// Renews leases and stores what is new; each worker at most once. See [`heartbeats::record`] for the workers that are
/// missing in the outcome.
pub(super) async fn write(
    db: &mut PgConnection,
    lease: Duration,
    heartbeats: &[&PendingHeartbeat],
    durability: Durability,
) -> sqlx::Result<HeartbeatOutcome> {
    let rows: Vec<HeartbeatRow> = heartbeats.iter().map(|heartbeat| heartbeat.row).collect();
    let events: Vec<NewEvent<'_>> = heartbeats
        .iter()
        .filter(|heartbeat| !heartbeat.events.is_empty())
        .map(|heartbeat| NewEvent {
            worker: heartbeat.row.worker,
            seq: heartbeat.row.seq,
            events: &heartbeat.events,
        })
        .collect();
    heartbeats::record(db, lease, &rows, &events, durability).await
}

/// Writes batches until `stop`, and then what is queued.
///
/// # Errors
/// It was called before for this `app`.
pub async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let queue = app.heartbeats.queue();
    queue.run(&app, &app.work_database, BATCH_SIZE, &stop).await
}

impl WriteBatch<Arc<PendingHeartbeat>, u32> for App {
    async fn write_batch(&self, db: &mut PgConnection, batch: &mut Vec<QueuedHeartbeat>) -> sqlx::Result<()> {
        // A second heartbeat of a worker is written alone, after its first.
        let mut workers = HashSet::with_capacity(batch.len());
        batch.retain(|queued| workers.insert(queued.request.row.worker));
        let pending: Vec<&PendingHeartbeat> = batch.iter().map(|queued| queued.request.as_ref()).collect();
        let lease = self.config.lifecycle.stale_threshold;
        let outcome = write(db, lease, &pending, Durability::UntilNext).await?;
        let written: HashMap<WorkerId, u32> = outcome
            .renewed
            .iter()
            .map(|known| (known.worker, known.note_count))
            .collect();
        for queued in batch.drain(..) {
            if let Some(note_count) = written.get(&queued.request.row.worker) {
                // The caller may have disconnected.
                let _disconnected = queued.written.send(*note_count);
            }
        }
        if outcome.new_iterations > 0 {
            self.wakers.budget.activate();
        }
        Ok(())
    }
}

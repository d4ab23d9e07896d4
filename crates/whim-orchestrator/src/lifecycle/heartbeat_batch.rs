//! Writes the heartbeats of many workers in one statement.
//!
//! The heartbeats that arrive while a batch is written form the next batch: none waits for a timer, and the more there
//! are, the fewer transactions each costs. One batch is written at a time, so the heartbeats of a worker stay in order.
//! A batch that only renews leases does not wait for the disk: the next heartbeats repeat what a crash of Postgres
//! would lose.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;

use super::heartbeat_queue::{PendingHeartbeat, QueuedHeartbeat};
use crate::app::App;
use crate::db::acquire;
use crate::db::events::NewEvent;
use crate::db::heartbeats::{self, Durability, HeartbeatOutcome, HeartbeatRow};

/// Largest batch. A heartbeat rarely carries more than a few events.
const BATCH_SIZE: usize = 128;

/// Time without heartbeats after which the connection is returned to the pool.
const CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

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
    let Some(mut queue) = app.heartbeats.receive() else {
        anyhow::bail!("heartbeats are written in batches already");
    };
    let mut batch = Vec::with_capacity(BATCH_SIZE);
    // Kept between busy batches: acquiring and returning a connection are round trips too.
    let mut connection = None;
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
            received = queue.recv_many(&mut batch, BATCH_SIZE) => received,
            () = tokio::time::sleep(CONNECTION_IDLE_TIMEOUT), if connection.is_some() => {
                connection = None;
                continue;
            }
        };
        if received == 0 {
            return Ok(());
        }
        write_batch(&app, &mut connection, &mut batch).await;
    }
}

async fn write_batch(
    app: &App,
    connection: &mut Option<PoolConnection<Postgres>>,
    batch: &mut Vec<QueuedHeartbeat>,
) {
    // A second heartbeat of a worker is written alone, after its first.
    let mut workers = HashSet::with_capacity(batch.len());
    batch.retain(|queued| workers.insert(queued.heartbeat.row.worker));
    let pending: Vec<&PendingHeartbeat> = batch.iter().map(|queued| queued.heartbeat.as_ref()).collect();
    let lease = app.config.lifecycle.stale_threshold;
    let outcome = async {
        let db = match connection {
            Some(connection) => connection,
            None => connection.insert(acquire(&app.work_database).await?),
        };
        write(db, lease, &pending, Durability::UntilNext).await
    };
    match outcome.await {
        Ok(outcome) => {
            let written: HashSet<WorkerId> = outcome.renewed.iter().map(|known| known.worker).collect();
            for queued in batch.drain(..) {
                if written.contains(&queued.heartbeat.row.worker) {
                    // The caller may have disconnected.
                    let _disconnected = queued.written.send(());
                }
            }
            if outcome.new_iterations > 0 {
                app.wakers.budget.activate();
            }
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), heartbeats = batch.len(), "a batch of heartbeats failed; they are written one by one");
            *connection = None;
            batch.clear();
        }
    }
}

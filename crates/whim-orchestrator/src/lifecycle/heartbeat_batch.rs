//! Heartbeats of many workers, written together.
//!
//! Whatever waits when the one before is written becomes the next batch: nobody waits for a timer, and the more there
//! are, the fewer transactions each costs. One batch is at the database at a time, so heartbeats of one worker stay in
//! their order. A batch in which nobody tells of anything but being alive does not wait for the disk: what a crash of
//! Postgres would take back is told again by the next heartbeats.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_core::protocol::events::WorkerEvent;
use whim_service::chain::chain;

use super::progress::ProgressDetector;
use crate::app::App;
use crate::db::acquire;
use crate::db::events::NewEvent;
use crate::db::heartbeats::{self, Durability, HeartbeatOutcome, HeartbeatRow};

/// The largest batch. A heartbeat rarely carries more than a few events.
const MOST_AT_ONCE: usize = 128;

/// How many may wait to become part of a batch; those beyond are written alone, and wait for a connection there.
const MOST_WAITING: usize = 4096;

/// How long no heartbeat may come before the connection is given back.
const CONNECTION_KEPT_FOR: Duration = Duration::from_secs(1);

/// How often it is looked whether the locks of a worker have to be renewed: they last for an hour.
const LOCKS_EVERY: Duration = Duration::from_mins(1);

/// What one heartbeat brings.
#[derive(Clone, Debug)]
pub(super) struct PendingHeartbeat {
    pub(super) beat: HeartbeatRow,
    pub(super) events: Vec<WorkerEvent>,
}

/// Renews the leases and keeps what is new; each worker at most once. See [`heartbeats::record`] for those that are missing
/// in the answer.
pub(super) async fn keep(
    db: &mut PgConnection,
    lease: Duration,
    news: &[&PendingHeartbeat],
    durability: Durability,
) -> sqlx::Result<HeartbeatOutcome> {
    let beats: Vec<HeartbeatRow> = news.iter().map(|news| news.beat).collect();
    let told: Vec<NewEvent<'_>> = news
        .iter()
        .filter(|news| !news.events.is_empty())
        .map(|news| NewEvent {
            worker: news.beat.worker,
            seq: news.beat.seq,
            events: &news.events,
        })
        .collect();
    heartbeats::record(db, lease, &beats, &told, durability).await
}

/// Heartbeats on their way to the database. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Empty until [`run`] is called.
    queue: OnceLock<mpsc::Sender<Waiting>>,
    /// When the locks of workers were last looked at.
    locks_seen: RwLock<HashMap<WorkerId, Instant>>,
    /// What workers told lately.
    novelty: ProgressDetector,
}

/// A heartbeat that waits to be written.
#[derive(Debug)]
struct Waiting {
    news: Arc<PendingHeartbeat>,
    answer: oneshot::Sender<()>,
}

impl Heartbeats {
    /// Whether a heartbeat was written together with others. If not (nobody writes batches, the batch failed, or the
    /// worker was missing in the answer), it has to be written alone, which also tells why.
    pub(super) async fn written_together(&self, news: &Arc<PendingHeartbeat>) -> bool {
        let (answer, written) = oneshot::channel();
        let waiting = Waiting {
            news: Arc::clone(news),
            answer,
        };
        let Some(queue) = self.0.queue.get() else {
            return false;
        };
        queue.try_send(waiting).is_ok() && written.await.is_ok()
    }

    /// Whether there is anything new in what a worker tells.
    pub(super) fn is_progress(&self, worker: WorkerId, events: &[WorkerEvent]) -> bool {
        self.0.novelty.is_progress(worker, events)
    }

    /// Whether it is time to look whether the locks of a worker have to be renewed.
    pub(super) fn is_time_for_locks(&self, worker: WorkerId) -> bool {
        let due = |seen: Option<&Instant>| seen.is_none_or(|seen| seen.elapsed() >= LOCKS_EVERY);
        let seen = &self.0.locks_seen;
        if !due(seen.read().unwrap_or_else(PoisonError::into_inner).get(&worker)) {
            return false;
        }
        let mut seen = seen.write().unwrap_or_else(PoisonError::into_inner);
        if !due(seen.get(&worker)) {
            return false;
        }
        // As many entries as workers that live.
        seen.retain(|_, seen| seen.elapsed() < LOCKS_EVERY);
        seen.insert(worker, Instant::now());
        true
    }
}

/// Writes batches until `stop`, and what waits then.
///
/// # Errors
/// It was called before for this `app`.
pub async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let (sender, mut queue) = mpsc::channel(MOST_WAITING);
    app.heartbeats
        .0
        .queue
        .set(sender)
        .map_err(|_| anyhow::anyhow!("heartbeats are written together already"))?;
    let mut batch = Vec::with_capacity(MOST_AT_ONCE);
    // Kept while there is much to write: to take and to give back a connection are round trips too.
    let mut connection = None;
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
            received = queue.recv_many(&mut batch, MOST_AT_ONCE) => received,
            () = tokio::time::sleep(CONNECTION_KEPT_FOR), if connection.is_some() => {
                connection = None;
                continue;
            }
        };
        if received == 0 {
            return Ok(());
        }
        write(&app, &mut connection, &mut batch).await;
    }
}

async fn write(app: &App, connection: &mut Option<PoolConnection<Postgres>>, batch: &mut Vec<Waiting>) {
    // A worker's second heartbeat comes alone, after its first.
    let mut workers = HashSet::with_capacity(batch.len());
    batch.retain(|waiting| workers.insert(waiting.news.beat.worker));
    let news: Vec<&PendingHeartbeat> = batch.iter().map(|waiting| waiting.news.as_ref()).collect();
    let lease = app.config.lifecycle.stale_threshold;
    let kept = async {
        let db = match connection {
            Some(kept) => kept,
            None => connection.insert(acquire(&app.work_database).await?),
        };
        keep(db, lease, &news, Durability::UntilNext).await
    };
    match kept.await {
        Ok(kept) => {
            let known: HashSet<WorkerId> = kept.renewed.iter().map(|known| known.worker).collect();
            for waiting in batch.drain(..) {
                if known.contains(&waiting.news.beat.worker) {
                    // A caller that has gone away needs no answer.
                    let _gone = waiting.answer.send(());
                }
            }
            if kept.new_iterations > 0 {
                app.wakers.budget.activate();
            }
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), heartbeats = batch.len(), "heartbeats are written one by one");
            *connection = None;
            batch.clear();
        }
    }
}

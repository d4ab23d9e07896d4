//! Heartbeat throughput over HTTP, and its cost in Postgres.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value as Json, json};

use crate::http::{self, Caller};
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value};
use crate::workers::RunningWorker;
use crate::world::World;

/// Maximum number of concurrent heartbeats.
const CONCURRENCY: usize = 32;

/// A connection that sends heartbeats of some workers in turn.
struct Sender {
    caller: Caller,
    workers: Vec<RunningWorker>,
    next: usize,
    seq: u64,
}

/// Measures heartbeats without events, as sent by the timer, and with one event, as sent for a tool call.
pub(crate) async fn measure(
    world: &World,
    program: &Program,
    workers: &[RunningWorker],
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut senders = Vec::new();
    for workers in workers.chunks(workers.len().div_ceil(CONCURRENCY)) {
        senders.push(Sender {
            caller: Caller::connect(&program.addresses.worker_api).await?,
            workers: workers.to_vec(),
            next: 0,
            seq: 0,
        });
    }
    let load = format!("{} workers, {} connections", workers.len(), senders.len());

    let before = Cost::settled(world, &mut senders).await?;
    let samples = http::load(&mut senders, length, send_without_events).await?;
    let after = Cost::settled(world, &mut senders).await?;
    let what = "Heartbeat without events";
    let row = Row::new(format!("{what}, {load}"), samples.load());
    report.add(
        row.at_least("rate", 5000.0)
            .below("p99", 10.0)
            .original("3,756/s, 16 connections"),
    );
    report.add(after.since(&before, what));

    let before = after;
    let samples = http::load(&mut senders, length, send_with_an_event).await?;
    let after = Cost::settled(world, &mut senders).await?;
    let what = "Heartbeat with one event";
    report.add(Row::new(format!("{what}, {load}"), samples.load()));
    report.add(after.since(&before, what));
    Ok(())
}

async fn send_without_events(sender: &mut Sender) -> anyhow::Result<Duration> {
    send(sender, &json!([])).await
}

async fn send_with_an_event(sender: &mut Sender) -> anyhow::Result<Duration> {
    let event = json!({ "event": "tool", "type": "write", "path": "src/lib.rs" });
    send(
        sender,
        &json!([{ "occurredAt": Utc::now(), "type": "ralph", "event": event }]),
    )
    .await
}

async fn send(sender: &mut Sender, events: &Json) -> anyhow::Result<Duration> {
    sender.seq += 1;
    sender.next = (sender.next + 1) % sender.workers.len();
    let worker = &sender.workers[sender.next];
    sender.caller.authenticate_as(&worker.token);
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let stats = json!({ "tools": sender.seq, "reads": 1, "tokens": { "in": 1000, "out": sender.seq } });
    let body =
        json!({ "seq": sender.seq, "iteration": 1, "stage": "working", "stats": stats, "events": events });
    let (_lease, elapsed) = sender.caller.post(&path, body.to_string()).await?;
    Ok(elapsed)
}

/// Cumulative cost of the heartbeats in Postgres.
struct Cost {
    heartbeats: u64,
    /// Position of the write-ahead log in bytes.
    log: i64,
    /// Row updates.
    updates: i64,
    /// Heap-only (HOT) updates among them.
    heap_only: i64,
}

impl Cost {
    /// Postgres sessions publish their statistics when they are idle for a while and then used again, hence the wait and
    /// the short load.
    async fn settled(world: &World, senders: &mut [Sender]) -> anyhow::Result<Self> {
        const STATISTICS_INTERVAL: Duration = Duration::from_millis(1500);
        tokio::time::sleep(STATISTICS_INTERVAL).await;
        http::load(senders, Duration::from_millis(100), send_without_events).await?;
        let log = sqlx::query_scalar("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
            .fetch_one(&world.database)
            .await?;
        let (updates, heap_only) = sqlx::query_as(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'worker_heartbeats'",
        )
        .fetch_one(&world.database)
        .await?;
        Ok(Self {
            heartbeats: senders.iter().map(|sender| sender.seq).sum(),
            log,
            updates,
            heap_only,
        })
    }

    fn since(&self, before: &Self, what: &str) -> Row {
        let heartbeats = (self.heartbeats - before.heartbeats) as f64;
        let updates = (self.updates - before.updates) as f64;
        let heap_only = (self.heap_only - before.heap_only) as f64;
        let values = vec![
            Value::new(
                "of WAL each",
                (self.log - before.log) as f64 / heartbeats,
                Unit::Bytes,
            ),
            Value::new("row updates", updates / heartbeats * 100.0, Unit::Percent),
            Value::new(
                "of them heap-only",
                heap_only / updates.max(1.0) * 100.0,
                Unit::Percent,
            ),
        ];
        Row::new(format!("{what}, cost"), values)
    }
}

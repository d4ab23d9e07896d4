//! Heartbeats over HTTP, as many as can be, and what they cost Postgres.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value as Json, json};

use crate::http::{self, Caller};
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value};
use crate::workers::RunningWorker;
use crate::world::World;

/// How many heartbeats are on their way at once.
const AT_ONCE: usize = 32;

/// A connection that speaks for some of the workers in turn.
struct Speaker {
    caller: Caller,
    workers: Vec<RunningWorker>,
    next: usize,
    seq: u64,
}

/// Heartbeats without events, as the timer sends them, and with one, as they are sent at each tool call.
pub(crate) async fn measure(
    world: &World,
    program: &Program,
    workers: &[RunningWorker],
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut speakers = Vec::new();
    for workers in workers.chunks(workers.len().div_ceil(AT_ONCE)) {
        speakers.push(Speaker {
            caller: Caller::connect(&program.addresses.worker_api).await?,
            workers: workers.to_vec(),
            next: 0,
            seq: 0,
        });
    }
    let load = format!("{} workers, {} calls at once", workers.len(), speakers.len());

    let before = Cost::settled(world, &mut speakers).await?;
    let samples = http::load(&mut speakers, length, beat_without_events).await?;
    let after = Cost::settled(world, &mut speakers).await?;
    let what = "Heartbeat without events";
    let row = Row::new(format!("{what}, {load}"), samples.load());
    report.add(row.at_least("rate", 5000.0).below("p99", 10.0).original("870/s"));
    report.add(after.since(&before, what));

    let before = after;
    let samples = http::load(&mut speakers, length, beat_with_an_event).await?;
    let after = Cost::settled(world, &mut speakers).await?;
    let what = "Heartbeat with one event";
    report.add(Row::new(format!("{what}, {load}"), samples.load()));
    report.add(after.since(&before, what));
    Ok(())
}

async fn beat_without_events(speaker: &mut Speaker) -> anyhow::Result<Duration> {
    beat(speaker, &json!([])).await
}

async fn beat_with_an_event(speaker: &mut Speaker) -> anyhow::Result<Duration> {
    let event = json!({ "event": "tool", "type": "write", "path": "src/lib.rs" });
    beat(
        speaker,
        &json!([{ "occurredAt": Utc::now(), "type": "ralph", "event": event }]),
    )
    .await
}

async fn beat(speaker: &mut Speaker, events: &Json) -> anyhow::Result<Duration> {
    speaker.seq += 1;
    speaker.next = (speaker.next + 1) % speaker.workers.len();
    let worker = &speaker.workers[speaker.next];
    speaker.caller.speak_for(&worker.token);
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let stats = json!({ "tools": speaker.seq, "reads": 1, "tokens": { "in": 1000, "out": speaker.seq } });
    let body =
        json!({ "seq": speaker.seq, "iteration": 1, "stage": "working", "stats": stats, "events": events });
    let (_lease, elapsed) = speaker.caller.post(&path, body.to_string()).await?;
    Ok(elapsed)
}

/// What all heartbeats have cost Postgres so far.
struct Cost {
    heartbeats: u64,
    /// How far the write-ahead log is, in bytes.
    log: i64,
    /// How often their rows were updated.
    updates: i64,
    /// How often within a page, without touching an index.
    heap_only: i64,
}

impl Cost {
    /// Sessions of Postgres tell of their statistics when they have had nothing to do for a while and are asked again:
    /// so they are. What an orchestrator writes a moment later is written by then.
    async fn settled(world: &World, speakers: &mut [Speaker]) -> anyhow::Result<Self> {
        const AT_LEAST_BETWEEN_TWO_REPORTS: Duration = Duration::from_millis(1500);
        tokio::time::sleep(AT_LEAST_BETWEEN_TWO_REPORTS).await;
        http::load(speakers, Duration::from_millis(100), beat_without_events).await?;
        let log = sqlx::query_scalar("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
            .fetch_one(&world.database)
            .await?;
        let (updates, heap_only) = sqlx::query_as(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'worker_heartbeats'",
        )
        .fetch_one(&world.database)
        .await?;
        Ok(Self {
            heartbeats: speakers.iter().map(|speaker| speaker.seq).sum(),
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
                "of log each",
                (self.log - before.log) as f64 / heartbeats,
                Unit::Bytes,
            ),
            Value::new(
                "of them a row update",
                updates / heartbeats * 100.0,
                Unit::Percent,
            ),
            Value::new(
                "of those heap-only",
                heap_only / updates.max(1.0) * 100.0,
                Unit::Percent,
            ),
        ];
        Row::new(format!("{what}, its cost"), values)
    }
}

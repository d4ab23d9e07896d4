//! Heartbeats over HTTP, as many as can be, and what they cost Postgres.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value as Json, json};
use sqlx::PgPool;

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
    // Tokens are looked up.
    http::load(&mut speakers, Duration::from_millis(200), beat_without_events).await?;
    let load = format!("{} workers, {} calls at once", workers.len(), speakers.len());
    let what = format!("Heartbeat without events, {load}");
    let (before, log) = (
        Updates::look(&world.database).await?,
        log_position(&world.database).await?,
    );
    let samples = http::load(&mut speakers, length, beat_without_events).await?;
    let row = Row::new(what, samples.load())
        .at_least("rate", 5000.0)
        .below("p99", 10.0);
    report.add(row);
    cost(
        world,
        &before,
        log,
        samples.count(),
        "Heartbeat without events",
        report,
    )
    .await?;

    let what = format!("Heartbeat with one event, {load}");
    let (before, log) = (
        Updates::look(&world.database).await?,
        log_position(&world.database).await?,
    );
    let samples = http::load(&mut speakers, length, beat_with_an_event).await?;
    report.add(Row::new(what, samples.load()));
    cost(
        world,
        &before,
        log,
        samples.count(),
        "Heartbeat with one event",
        report,
    )
    .await
}

async fn beat_without_events(speaker: &mut Speaker) -> anyhow::Result<Duration> {
    beat(speaker, &json!([])).await
}

async fn beat_with_an_event(speaker: &mut Speaker) -> anyhow::Result<Duration> {
    let event = json!({ "event": "tool", "type": "write", "path": "src/lib.rs" });
    beat(
        speaker,
        &json!([{ "at": Utc::now(), "type": "ralph", "event": event }]),
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

async fn cost(
    world: &World,
    before: &Updates,
    log: i64,
    heartbeats: usize,
    what: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    // What is coalesced is written a moment later, and sessions tell of their statistics about once a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let written = log_position(&world.database).await? - log;
    let after = Updates::look(&world.database).await?;
    let (updates, heap_only) = (after.all - before.all, after.heap_only - before.heap_only);
    let each = |number: i64| number as f64 / heartbeats as f64;
    report.add(Row::new(
        format!("{what}, its cost"),
        vec![
            Value::new("of log each", each(written), Unit::Bytes),
            Value::new("of rows written anew", each(updates) * 100.0, Unit::Percent),
            Value::new(
                "of those heap-only",
                heap_only as f64 / updates.max(1) as f64 * 100.0,
                Unit::Percent,
            ),
        ],
    ));
    Ok(())
}

/// How far the write-ahead log is.
async fn log_position(database: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
        .fetch_one(database)
        .await
}

/// How often the rows that heartbeats change were updated.
struct Updates {
    all: i64,
    heap_only: i64,
}

impl Updates {
    async fn look(database: &PgPool) -> sqlx::Result<Self> {
        let (all, heap_only) = sqlx::query_as(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'worker_beats'",
        )
        .fetch_one(database)
        .await?;
        Ok(Self { all, heap_only })
    }
}

//! A large fleet: every worker sends a heartbeat with ten events each second, and subscribers receive all of them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use chrono::Utc;
use futures::future::try_join_all;
use memchr::memmem;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{interval_at, timeout};
use whim_testkit::wait::wait_until;

use crate::http::{Caller, StreamingResponse};
use crate::machine::CpuTime;
use crate::options::Scale;
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value};
use crate::samples::Samples;
use crate::workers::{self, RunningWorker};
use crate::world::World;

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
const EVENTS: u64 = 10;

/// Time limit for the delivery of the last events.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What one subscriber received.
#[derive(Clone, Copy, Debug, Default)]
struct Received {
    events: u64,
    /// Whether events were dropped because it read too slowly.
    lagged: bool,
}

pub(crate) async fn measure(
    world: &World,
    program: &Program,
    scale: &Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (worker_count, subscriber_count) = scale.fleet;
    let running = workers::make(&world.database, worker_count).await?;
    let mut subscribers = Vec::new();
    for _ in 0..subscriber_count {
        let caller = Caller::connect(&program.addresses.api).await?;
        subscribers.push(caller.watch("/api/events").await?);
    }
    let first_id: i64 = sqlx::query_scalar("select last_value + 1 from event_ids")
        .fetch_one(&world.database)
        .await?;
    let (finished, is_finished) = watch::channel(None);
    let cpu = CpuTime::read(program.process()?)?;
    let begin = Instant::now();
    let sending = async {
        let senders = running
            .iter()
            .enumerate()
            .map(|(place, worker)| send(program, worker, place, worker_count, scale.load_duration));
        let latencies = try_join_all(senders).await?;
        let latencies = Samples::new(latencies.concat(), begin.elapsed());
        let used = CpuTime::read(program.process()?)?.since(&cpu)?;
        finished.send_replace(Some(latencies.count() as u64 * EVENTS));
        anyhow::Ok((latencies, used))
    };
    let receiving = try_join_all(
        subscribers
            .into_iter()
            .map(|subscriber| receive(subscriber, is_finished.clone())),
    );
    let ((latencies, used), received) = tokio::try_join!(sending, receiving)?;
    let sent = latencies.count() as u64 * EVENTS;
    until_stored(world, first_id, sent).await?;

    let lagged = received.iter().filter(|received| received.lagged).count();
    let complete = received.iter().filter(|received| received.events >= sent).count();
    let what = format!(
        "Fleet of {worker_count} workers with {EVENTS} events per second each, {subscriber_count} subscribers"
    );
    let mut values = vec![Value::new(
        "rate",
        sent as f64 / begin.elapsed().as_secs_f64(),
        Unit::PerSecond,
    )];
    values.extend(latencies.latency_and_longest());
    values.push(Value::new(
        "memory",
        program.resident_megabytes()?,
        Unit::Megabytes,
    ));
    report.add(
        Row::new(what.clone(), values)
            .below("p99", 50.0)
            .below("memory", 150.0),
    );
    let share = |count: usize| count as f64 / subscriber_count as f64 * 100.0;
    report.add(Row::new(
        format!("{what}: delivery and CPU time"),
        vec![
            Value::new(
                "of the subscribers received every event",
                share(complete),
                Unit::Percent,
            ),
            Value::new("of them were too slow", share(lagged), Unit::Percent),
            Value::new("of a CPU for the orchestrator", used.program, Unit::Percent),
            Value::new("of all CPUs busy", used.machine, Unit::Percent),
        ],
    ));
    Ok(())
}

/// Sends heartbeats on one connection, at a moment of each second that depends on `place`.
async fn send(
    program: &Program,
    worker: &RunningWorker,
    place: usize,
    workers: usize,
    length: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let mut caller = Caller::connect(&program.addresses.worker_api).await?;
    caller.authenticate_as(&worker.token);
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let offset = HEARTBEAT_INTERVAL.mul_f64(place as f64 / workers as f64);
    let begin = tokio::time::Instant::now();
    let mut ticks = interval_at(begin + offset, HEARTBEAT_INTERVAL);
    let mut latencies = Vec::new();
    for seq in 1.. {
        ticks.tick().await;
        if begin.elapsed() >= length {
            break;
        }
        let event = json!({ "event": "tool", "type": "write", "path": "src/lib.rs" });
        let event = json!({ "occurredAt": Utc::now(), "type": "ralph", "event": event });
        let body =
            json!({ "seq": seq, "iteration": 1, "stage": "working", "events": vec![event; EVENTS as usize] });
        let (_lease, elapsed) = caller.post(&path, body.to_string()).await?;
        latencies.push(elapsed);
    }
    Ok(latencies)
}

/// Counts events until all that were sent have arrived, or none arrives any more.
async fn receive(
    mut subscriber: StreamingResponse,
    mut sent: watch::Receiver<Option<u64>>,
) -> anyhow::Result<Received> {
    const EVENT: &[u8] = b"event: worker_event";
    const LAGGED: &[u8] = b"event: lagged";
    // A name may be cut between two chunks.
    let mut rest = Vec::new();
    let mut received = Received::default();
    loop {
        let all = *sent.borrow_and_update();
        if all.is_some_and(|all| received.events >= all) {
            return Ok(received);
        }
        let chunk: Option<Bytes> = tokio::select! {
            chunk = timeout(TIMEOUT, subscriber.next()) => match chunk {
                Ok(chunk) => chunk?,
                Err(_) => return Ok(received),
            },
            changed = sent.changed(), if all.is_none() => {
                changed?;
                continue;
            }
        };
        let Some(chunk) = chunk else {
            return Ok(received);
        };
        rest.extend_from_slice(&chunk);
        let end = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
        received.events += memmem::find_iter(&rest[..end], EVENT).count() as u64;
        if memmem::find(&rest[..end], LAGGED).is_some() {
            received.lagged = true;
            if all.is_some() {
                return Ok(received);
            }
        }
        rest.drain(..end);
    }
}

/// No event is lost: the log holds as many as were sent.
async fn until_stored(world: &World, first_id: i64, sent: u64) -> anyhow::Result<()> {
    wait_until("the events to be stored", TIMEOUT, async || {
        let count = "select count(*) from events where kind = 'worker_event' and id >= $1";
        let stored: i64 = sqlx::query_scalar(count)
            .bind(first_id)
            .fetch_one(&world.database)
            .await
            .map_err(|error| error.to_string())?;
        if stored.unsigned_abs() >= sent {
            Ok(())
        } else {
            Err(format!("{stored} of {sent}"))
        }
    })
    .await?;
    ensure!(sent > 0, "no heartbeat was sent");
    Ok(())
}

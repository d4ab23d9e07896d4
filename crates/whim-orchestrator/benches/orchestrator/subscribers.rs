//! Subscribers of the live event stream, over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::Utc;
use futures::future::try_join_all;
use serde_json::json;

use crate::http::{Caller, StreamingResponse};
use crate::options::Scale;
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value};
use crate::samples::Samples;
use crate::workers::RunningWorker;

/// Time limit for the delivery of an event.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Interval between heartbeats. Longer than the minimum interval between two reads of the event hub.
const INTERVAL: Duration = Duration::from_millis(50);

/// Higher than any sequence number sent for the same worker before.
const FIRST_SEQ: u64 = 1 << 40;

/// Measures the latency from a heartbeat with one event to each subscriber, and to the last one. The subscribers, which
/// run on the same machine, use most of the CPU time.
pub(crate) async fn measure(
    program: &Program,
    worker: &RunningWorker,
    scale: &Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let subscribers = scale.subscribers;
    let before = program.resident_megabytes()?;
    let mut watching = Vec::with_capacity(subscribers);
    for _ in 0..subscribers {
        let caller = Caller::connect(&program.addresses.api).await?;
        watching.push(caller.watch("/api/events").await?);
    }
    let mut sender = Caller::connect(&program.addresses.worker_api).await?;
    sender.authenticate_as(&worker.token);
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let (mut each, mut all) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    // The first round is a warm-up.
    for (round, seq) in (0..=scale.times).zip(FIRST_SEQ..) {
        if round > 1 && begin.elapsed() > scale.load_duration {
            break;
        }
        tokio::time::sleep(INTERVAL).await;
        let marker = format!("round {round}");
        let event = json!({ "occurredAt": Utc::now(), "type": "notice", "message": marker });
        let body = json!({ "seq": seq, "iteration": 1, "events": [event] }).to_string();
        let sent = Instant::now();
        let received = try_join_all(
            watching
                .iter_mut()
                .map(|subscriber| receive(subscriber, &marker, sent)),
        );
        let (_response, received) = tokio::try_join!(sender.post(&path, body), received)?;
        if round > 0 {
            all.extend(received.iter().max().copied());
            each.extend(received);
        }
    }
    let elapsed = begin.elapsed();
    let grown = (program.resident_megabytes()? - before) * 1024.0;
    let mut values = Samples::new(each, elapsed).latency();
    let all = Samples::new(all, elapsed);
    values.push(Value::milliseconds("last subscriber p50", all.percentile(50)));
    values.push(Value::milliseconds("last subscriber p99", all.percentile(99)));
    values.push(Value::new(
        "of memory each",
        grown / subscribers as f64,
        Unit::Kilobytes,
    ));
    report.add(Row::new(
        format!("Heartbeat with one event to delivery at each of {subscribers} subscribers"),
        values,
    ));
    Ok(())
}

async fn receive(
    subscriber: &mut StreamingResponse,
    marker: &str,
    sent: Instant,
) -> anyhow::Result<Duration> {
    let reading = async {
        while let Some(data) = subscriber.next().await? {
            if String::from_utf8_lossy(&data).contains(marker) {
                return Ok(sent.elapsed());
            }
        }
        bail!("the event stream ended")
    };
    tokio::time::timeout(TIMEOUT, reading)
        .await
        .context("waiting for an event")?
}

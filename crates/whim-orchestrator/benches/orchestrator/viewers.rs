//! Viewers of the live events, over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::Utc;
use futures::future::try_join_all;
use serde_json::json;

use crate::http::{Answering, Caller};
use crate::options::Scale;
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value};
use crate::samples::Samples;
use crate::workers::RunningWorker;

/// How long an event may take to a viewer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two heartbeats: longer than the orchestrator rests after it looked for something to show.
const BETWEEN: Duration = Duration::from_millis(50);

/// Higher than any number of the heartbeats that were sent for the same worker before.
const FIRST_SEQ: u64 = 1 << 40;

/// Has many watch while a worker tells something now and then: from the sending of the heartbeat to each viewer, and
/// to the last of them. The viewers take most of the processors' time themselves.
pub(crate) async fn measure(
    program: &Program,
    worker: &RunningWorker,
    scale: &Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let viewers = scale.viewers;
    let before = program.resident_megabytes()?;
    let mut watching = Vec::with_capacity(viewers);
    for _ in 0..viewers {
        let caller = Caller::connect(&program.addresses.api).await?;
        watching.push(caller.watch("/api/events").await?);
    }
    let mut speaker = Caller::connect(&program.addresses.worker_api).await?;
    speaker.speak_for(&worker.token);
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let (mut each, mut all) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    // The first connects and looks up.
    for (round, seq) in (0..=scale.times).zip(FIRST_SEQ..) {
        if round > 1 && begin.elapsed() > scale.each {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
        let marker = format!("round {round} of the viewers");
        let event = json!({ "occurredAt": Utc::now(), "type": "notice", "message": marker });
        let body = json!({ "seq": seq, "iteration": 1, "events": [event] }).to_string();
        let sent = Instant::now();
        let seen = try_join_all(watching.iter_mut().map(|viewer| seen(viewer, &marker, sent)));
        let (_answer, seen) = tokio::try_join!(speaker.post(&path, body), seen)?;
        if round > 0 {
            all.extend(seen.iter().max().copied());
            each.extend(seen);
        }
    }
    let elapsed = begin.elapsed();
    let grown = (program.resident_megabytes()? - before) * 1024.0;
    let mut values = Samples::new(each, elapsed).latency();
    let all = Samples::new(all, elapsed);
    values.push(Value::milliseconds("the last one p50", all.percentile(50)));
    values.push(Value::milliseconds("the last one p99", all.percentile(99)));
    values.push(Value::new(
        "of memory each",
        grown / viewers as f64,
        Unit::Kilobytes,
    ));
    report.add(Row::new(
        format!("Heartbeat with one event sent to seen by each of {viewers} viewers"),
        values,
    ));
    Ok(())
}

async fn seen(viewer: &mut Answering, marker: &str, sent: Instant) -> anyhow::Result<Duration> {
    let reading = async {
        while let Some(data) = viewer.next().await? {
            if String::from_utf8_lossy(&data).contains(marker) {
                return Ok(sent.elapsed());
            }
        }
        bail!("a stream of events ended")
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .context("waiting for an event")?
}

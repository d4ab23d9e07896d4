//! Transcripts: uploads of a worker, and pages of a long one.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::http::Caller;
use crate::program::Program;
use crate::report::{Report, Row, rounded};
use crate::samples::Samples;
use crate::workers::RunningWorker;

/// Length of the transcript whose pages are read.
const ENTRIES: u32 = 100_000;
const ENTRIES_PER_SEGMENT: u32 = 500;
const PAGE: u32 = 200;

/// Uploads a transcript of one worker segment by segment, and reads pages all over it.
pub(crate) async fn measure(
    program: &Program,
    worker: &RunningWorker,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut uploader = Caller::connect(&program.addresses.worker_api).await?;
    uploader.authenticate_as(&worker.token);
    let path = format!("/api/worker/{}/transcript", worker.id);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for first in (1..=ENTRIES).step_by(ENTRIES_PER_SEGMENT as usize) {
        let body = segment(first).to_string();
        let (_answer, elapsed) = uploader.post(&path, body).await?;
        latencies.push(elapsed);
    }
    let uploads = Samples::new(latencies, begin.elapsed());
    let what = format!("Upload of {ENTRIES_PER_SEGMENT} entries of a transcript");
    report.add(Row::new(what, uploads.latency()));

    let mut reader = Caller::connect(&program.addresses.api).await?;
    let item = item_of(&mut reader, worker).await?;
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for after in (0..ENTRIES).step_by((ENTRIES as usize / times).max(1)) {
        let page = format!("/api/work/{item}/transcript?limit={PAGE}&after={after}");
        let (_page, elapsed) = reader.get(&page).await?;
        latencies.push(elapsed);
    }
    let pages = Samples::new(latencies, begin.elapsed());
    let what = format!("Page of {PAGE} entries of a transcript of {}", rounded(ENTRIES));
    report.add(Row::new(what, pages.latency()).below("p99", 50.0));
    Ok(())
}

async fn item_of(reader: &mut Caller, worker: &RunningWorker) -> anyhow::Result<String> {
    let (workers, _elapsed) = reader.get("/api/workers?limit=200").await?;
    let workers: Value = serde_json::from_slice(&workers)?;
    let id = worker.id.to_string();
    workers["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|found| found["id"] == id.as_str())
        .and_then(|found| found["workItemId"].as_str().map(str::to_owned))
        .context("the worker is not among the newest 200")
}

/// Calls of tools and their results, about as long as those of an agent.
fn segment(first: u32) -> Value {
    let entry = |number: u32| {
        let common = json!({ "number": number, "occurredAt": "2026-11-20T12:00:00Z", "iteration": 1 });
        let body = if number.is_multiple_of(2) {
            json!({ "type": "tool_result", "id": format!("toolu_{number}"), "ok": true,
                "output": format!("line {number} of the output of a command\n").repeat(20) })
        } else {
            json!({ "type": "tool", "kind": "bash", "id": format!("toolu_{number}"), "name": "Bash",
                "input": { "command": format!("make check-{number}"), "description": "Run the checks" } })
        };
        merged(common, body)
    };
    let last = first + ENTRIES_PER_SEGMENT - 1;
    let more = last < ENTRIES;
    json!({ "entries": (first..=last).map(entry).collect::<Vec<_>>(), "more": more })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

//! File locks over HTTP, one set at a time.

use std::time::Instant;

use serde_json::json;

use crate::http::Caller;
use crate::program::Program;
use crate::report::{Report, Row};
use crate::samples::Samples;
use crate::workers::RunningWorker;

/// Locks sets of 1, 10 and 100 files. Unlocking is not measured.
pub(crate) async fn measure(
    program: &Program,
    worker: &RunningWorker,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut caller = Caller::connect(&program.addresses.worker_api).await?;
    caller.authenticate_as(&worker.token);
    let (lock, unlock) = ["lock", "unlock"]
        .map(|call| format!("/api/worker/{}/{call}", worker.id))
        .into();
    for files in [1, 10, 100] {
        let mut latencies = Vec::new();
        let begin = Instant::now();
        // The first round is a warm-up: it loads the Lua script.
        for round in 0..=times {
            let set: Vec<String> = (0..files)
                .map(|n| format!("src/module-{round}/file-{n}.rs"))
                .collect();
            let body = json!({ "files": set }).to_string();
            let (_granted, elapsed) = caller.post(&lock, body.clone()).await?;
            if round > 0 {
                latencies.push(elapsed);
            }
            caller.post(&unlock, body).await?;
        }
        let row = Row::new(
            format!("Lock set of {files}, over HTTP"),
            Samples::new(latencies, begin.elapsed()).latency(),
        );
        report.add(if files == 10 { row.below("p99", 3.0) } else { row });
    }
    Ok(())
}

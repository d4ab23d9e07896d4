//! Pages of the API while the queue is long.

use std::time::Instant;

use crate::http::Caller;
use crate::program::Program;
use crate::report::{Report, Row, rounded};
use crate::samples::Samples;

const PAGES: [&str; 4] = [
    "/api/status",
    "/api/queue",
    "/api/work?status=queued",
    "/api/metrics",
];

/// Requests each page sequentially.
pub(crate) async fn measure(
    program: &Program,
    queued: u32,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut caller = Caller::connect(&program.addresses.api).await?;
    for page in PAGES {
        let mut latencies = Vec::new();
        let begin = Instant::now();
        for _ in 0..times {
            let (_page, elapsed) = caller.get(page).await?;
            latencies.push(elapsed);
        }
        let samples = Samples::new(latencies, begin.elapsed());
        report.add(Row::new(
            format!("GET {page}, {} queued", rounded(queued)),
            samples.latency(),
        ));
    }
    Ok(())
}

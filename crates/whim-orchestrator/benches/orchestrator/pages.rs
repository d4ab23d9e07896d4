//! What people look at while the queue is long.

use std::time::Instant;

use crate::http::Caller;
use crate::program::Program;
use crate::report::{Report, Row};
use crate::samples::Samples;

const PAGES: [&str; 4] = [
    "/api/status",
    "/api/queue",
    "/api/work?status=queued",
    "/api/metrics",
];

/// Asks for each page, one at a time.
pub(crate) async fn measure(
    program: &Program,
    queued: u32,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut caller = Caller::connect(&program.addresses.api).await?;
    for page in PAGES {
        let mut taken = Vec::new();
        let begin = Instant::now();
        for _ in 0..times {
            let (_page, elapsed) = caller.get(page).await?;
            taken.push(elapsed);
        }
        let samples = Samples::new(taken, begin.elapsed());
        report.add(Row::new(
            format!("GET {page}, {} queued", crate::flow::rounded(queued)),
            samples.latency(),
        ));
    }
    Ok(())
}

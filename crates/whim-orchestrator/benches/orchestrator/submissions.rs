//! Submission throughput over HTTP.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::http::{self, Caller};
use crate::program::Program;
use crate::report::{Report, Row};

/// Number of connections.
const CONCURRENCY: usize = 16;

/// Submits distinct items with a checklist. Nothing is started, because every slot is taken. Returns their number.
pub(crate) async fn measure(
    program: &Program,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<usize> {
    let mut callers = Vec::new();
    for _ in 0..CONCURRENCY {
        callers.push(Caller::connect(&program.addresses.api).await?);
    }
    let samples = http::load(&mut callers, length, async |caller: &mut Caller| {
        let item = json!({
            "repo": "bench/submissions",
            "spec": "# Greet the world\n\n## Tasks\n\n- [ ] Write the greeting\n- [ ] Test it\n- [ ] Document it\n",
            "source": "bench",
            "sourceRef": Uuid::now_v7().to_string(),
        });
        let (_item, elapsed) = caller.post("/api/work", item.to_string()).await?;
        Ok(elapsed)
    })
    .await?;
    let what = format!("Submission over HTTP, {CONCURRENCY} connections");
    report.add(Row::new(what, samples.load()).original("2,350/s"));
    Ok(samples.count())
}

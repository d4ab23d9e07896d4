//! Submissions over HTTP, as many as can be.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::http::{self, Caller};
use crate::program::Program;
use crate::report::{Report, Row};

/// How many submissions are on their way at once.
const AT_ONCE: usize = 16;

/// Each is an item of its own, with a checklist; nothing is started, because every slot is taken. Answers how many were
/// made.
pub(crate) async fn measure(
    program: &Program,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<usize> {
    let mut callers = Vec::new();
    for _ in 0..AT_ONCE {
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
    let what = format!("Submission over HTTP, {AT_ONCE} at once");
    report.add(Row::new(what, samples.load()).original("2,350/s"));
    Ok(samples.count())
}

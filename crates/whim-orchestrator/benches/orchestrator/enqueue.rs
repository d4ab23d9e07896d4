//! Latency from a submission to its committed claim, on an idle system.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;
use sqlx::postgres::PgListener;
use std::time::Duration;
use whim_testkit::wait::wait_until;

use crate::http::Caller;
use crate::program::Program;
use crate::report::{Report, Row};
use crate::samples::Samples;
use crate::world::World;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Submits one item at a time over HTTP. A trigger sends a notification when the claim commits.
pub(crate) async fn measure(
    world: &World,
    program: &Program,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "create function bench_notify_claim() returns trigger language plpgsql as $$
         begin perform pg_notify('bench_claims', new.id::text); return null; end $$;
         create trigger bench_claimed after update on work_items for each row
             when (new.status = 'assigned' and old.status = 'queued') execute function bench_notify_claim();",
    )
    .execute(&world.database)
    .await?;
    let mut claims = PgListener::connect_with(&world.database).await?;
    claims.listen("bench_claims").await?;
    let mut caller = Caller::connect(&program.addresses.api).await?;
    let mut latencies = Vec::new();
    let begin = Instant::now();
    // The first round is a warm-up: it opens connections and prepares statements.
    for n in 0..=times {
        let item = json!({ "repo": "bench/enqueue", "spec": "# Task\n\n- [ ] Make it\n", "sourceRef": n.to_string() });
        let sent = Instant::now();
        let claimed = async {
            tokio::time::timeout(TIMEOUT, claims.recv())
                .await
                .context("waiting for the claim")??;
            anyhow::Ok(sent.elapsed())
        };
        let ((answer, _answered), latency) =
            tokio::try_join!(caller.post("/api/work", item.to_string()), claimed)?;
        if n > 0 {
            latencies.push(latency);
        }
        let item: serde_json::Value = serde_json::from_slice(&answer)?;
        let id = item["id"].as_str().context("the response has no id")?;
        caller
            .post(&format!("/api/work/{id}/cancel"), "{}".to_owned())
            .await?;
        wait_until("the worker to be gone", TIMEOUT, async || {
            let left: i64 = sqlx::query_scalar("select count(*) from workers where stopped_at is null")
                .fetch_one(&world.database)
                .await
                .map_err(|error| error.to_string())?;
            if left == 0 {
                Ok(())
            } else {
                Err(format!("{left} workers"))
            }
        })
        .await?;
    }
    let samples = Samples::new(latencies, begin.elapsed());
    sqlx::raw_sql("drop function bench_notify_claim cascade")
        .execute(&world.database)
        .await?;
    report.add(
        Row::new(
            "Submission sent to claim committed, over HTTP, idle",
            samples.latency(),
        )
        .below("p50", 10.0),
    );
    Ok(())
}

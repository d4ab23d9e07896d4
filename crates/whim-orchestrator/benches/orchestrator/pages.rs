//! Pages of the API while the queue is long and many workers have ended today.

use std::time::{Duration, Instant};

use whim_testkit::wait::wait_until;

use crate::http::{self, Caller};
use crate::options::Scale;
use crate::program::Program;
use crate::report::{Report, Row, rounded};
use crate::samples::Samples;
use crate::submissions::submit;
use crate::workers;
use crate::world::World;

/// Pages with their target of p99 in milliseconds and the original's result.
const PAGES: [(&str, Option<f64>, Option<&str>); 4] = [
    (
        "/api/status",
        Some(5.0),
        Some("p50 119 ms, p99 170 ms, 10 k queued"),
    ),
    ("/api/metrics", Some(5.0), None),
    ("/api/queue", None, None),
    ("/api/work?status=queued", None, None),
];

/// Requests of each page that are not measured: connections, prepared statements and caches.
const WARM_UP: usize = 20;

/// Connections that submit while the status is read.
const SUBMITTERS: usize = 16;

/// Interval between reads of the status while items are submitted.
const INTERVAL: Duration = Duration::from_millis(5);

/// Longest wait for autovacuum, which runs once per minute.
const AUTOVACUUM_TIMEOUT: Duration = Duration::from_mins(4);

/// Requests each page sequentially.
pub(crate) async fn measure(
    world: &World,
    program: &Program,
    queued: u32,
    scale: &Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let ended = scale.ended_workers;
    // Statistics of a time when all workers were live mislead the planner the most.
    workers::make(&world.database, 50).await?;
    sqlx::query("analyze workers").execute(&world.database).await?;
    workers::end_today(&world.database, ended).await?;
    if scale.waits_for_autovacuum {
        until_analyzed(world).await?;
    }
    let what = format!(
        "{} queued, {} workers ended today",
        rounded(queued),
        rounded(ended)
    );
    let mut caller = Caller::connect(&program.addresses.api).await?;
    for (page, target, original) in PAGES {
        for _ in 0..WARM_UP {
            caller.get(page).await?;
        }
        let samples = read(&mut caller, page, Duration::ZERO, scale.load_duration).await?;
        let mut row = Row::new(format!("GET {page}, {what}"), samples.latency_and_longest());
        if let Some(limit) = target {
            row = row.below("p99", limit);
        }
        if let Some(original) = original {
            row = row.original(original);
        }
        report.add(row);
    }
    status_during_submissions(program, scale, report).await
}

/// Submissions add rows to the item counts, which the orchestrator compacts meanwhile.
async fn status_during_submissions(
    program: &Program,
    scale: &Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut reader = Caller::connect(&program.addresses.api).await?;
    let mut submitters = Vec::new();
    for _ in 0..SUBMITTERS {
        submitters.push(Caller::connect(&program.addresses.api).await?);
    }
    let (_submitted, samples) = tokio::try_join!(
        http::load(&mut submitters, scale.load_duration, submit),
        read(&mut reader, "/api/status", INTERVAL, scale.load_duration),
    )?;
    let what = format!("GET /api/status during submissions over {SUBMITTERS} connections");
    report.add(Row::new(what, samples.latency_and_longest()));
    Ok(())
}

async fn read(
    caller: &mut Caller,
    page: &str,
    interval: Duration,
    length: Duration,
) -> anyhow::Result<Samples> {
    let mut latencies = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < length {
        let (_page, elapsed) = caller.get(page).await?;
        latencies.push(elapsed);
        tokio::time::sleep(interval).await;
    }
    Ok(Samples::new(latencies, begin.elapsed()))
}

/// Waits until autovacuum has renewed the statistics of `workers`.
async fn until_analyzed(world: &World) -> anyhow::Result<()> {
    wait_until("autovacuum to analyze workers", AUTOVACUUM_TIMEOUT, async || {
        let analyzed: Result<bool, _> = sqlx::query_scalar(
            "select last_autoanalyze is not null and n_mod_since_analyze < 1000
             from pg_stat_user_tables where relname = 'workers'",
        )
        .fetch_one(&world.database)
        .await;
        match analyzed {
            Ok(true) => Ok(()),
            Ok(false) => Err("not yet".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
}

//! The order of a run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use whim_testkit::tools::workspace_root;

use crate::claims::{self, Claimer, SEVERAL};
use crate::options::{Options, Scale};
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value};
use crate::world::World;
use crate::{enqueue, heartbeats, horizon, locks, machine, pages, queue, submissions, viewers, workers};

/// How long a started orchestrator is left alone before its memory counts as that of an idle one.
const SETTLING: Duration = Duration::from_secs(2);

/// How long claims may take that are made only so that there were some.
const PATIENCE: Duration = Duration::from_secs(40);

/// How much longer a claim may take in one case than in another.
const FLAT: f64 = 2.0;

/// The length of the queue for which there is a target.
const TARGET_DEPTH: u32 = 100_000;

/// The length of the queue for which there is a number of the TypeScript original.
const COMPARED_DEPTH: u32 = 20_000;

/// Measures everything, prints it, and writes the files that were asked for.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    whim_service::telemetry::install_crypto();
    let scale = options.scale();
    let world = World::start().await?;
    let mut report = Report::new(machine::describe(&world.database).await?);

    with_the_program(&world, &scale, &mut report).await?;
    with_queues(&world, &scale, &mut report).await?;

    println!("\n{}", report.markdown());
    if let Some(path) = &options.markdown {
        write(path, &report.markdown())?;
    }
    if let Some(path) = &options.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

/// Cargo runs this in the directory of the package: paths mean the root of the checkout.
fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let path = workspace_root().join(path);
    fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
}

/// What callers see.
async fn with_the_program(world: &World, scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let program = Program::start(world, &[]).await?;
    tokio::time::sleep(SETTLING).await;
    let memory = Value::new("idle", program.resident_megabytes()?, Unit::Megabytes);
    let row = Row::new("Resident memory after the start", vec![memory]);
    report.add(row.below("idle", 30.0).original("72 MB"));

    enqueue::measure(world, &program, scale.times, report).await?;
    // From here on they take every slot, and nothing is started.
    let running = workers::make(&world.database, scale.workers).await?;
    heartbeats::measure(world, &program, &running, scale.each, report).await?;
    if let Some(worker) = running.last() {
        locks::measure(&program, worker, scale.times, report).await?;
        viewers::measure(&program, worker, scale, report).await?;
    }
    let submissions = submissions::measure(&program, scale.each, report).await?;

    tokio::time::sleep(SETTLING).await;
    let memory = Value::new("then", program.resident_megabytes()?, Unit::Megabytes);
    let what = format!("Resident memory after all of the above, {submissions} submissions among it");
    report.add(Row::new(what, vec![memory]).original("255 MB after 19 k submissions"));
    drop(program);
    queue::clear(&world.database).await
}

/// What depends on how much waits.
async fn with_queues(world: &World, scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let claimers = claims::claimers(world).await?;
    let mut filled = 0;
    let mut medians = Vec::new();
    for &queue_stats in &scale.depths {
        queue::fill(&world.database, filled, queue_stats, false).await?;
        filled = queue_stats;
        let what = format!("{} queued", rounded(queue_stats));
        medians.push(one_and_several(&claimers, scale.each, queue_stats, &what, report).await?);
        if queue_stats == scale.beside_waiting {
            let made = claims::make(&claimers, scale.claimed_before, PATIENCE).await?;
            let what = format!("{what}, {} claims later", rounded(made));
            one_and_several(&claimers, scale.each, queue_stats, &what, report).await?;
            horizon::measure(world, &claimers, scale.horizon, report).await?;
        }
    }
    add_flatness("slowest length of the queue to fastest", &medians, report);
    // Nothing is to be started: only looked at.
    let program = Program::start(world, &[("MAX_WORKERS", "0")]).await?;
    pages::measure(&program, filled, scale.times.min(50), report).await?;
    drop(program);

    queue::clear(&world.database).await?;
    let (queue_stats, waiting) = (scale.beside_waiting, scale.waiting);
    queue::fill(&world.database, 0, queue_stats, false).await?;
    let alone = one_and_several(
        &claimers,
        scale.each,
        queue_stats,
        &format!("{} queued again", rounded(queue_stats)),
        report,
    )
    .await?;
    queue::fill(&world.database, queue_stats, queue_stats + waiting, true).await?;
    let what = format!("{} queued, {} in backoff", rounded(queue_stats), rounded(waiting));
    let beside = one_and_several(&claimers, scale.each, queue_stats, &what, report).await?;
    add_flatness(
        "with items in backoff and without, slower to faster",
        &[alone, beside],
        report,
    );
    Ok(())
}

/// Median times of a claim, in milliseconds.
struct Medians {
    one: f64,
    several: f64,
}

/// Claims by one and by several.
async fn one_and_several(
    claimers: &[Claimer],
    length: Duration,
    queue_stats: u32,
    what: &str,
    report: &mut Report,
) -> anyhow::Result<Medians> {
    let alone = claims::measure(claimers.get(..1).unwrap_or_default(), length).await?;
    let together = claims::measure(claimers, length).await?;
    let one = Row::new(format!("Claim, {what}, one claimer"), alone.load());
    let several = Row::new(format!("Claim, {what}, {SEVERAL} claimers"), together.load());
    let medians = Medians {
        one: one.number("p50").unwrap_or_default(),
        several: several.number("p50").unwrap_or_default(),
    };
    // Several wait for each other by design: slots and budget are counted one claim at a time.
    report.add(match queue_stats {
        TARGET_DEPTH => one.below("p99", 5.0),
        COMPARED_DEPTH => one.original("139 ms for its query, 19 k queued"),
        _ => one,
    });
    report.add(several);
    Ok(medians)
}

/// Claims are to cost the same in all of these cases.
fn add_flatness(what: &str, medians: &[Medians], report: &mut Report) {
    let one: Vec<f64> = medians.iter().map(|medians| medians.one).collect();
    let several: Vec<f64> = medians.iter().map(|medians| medians.several).collect();
    for (claimers, medians) in [
        ("one claimer".to_owned(), one),
        (format!("{SEVERAL} claimers"), several),
    ] {
        let slowest = medians.iter().copied().fold(f64::MIN, f64::max);
        let fastest = medians.iter().copied().fold(f64::MAX, f64::min);
        let ratio = Value::new("ratio", slowest / fastest, Unit::Times);
        report.add(Row::new(format!("Claim p50, {what}, {claimers}"), vec![ratio]).below("ratio", FLAT));
    }
}

/// `20 k`, `1 M`.
pub(crate) fn rounded(number: u32) -> String {
    match number {
        1_000_000.. if number.is_multiple_of(1_000_000) => format!("{} M", number / 1_000_000),
        1000.. if number.is_multiple_of(1000) => format!("{} k", number / 1000),
        _ => number.to_string(),
    }
}

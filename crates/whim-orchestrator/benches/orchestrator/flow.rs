//! The order of a run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use whim_testkit::tools::workspace_root;

use crate::claims::{self, Claimer, SEVERAL};
use crate::options::{Options, Part, Scale};
use crate::program::Program;
use crate::report::{Report, Row, Unit, Value, rounded};
use crate::world::World;
use crate::{
    enqueue, fleet, heartbeats, horizon, locks, machine, pages, queue, submissions, subscribers, transcripts,
    workers,
};

/// Wait before the memory of an idle orchestrator is measured.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Time limit of the claims that only leave dead index entries.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(40);

/// Largest accepted ratio between the slowest and the fastest case.
const MAX_RATIO: f64 = 2.0;

/// Queue length that has a target.
const TARGET_DEPTH: u32 = 100_000;

/// Queue length at which the TypeScript original was measured.
const COMPARED_DEPTH: u32 = 20_000;

/// Runs all measurements, prints them, and writes the requested files.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    whim_service::telemetry::install_crypto();
    let scale = options.scale();
    let world = World::start().await?;
    let mut report = Report::new(machine::describe(&world.database).await?);

    let runs = |part| options.only.is_none_or(|only| only == part);
    if runs(Part::Program) {
        with_the_program(&world, &scale, &mut report).await?;
    }
    if options.only == Some(Part::Submissions) {
        only_submissions(&world, &scale, &mut report).await?;
    }
    if runs(Part::Fleet) {
        with_a_fleet(&world, &scale, &mut report).await?;
    }
    if runs(Part::Queues) {
        with_queues(&world, &scale, &mut report).await?;
    }

    println!("\n{}", report.markdown());
    if let Some(path) = &options.markdown {
        write(path, &report.markdown())?;
    }
    if let Some(path) = &options.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

/// Cargo runs benchmarks in the package directory; relative paths are resolved against the workspace root.
fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let path = workspace_root().join(path);
    fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
}

/// Measurements over HTTP.
async fn with_the_program(world: &World, scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let program = Program::start(world, &[]).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let memory = Value::new("idle", program.resident_megabytes()?, Unit::Megabytes);
    let row = Row::new("Resident memory after the start", vec![memory]);
    report.add(row.below("idle", 30.0).original("86 MB"));

    enqueue::measure(world, &program, scale.times, report).await?;
    // These workers occupy every slot, so that nothing is started from here on.
    let running = workers::make(&world.database, scale.workers).await?;
    heartbeats::measure(world, &program, &running, scale.load_duration, report).await?;
    if let Some(worker) = running.last() {
        locks::measure(&program, worker, scale.times, report).await?;
        subscribers::measure(&program, worker, scale, report).await?;
        transcripts::measure(&program, worker, scale.times, report).await?;
    }
    let submissions = submissions::measure(world, &program, scale, report).await?;

    tokio::time::sleep(SETTLE_TIME).await;
    let memory = Value::new("then", program.resident_megabytes()?, Unit::Megabytes);
    let what = format!("Resident memory after the rows above, including {submissions} submissions");
    report.add(Row::new(what, vec![memory]).original("168 MB after 10 k submissions"));
    drop(program);
    queue::clear(&world.database).await
}

/// Submissions, while every slot is occupied.
async fn only_submissions(world: &World, scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let program = Program::start(world, &[]).await?;
    workers::make(&world.database, scale.workers).await?;
    submissions::measure(world, &program, scale, report).await?;
    Ok(())
}

async fn with_a_fleet(world: &World, scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let program = Program::start(world, &[]).await?;
    fleet::measure(world, &program, scale, report).await?;
    drop(program);
    queue::clear(&world.database).await
}

/// Measurements that depend on the queue length.
async fn with_queues(world: &World, scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let claimers = claims::claimers(world).await?;
    let mut filled = 0;
    let mut medians = Vec::new();
    for &queued in &scale.depths {
        queue::fill(&world.database, filled, queued, false).await?;
        filled = queued;
        let what = format!("{} queued", rounded(queued));
        medians.push(one_and_several(&claimers, scale.load_duration, queued, &what, report).await?);
        if queued == scale.beside_backoff {
            let made = claims::make(&claimers, scale.claimed_before, WARM_UP_TIMEOUT).await?;
            let what = format!("{what}, {} claims later", rounded(made));
            one_and_several(&claimers, scale.load_duration, queued, &what, report).await?;
            horizon::measure(world, &claimers, scale.horizon, report).await?;
        }
    }
    add_flatness("slowest queue length to fastest", &medians, report);
    // Serves pages only; starts nothing.
    let program = Program::start(world, &[("MAX_WORKERS", "0")]).await?;
    pages::measure(world, &program, filled, scale, report).await?;
    drop(program);

    queue::clear(&world.database).await?;
    let (queued, in_backoff) = (scale.beside_backoff, scale.in_backoff);
    queue::fill(&world.database, 0, queued, false).await?;
    let alone = one_and_several(
        &claimers,
        scale.load_duration,
        queued,
        &format!("{} queued again", rounded(queued)),
        report,
    )
    .await?;
    queue::fill(&world.database, queued, queued + in_backoff, true).await?;
    let what = format!("{} queued, {} in backoff", rounded(queued), rounded(in_backoff));
    let beside = one_and_several(&claimers, scale.load_duration, queued, &what, report).await?;
    add_flatness(
        "with items in backoff and without, slower to faster",
        &[alone, beside],
        report,
    );
    Ok(())
}

/// Median claim time in milliseconds.
struct Medians {
    one: f64,
    several: f64,
}

async fn one_and_several(
    claimers: &[Claimer],
    length: Duration,
    queued: u32,
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
    // Concurrent claims are serialised by design: slots and budget are counted under a lock.
    report.add(match queued {
        TARGET_DEPTH => one.below("p99", 5.0),
        COMPARED_DEPTH => one.original("p50 59 ms"),
        _ => one,
    });
    report.add(several);
    Ok(medians)
}

/// Claims should cost the same in all of these cases.
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
        report.add(Row::new(format!("Claim p50, {what}, {claimers}"), vec![ratio]).below("ratio", MAX_RATIO));
    }
}

//! The chaos test: two orchestrators and real workers under random faults. Processes and databases are killed, processes
//! suspended and connections cut by a schedule derived from a seed, while work items are submitted, cancelled and requeued.
//!
//! After the faults, everything must settle: every work item ends, no process remains, the invariants held at all times,
//! and each completed work item has exactly one pull request.

mod faults;
mod nodes;
mod repair;
mod rig;
mod schedule;
mod verdict;
mod work;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, MissedTickBehavior, interval};
use whim_service::signal::EndSignals;

use self::rig::Rig;
use self::schedule::{Event, Schedule};
use self::verdict::REPORT_INTERVAL;

/// How often the schedule is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The exit code of a program interrupted by Ctrl-C, as in a shell.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs Whim under random faults, and checks that no work is lost or duplicated
#[derive(Debug, Parser)]
#[command(name = "whim-chaos", version)]
struct Arguments {
    /// Seed of the schedule of faults [default: random]
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults are injected
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
}

/// Runs the program. Exit codes: 0 success, 1 violations or errors, 130 after Ctrl-C.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match run_chaos(&arguments) {
        Ok(Some(violations)) if violations.is_empty() => ExitCode::SUCCESS,
        Ok(Some(_violations)) => ExitCode::FAILURE,
        Ok(None) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => {
            // If standard error is closed, the exit code remains.
            writeln!(io::stderr(), "\nThe chaos test failed to run: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Returns the violations, or `None` after Ctrl-C.
#[tokio::main]
async fn run_chaos(arguments: &Arguments) -> anyhow::Result<Option<Vec<String>>> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let minutes = arguments.minutes;
    print(&format!(
        "seed {seed}, {minutes} minutes; to repeat: cargo xtask chaos --seed {seed} --minutes {minutes}"
    ))?;
    let length = Duration::try_from_secs_f64(minutes * 60.0).context("parsing --minutes")?;
    let mut signals = EndSignals::listen().context("listening for Ctrl-C")?;
    tokio::select! {
        violations = inject_and_check(seed, length) => violations.map(Some),
        _ = signals.next() => Ok(None),
    }
}

async fn inject_and_check(seed: u64, length: Duration) -> anyhow::Result<Vec<String>> {
    let mut rig = Rig::start().await.context("starting the system")?;
    let mut schedule = Schedule::new(StdRng::seed_from_u64(seed));
    let start = Instant::now();
    let mut polls = interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported_at = start;
    while start.elapsed() < length {
        polls.tick().await;
        rig.repair_due().await?;
        for event in schedule.due(start.elapsed()) {
            match event {
                Event::Fault(fault, repair_after) => rig.inject(fault, repair_after).await?,
                Event::Action(action) => rig.perform(action).await?,
            }
        }
        if reported_at.elapsed() >= REPORT_INTERVAL {
            reported_at = Instant::now();
            print(&format!(
                "{:>4.0} s  {}",
                start.elapsed().as_secs_f64(),
                rig.summary().await
            ))?;
        }
    }
    print("no more faults; waiting until all work has ended")?;
    rig.repair_all().await?;
    let mut violations = rig
        .settle(|line| print(&format!("{:>4.0} s  {line}", start.elapsed().as_secs_f64())))
        .await?;
    violations.extend(rig.stop().await?);
    print(&rig.report())?;
    for violation in &violations {
        print(&format!("VIOLATION: {violation}"))?;
    }
    if violations.is_empty() {
        print(&format!("seed {seed}: no violations"))?;
    } else {
        print(&format!("logs are kept in {}", rig.keep_directory()?.display()))?;
    }
    Ok(violations)
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to standard output")
}

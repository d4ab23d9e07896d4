//! Whim under random faults: two orchestrators and real workers, whose processes, databases and lines are killed,
//! paused and cut by a schedule that follows from a seed, while items are submitted, cancelled and requeued.
//!
//! At the end the faults stop, and everything has to settle: every item ends, nothing is left running, the invariants
//! of `FAULTS.md` held all the time, and each completed item has exactly one pull request.

mod faults;
mod nodes;
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
use self::schedule::Schedule;

/// Between two looks at what is due.
const STEP: Duration = Duration::from_millis(100);
/// Between two lines of the report.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs Whim under random faults, and checks that nothing was lost, doubled or forgotten.
#[derive(Debug, Parser)]
#[command(name = "whim-chaos", version)]
struct Arguments {
    /// What the schedule of faults follows from; any number when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// For how long things break.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
}

/// Runs the program: 0 when all went well, 1 with what was violated, 130 after Ctrl-C.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match storm(&arguments) {
        Ok(Some(violations)) if violations.is_empty() => ExitCode::SUCCESS,
        Ok(Some(_violated)) => ExitCode::FAILURE,
        Ok(None) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            // Without a standard error there is nobody to tell; the exit code says it all the same.
            drop(writeln!(
                io::stderr(),
                "\nThe run could not be carried out: {error:#}"
            ));
            ExitCode::FAILURE
        }
    }
}

/// `None` after Ctrl-C.
#[tokio::main]
async fn storm(arguments: &Arguments) -> anyhow::Result<Option<Vec<String>>> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let minutes = arguments.minutes;
    say(&format!(
        "seed {seed}, {minutes} minutes; again with: cargo xtask chaos --seed {seed} --minutes {minutes}"
    ))?;
    let length = Duration::try_from_secs_f64(minutes * 60.0).context("reading --minutes")?;
    let mut signals = EndSignals::listen().context("listening for Ctrl-C")?;
    tokio::select! {
        violations = weather(seed, length) => violations.map(Some),
        _ = signals.next() => Ok(None),
    }
}

async fn weather(seed: u64, length: Duration) -> anyhow::Result<Vec<String>> {
    let mut rig = Rig::start().await.context("setting up")?;
    let mut schedule = Schedule::new(StdRng::seed_from_u64(seed));
    let begin = Instant::now();
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = begin;
    while begin.elapsed() < length {
        steps.tick().await;
        rig.mend_what_is_due().await?;
        for event in schedule.due(begin.elapsed()) {
            rig.suffer(event).await?;
        }
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            say(&format!(
                "{:>4.0} s  {}",
                begin.elapsed().as_secs_f64(),
                rig.summary().await
            ))?;
        }
    }
    say("faults are over; waiting until everything has settled")?;
    rig.mend_everything().await?;
    let mut violations = rig
        .settle(|line| say(&format!("{:>4.0} s  {line}", begin.elapsed().as_secs_f64())))
        .await?;
    violations.extend(rig.stop().await?);
    say(&rig.report())?;
    for violation in &violations {
        say(&format!("VIOLATED: {violation}"))?;
    }
    if violations.is_empty() {
        say(&format!("seed {seed}: nothing was lost, doubled or forgotten"))?;
    } else {
        say(&format!("logs are kept in {}", rig.keep_logs()?.display()))?;
    }
    Ok(violations)
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to standard output")
}

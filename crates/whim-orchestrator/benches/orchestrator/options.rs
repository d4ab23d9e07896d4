//! The command line, and how much of everything it asks for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures the orchestrator, and prints a table.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench orchestrator")]
pub(crate) struct Options {
    /// A second for each measurement and short queues: to see that it works
    #[arg(long)]
    small: bool,
    /// How many items are queued when claims are measured
    #[arg(long, value_delimiter = ',', value_name = "ITEMS", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    depths: Option<Vec<u32>>,
    /// How long another transaction holds the horizon
    #[arg(long, value_name = "SECONDS")]
    horizon_seconds: Option<u64>,
    /// Also write every number to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write the table to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of everything is measured.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Lengths of the queue, rising.
    pub(crate) depths: Vec<u32>,
    /// Items that wait for a time, beside a queue of [`Self::beside_waiting`].
    pub(crate) waiting: u32,
    /// The length of the queue that claims are measured at beside the waiting ones, and again after
    /// [`Self::claimed_before`].
    pub(crate) beside_waiting: u32,
    /// Claims that have left dead entries at the front of the index, at the most.
    pub(crate) claimed_before: u32,
    /// How long a load lasts.
    pub(crate) each: Duration,
    /// How long the horizon is held.
    pub(crate) horizon: Duration,
    /// How often what is done one at a time is done.
    pub(crate) times: usize,
    /// Workers that send heartbeats.
    pub(crate) workers: usize,
    /// Viewers of the live events.
    pub(crate) viewers: usize,
}

impl Options {
    /// What is to be measured.
    pub(crate) fn scale(&self) -> Scale {
        let mut scale = if self.small {
            Scale {
                depths: vec![1000, 20_000],
                waiting: 2000,
                beside_waiting: 20_000,
                claimed_before: 200,
                each: Duration::from_secs(1),
                horizon: Duration::from_secs(2),
                times: 10,
                workers: 20,
                viewers: 50,
            }
        } else {
            Scale {
                depths: vec![1000, 20_000, 100_000, 1_000_000],
                waiting: 100_000,
                beside_waiting: 100_000,
                claimed_before: 10_000,
                each: Duration::from_secs(8),
                horizon: Duration::from_secs(60),
                times: 300,
                workers: 200,
                viewers: 500,
            }
        };
        if let Some(depths) = &self.depths {
            scale.depths.clone_from(depths);
            scale.depths.sort_unstable();
            scale.depths.dedup();
        }
        if let Some(seconds) = self.horizon_seconds {
            scale.horizon = Duration::from_secs(seconds);
        }
        scale
    }
}

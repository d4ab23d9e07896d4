//! Command line and scale.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Benchmarks the orchestrator and prints a table.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench orchestrator")]
pub(crate) struct Options {
    /// One second per measurement and short queues, to check that it works
    #[arg(long)]
    small: bool,
    /// Measures one part instead of all
    #[arg(long)]
    pub(crate) only: Option<Part>,
    /// Queue lengths at which claims are measured
    #[arg(long, value_delimiter = ',', value_name = "ITEMS", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    depths: Option<Vec<u32>>,
    /// Duration of the long transaction in seconds
    #[arg(long, value_name = "SECONDS")]
    horizon_seconds: Option<u64>,
    /// Also write all values to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write the table to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Added by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Memory, heartbeats, locks, subscribers, transcripts and submissions
    Program,
    /// Submissions alone
    Submissions,
    /// A fleet of many workers
    Fleet,
    /// Claims and pages at several queue lengths
    Queues,
}

/// Scale of a run.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Queue lengths, ascending.
    pub(crate) depths: Vec<u32>,
    /// Items in backoff next to a queue of [`Self::beside_backoff`] items.
    pub(crate) in_backoff: u32,
    /// Queue length for the measurements with items in backoff and after [`Self::claimed_before`] claims.
    pub(crate) beside_backoff: u32,
    /// Maximum number of claims that leave dead entries at the front of the index.
    pub(crate) claimed_before: u32,
    /// Duration of a load.
    pub(crate) load_duration: Duration,
    /// Duration of the long transaction.
    pub(crate) horizon: Duration,
    /// Repetitions of sequential measurements.
    pub(crate) times: usize,
    /// Workers that send heartbeats.
    pub(crate) workers: usize,
    /// Subscribers of the event stream.
    pub(crate) subscribers: usize,
    /// Workers that ended today while pages are read.
    pub(crate) ended_workers: u32,
    /// Whether pages are read only after autovacuum has renewed the statistics.
    pub(crate) waits_for_autovacuum: bool,
    /// Live workers of a large fleet, and its subscribers.
    pub(crate) fleet: (usize, usize),
}

impl Options {
    pub(crate) fn scale(&self) -> Scale {
        let mut scale = if self.small {
            Scale {
                depths: vec![1000, 20_000],
                in_backoff: 2000,
                beside_backoff: 20_000,
                claimed_before: 200,
                load_duration: Duration::from_secs(1),
                horizon: Duration::from_secs(2),
                times: 10,
                workers: 20,
                subscribers: 50,
                ended_workers: 2000,
                waits_for_autovacuum: false,
                fleet: (50, 5),
            }
        } else {
            Scale {
                depths: vec![1000, 20_000, 100_000, 1_000_000],
                in_backoff: 100_000,
                beside_backoff: 100_000,
                claimed_before: 10_000,
                load_duration: Duration::from_secs(8),
                horizon: Duration::from_secs(60),
                times: 300,
                workers: 200,
                subscribers: 500,
                ended_workers: 100_000,
                waits_for_autovacuum: true,
                fleet: (1000, 100),
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

//! `cargo xtask bench orchestrator`: benchmarks the orchestrator on its own Postgres and Redis.
//!
//! The program is driven over HTTP. Claims go through the library, as the dispatcher makes them, because starting a worker
//! per claim would cost more than the claim. The load runs in this process on the same machine, so its CPU time is part of
//! every result.

#![expect(clippy::print_stdout, reason = "a command-line program")]

mod claims;
mod enqueue;
mod fleet;
mod flow;
mod heartbeats;
mod horizon;
mod http;
mod locks;
mod machine;
mod options;
mod pages;
mod program;
mod queue;
mod report;
mod samples;
mod submissions;
mod subscribers;
mod transcripts;
mod workers;
mod world;

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    flow::run(options::Options::parse()).await
}

//! `cargo xtask bench orchestrator`: how fast the orchestrator is, on a Postgres and a Redis of its own.
//!
//! Two things are driven: the real program over HTTP, for all that a caller sees, and the claim through the library,
//! as the dispatcher calls it, because a worker that is started for each claim would cost more than the claim. The
//! load comes from this process, on the same machine: its share of the processors is in every number.

#![expect(
    clippy::print_stdout,
    reason = "a command for the terminal: its output is its purpose"
)]

mod claims;
mod enqueue;
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
mod viewers;
mod workers;
mod world;

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    flow::run(options::Options::parse()).await
}

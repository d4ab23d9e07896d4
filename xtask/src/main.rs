//! The program behind `cargo xtask`.

use std::process::ExitCode;

use clap::Parser as _;
use xtask::cli::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    xtask::cli::run(Cli::parse()).await
}

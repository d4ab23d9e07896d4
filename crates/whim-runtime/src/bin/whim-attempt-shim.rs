//! The shim alone, for the tests of this crate. In production it is the orchestrator's subcommand `keep-attempt`.

use clap::{Parser, Subcommand};
use whim_runtime::process::{ShimArguments, keep};

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    KeepAttempt(ShimArguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let CommandLine {
        command: Command::KeepAttempt(arguments),
    } = CommandLine::parse();
    keep(arguments, std::env::vars_os()).await
}

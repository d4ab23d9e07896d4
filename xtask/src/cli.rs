//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::Build;
use crate::ci::Step;
use crate::workspace::Workspace;
use crate::{bench, chaos, ci, services, sqlx, tidy};

/// Checks, tests and benchmarks of the project
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the rules of the project that no compiler checks
    Tidy {
        /// Also list files above the aim for their length
        #[arg(long)]
        verbose: bool,
    },
    /// Offline data of the checked queries (.sqlx/)
    Sqlx {
        #[command(subcommand)]
        command: SqlxCommand,
    },
    /// Run a command with a Postgres and a Redis of its own, in DATABASE_URL and REDIS_URL
    WithServices {
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Run Whim under random faults, and check that no item was lost, run twice or forgotten
    Chaos {
        #[command(flatten)]
        storm: chaos::Storm,
    },
    /// Run benchmarks
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Run the steps of CI, up to the first that fails
    Ci {
        /// Only these steps, in their usual order [default: all but advisories]
        #[arg(value_enum)]
        steps: Vec<Step>,
    },
}

#[derive(Debug, Subcommand)]
enum SqlxCommand {
    /// Regenerate the data from the queries and the migrations
    Prepare,
    /// Check that the data is up to date
    Check,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Benchmark the orchestrator, with a Postgres and a Redis of its own; prints a table
    // All options, `--help` too, are those of the benchmark.
    #[command(disable_help_flag = true)]
    Orchestrator {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// Measure the retrieval of learnings with the embedding model: quality on the retrieval set, and latency
    #[command(disable_help_flag = true)]
    Learnings {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
}

/// Runs one command.
///
/// # Errors
/// The command could not be run; a failed check is a failing exit code instead.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match cli.command {
        Command::Tidy { verbose } => tidy::run(&workspace, verbose),
        Command::Sqlx {
            command: SqlxCommand::Prepare,
        } => sqlx::prepare(&workspace).await,
        Command::Sqlx {
            command: SqlxCommand::Check,
        } => sqlx::check(&workspace).await,
        Command::WithServices { command } => services::run_with_services(&workspace, &command).await,
        Command::Chaos { storm } => chaos::storm(&workspace, storm).await,
        Command::Bench {
            command: BenchCommand::Orchestrator { options },
        } => bench::orchestrator(&workspace, Build::Release, &options).await,
        Command::Bench {
            command: BenchCommand::Learnings { options },
        } => bench::learnings(&workspace, &options).await,
        Command::Ci { steps } => ci::run(&workspace, &steps).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::Build;
use crate::ci::Step;
use crate::workspace::Workspace;
use crate::{bench, chaos, ci, services, sqlx, tidy};

/// Rules that run, and what CI runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks the rules that no compiler checks: file length, crate arrows, lints, open ends
    Tidy {
        /// Also lists what is allowed but not aimed at
        #[arg(long)]
        verbose: bool,
    },
    /// Offline data of the checked queries (`.sqlx/`)
    Sqlx {
        #[command(subcommand)]
        command: SqlxCommand,
    },
    /// Runs a command with a Postgres and a Redis of its own, under DATABASE_URL and REDIS_URL
    WithServices {
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Runs Whim under random faults, and checks that nothing was lost, doubled or forgotten
    Chaos {
        #[command(flatten)]
        storm: chaos::Storm,
    },
    /// Measures how fast Whim is
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Everything that CI runs, up to the first step that fails
    Ci {
        /// Only these steps, in their usual order
        #[arg(value_enum)]
        steps: Vec<Step>,
    },
}

#[derive(Debug, Subcommand)]
enum SqlxCommand {
    /// Writes the data anew from the queries and the migrations
    Prepare,
    /// Says whether the data is what the queries and the migrations give
    Check,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// The orchestrator, with a Postgres and a Redis of its own; prints a table
    // Its options are those of the program that measures: `--help` is answered there.
    #[command(disable_help_flag = true)]
    Orchestrator {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
}

/// Runs one command.
///
/// # Errors
/// The command could not be carried out; a rule that is broken is a failing exit code instead.
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

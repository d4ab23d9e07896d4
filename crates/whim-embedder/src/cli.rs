//! The command line.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::Model;
use crate::serve::serve;

const PROGRAM: &str = "whim-embedder";

/// Turns texts into vectors: reads requests as JSON lines, and writes one line for each
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Exit with 0 if the files of the embedded model are the pinned ones and load, else with 1
    Check {
        /// Directory of the files
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
}

/// Runs the program: 0 at the end of its input, 2 for a wrong argument, 1 for everything else.
pub fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Some(Command::Check { directory }) => Model::load(&directory).map(drop),
        None => serve(io::stdin().lock(), io::stdout().lock()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code reports the failure even if standard error is closed.
            let _ignored = writeln!(io::stderr(), "{PROGRAM}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The program of the orchestrator.

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_orchestrator::cli::main()
}

//! The gateway program; see [`whim_gateway::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_gateway::cli::run()
}

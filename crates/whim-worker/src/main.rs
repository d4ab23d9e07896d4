//! The worker program; see [`whim_worker::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_worker::cli::run()
}

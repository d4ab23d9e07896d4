//! The dashboard program; see [`whim_dashboard::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_dashboard::cli::run()
}

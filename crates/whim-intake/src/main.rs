//! The intake program; see [`whim_intake::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_intake::cli::run()
}

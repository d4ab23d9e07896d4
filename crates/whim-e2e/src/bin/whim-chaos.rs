//! The chaos test; see [`whim_e2e::chaos`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_e2e::chaos::run()
}

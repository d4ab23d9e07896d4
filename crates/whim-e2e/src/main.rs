//! The demo; see [`whim_e2e::demo`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_e2e::demo::run()
}

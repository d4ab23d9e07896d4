//! The fakes of GitHub and the model API for the container demo; see [`whim_e2e::stand_ins`].

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_e2e::stand_ins::run()
}

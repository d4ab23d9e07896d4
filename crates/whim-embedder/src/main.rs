//! The embedder.

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_embedder::cli::main()
}

//! The loop: one fresh coding agent per iteration until every box of SPEC.md is ticked.

use std::process::ExitCode;

fn main() -> ExitCode {
    ralph::main(std::env::args_os()).into()
}

//! The program `ralph`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ralph::main(std::env::args_os()).into()
}

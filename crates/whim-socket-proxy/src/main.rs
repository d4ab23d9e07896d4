//! The socket proxy.

use std::process::ExitCode;

fn main() -> ExitCode {
    whim_socket_proxy::cli::main()
}

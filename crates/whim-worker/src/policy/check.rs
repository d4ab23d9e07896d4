//! `whim-worker policy`: checks a policy before it is committed.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use whim_service::chain::chain;

use super::{PATH, Policy};

pub const SUBCOMMAND: &str = "policy";

/// The exit codes of `policy check` with their meanings, for `--help`.
pub const EXIT_CODES: [(u8, &str); 4] = [
    (0, "the policy is valid"),
    (
        1,
        "the policy is invalid; standard error names the line and the key",
    ),
    (2, "the file cannot be read"),
    (64, "invalid command line"),
];

/// Checks a file, or the policy of the repository in a directory. Prints the first problem.
pub fn check(path: &Path) -> ExitCode {
    let file = if path.is_dir() {
        path.join(PATH)
    } else {
        path.to_owned()
    };
    let shown = file.display();
    // Without output, the exit code remains.
    let print_error = |message: &dyn std::fmt::Display| writeln!(io::stderr(), "{shown}: {message}").ok();
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            print_error(&chain(&error));
            return ExitCode::from(2);
        }
    };
    match Policy::parse(&text) {
        Ok(_) => {
            writeln!(io::stdout(), "{shown} is valid").ok();
            ExitCode::SUCCESS
        }
        Err(error) => {
            print_error(&error);
            ExitCode::from(1)
        }
    }
}

/// Prints the JSON schema.
pub fn print_schema() -> ExitCode {
    let schema = format!("{:#}\n", Policy::schema().to_value());
    match io::stdout().write_all(schema.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

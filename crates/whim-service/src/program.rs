//! The start of a program: command line, refused configuration, ready file.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::environment::{ConfigError, Setting};

/// The exit code for a wrong configuration or command line (`EX_USAGE` of `sysexits.h`).
pub const EXIT_USAGE: u8 = 64;

/// Parses the command line. `--help` lists the settings as well.
///
/// # Errors
/// The exit code: 0 after `--help` and `--version`, [`EXIT_USAGE`] after a message on standard error.
pub fn parse_arguments<Arguments: Parser>(settings: &[Setting]) -> Result<Arguments, ExitCode> {
    let listed: Vec<String> = settings.iter().map(|setting| format!("  {setting}")).collect();
    let command = Arguments::command()
        .after_long_help(format!("Settings, from the environment:\n{}", listed.join("\n")))
        .after_help("--help lists the settings.");
    command
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| {
            let code = if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
            // If printing fails, the exit code is all that can be reported.
            error.print().ok();
            code
        })
}

/// Prints what is wrong with the configuration to standard error, and returns the exit code.
pub fn refuse(program: &str, error: &ConfigError) -> ExitCode {
    // If printing fails, the exit code is all that can be reported.
    writeln!(io::stderr(), "{program} cannot start:\n{error}").ok();
    ExitCode::from(EXIT_USAGE)
}

/// Writes `content` as JSON to `path` atomically.
///
/// # Errors
/// The directory does not exist or is not writable.
pub fn write_ready_file(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    std::fs::write(&unfinished, serde_json::to_vec(content)?)?;
    std::fs::rename(&unfinished, path)
}

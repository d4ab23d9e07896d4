//! Command line, start and readiness of a program.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use serde::Serialize;

use crate::environment::{ConfigError, Effective, Setting};

/// The exit code for a wrong configuration or command line (`EX_USAGE` of `sysexits.h`).
pub const EXIT_USAGE: u8 = 64;

/// Parses the command line; `--help` lists the settings too.
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
            // As below.
            let _unwritable = error.print();
            code
        })
}

/// Makes this process non-dumpable (prctl(2), `PR_SET_DUMPABLE`): other processes of its user can read neither its memory nor
/// `/proc/PID/environ`, and it leaves no core dump. Root still can. Child processes are not affected.
pub fn protect_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can read the memory of this one");
    }
}

/// Prints the problems to standard error, and returns the exit code for them.
pub fn refuse(program: &str, error: &ConfigError) -> ExitCode {
    // Without a standard error, the exit code is the only report.
    let _unwritable = writeln!(io::stderr(), "{program} cannot start:\n{error}");
    ExitCode::from(EXIT_USAGE)
}

/// Prints every setting as `NAME=value`, secrets redacted: the answer of `config check`.
///
/// # Errors
/// Standard output is closed.
pub fn print_settings(effective: &Effective) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for (name, value) in effective.iter() {
        writeln!(output, "{name}={value}")?;
    }
    Ok(())
}

/// Writes `content` as JSON to `path` in one step, so that a reader never sees a part of it.
///
/// # Errors
/// The directory is missing or not writable.
pub fn write_ready_file(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    std::fs::write(&unfinished, serde_json::to_vec(content)?)?;
    std::fs::rename(&unfinished, path)
}

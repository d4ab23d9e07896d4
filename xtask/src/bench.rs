//! Benchmarks.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::command::{cargo, exit_code, run};
use crate::workspace::Workspace;

/// How what is measured is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// As it is released: what numbers are taken from.
    Release,
    /// As the tests are built: for a look at whether it works, without another build.
    Debug,
}

/// Measures the orchestrator; `options` are for the program that does so.
///
/// # Errors
/// The build could not be started; one that failed is a failing exit code instead.
pub async fn orchestrator(
    workspace: &Workspace,
    build: Build,
    options: &[OsString],
) -> anyhow::Result<ExitCode> {
    let profile = match build {
        Build::Release => "bench",
        Build::Debug => "dev",
    };
    let bench = [
        "bench",
        "--quiet",
        "--package",
        "whim-orchestrator",
        "--bench",
        "orchestrator",
    ];
    let arguments = bench
        .into_iter()
        .chain(["--profile", profile, "--"])
        .map(OsStr::new);
    let command = cargo(
        workspace.root(),
        arguments.chain(options.iter().map(OsString::as_os_str)),
    );
    Ok(exit_code(run(command).await?))
}

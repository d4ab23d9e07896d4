//! Benchmarks.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::command::{cargo, exit_code, run};
use crate::workspace::Workspace;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// For numbers.
    Release,
    /// As the tests are built: to see that it works.
    Debug,
}

/// Benchmarks the orchestrator; `options` go to the benchmark.
///
/// # Errors
/// The build could not be started; a failed build is a failing exit code instead.
pub async fn orchestrator(
    workspace: &Workspace,
    build: Build,
    options: &[OsString],
) -> anyhow::Result<ExitCode> {
    run_bench(workspace, "orchestrator", build, options).await
}

/// Measures the retrieval of learnings; `options` go to the benchmark. The embedder is built first.
///
/// # Errors
/// A build could not be started; a failed build is a failing exit code instead.
pub async fn learnings(workspace: &Workspace, options: &[OsString]) -> anyhow::Result<ExitCode> {
    let build = ["build", "--quiet", "--release", "--package", "whim-embedder"];
    let built = run(cargo(workspace.root(), build.map(OsStr::new))).await?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    run_bench(workspace, "learnings", Build::Release, options).await
}

async fn run_bench(
    workspace: &Workspace,
    name: &str,
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
        name,
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

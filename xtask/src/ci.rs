//! Everything that CI runs, one step after the other.

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use tokio::process::Command;
use whim_testkit::services::Services;

use crate::command::{self, cargo};
use crate::services::set_urls;
use crate::workspace::Workspace;
use crate::{sqlx, tidy};

/// In order; each needs a compiling workspace less than the one after it.
const STEPS: [Step; 7] = [
    Step::Format,
    Step::Tidy,
    Step::Lint,
    Step::QueryData,
    Step::Build,
    Step::Test,
    Step::DocTest,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Format,
    Tidy,
    Lint,
    QueryData,
    Build,
    Test,
    DocTest,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Format => "format",
            Self::Tidy => "tidy",
            Self::Lint => "clippy",
            Self::QueryData => "offline query data",
            Self::Build => "build of the programs",
            Self::Test => "tests",
            Self::DocTest => "documentation tests",
        })
    }
}

/// Runs the steps up to the first that fails.
///
/// # Errors
/// A step could not be carried out at all.
pub async fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    for (index, step) in STEPS.into_iter().enumerate() {
        println!("==> {} of {}: {step}", index + 1, STEPS.len());
        let step_begin = Instant::now();
        let passed = step
            .run(workspace)
            .await
            .with_context(|| format!("step `{step}`"))?;
        let seconds = step_begin.elapsed().as_secs_f64();
        if !passed {
            println!("==> {step} failed after {seconds:.1} s");
            return Ok(ExitCode::FAILURE);
        }
        println!("    {step}: passed in {seconds:.1} s");
    }
    println!("==> all passed in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

impl Step {
    async fn run(self, workspace: &Workspace) -> anyhow::Result<bool> {
        let in_root = |arguments: &[&str]| cargo(workspace.root(), arguments);
        match self {
            Self::Format => passes(in_root(&["fmt", "--all", "--check"])).await,
            Self::Tidy => Ok(tidy::run(workspace, false)? == ExitCode::SUCCESS),
            Self::Lint => {
                let arguments = [
                    "clippy",
                    "--quiet",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ];
                passes(in_root(&arguments)).await
            }
            Self::QueryData => Ok(sqlx::check(workspace).await? == ExitCode::SUCCESS),
            Self::Build => passes(in_root(&["build", "--quiet", "--workspace", "--bins"])).await,
            Self::Test => {
                let services = Services::start().await.context("starting Postgres and Redis")?;
                let mut tests = in_root(&["nextest", "run", "--workspace"]);
                set_urls(&mut tests, &services);
                passes(tests).await
            }
            Self::DocTest => passes(in_root(&["test", "--quiet", "--workspace", "--doc"])).await,
        }
    }
}

async fn passes(command: Command) -> anyhow::Result<bool> {
    Ok(command::run(command).await?.success())
}

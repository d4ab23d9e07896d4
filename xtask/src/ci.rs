//! Everything that CI runs, one step after the other.

use std::fmt;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use tokio::process::Command;
use whim_testkit::services::Services;

use crate::bench::Build;
use crate::command::{self, cargo};
use crate::services::set_urls;
use crate::workspace::Workspace;
use crate::{bench, chaos, sqlx, tidy};

/// One step. They are in the order in which they run: each needs a working workspace less than the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Whether the code is formatted
    Fmt,
    /// The rules that no compiler checks
    Tidy,
    /// Clippy, without a warning
    Clippy,
    /// Whether the offline query data is what the queries and the migrations give
    Sqlx,
    /// The programs, which end-to-end tests run
    Build,
    /// All tests, with a Postgres and a Redis of their own
    Test,
    /// The examples in the documentation
    DocTest,
    /// Images, workers in containers and the demo, on a real engine (scripts/ci/docker.sh)
    Docker,
    /// Two minutes under random faults
    Chaos,
    /// The benchmark, small: whether it works, never how fast
    Bench,
}

/// Runs the steps (all of them when `only` is empty) up to the first that fails.
///
/// # Errors
/// A step could not be carried out at all.
pub async fn run(workspace: &Workspace, only: &[Step]) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    let steps: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| only.is_empty() || only.contains(step))
        .collect();
    for (index, step) in steps.iter().enumerate() {
        println!("==> {} of {}: {step}", index + 1, steps.len());
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

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        formatter.write_str(name.as_ref().map_or("step", PossibleValue::get_name))
    }
}

impl Step {
    async fn run(self, workspace: &Workspace) -> anyhow::Result<bool> {
        let in_root = |arguments: &[&str]| cargo(workspace.root(), arguments);
        match self {
            Self::Fmt => passes(in_root(&["fmt", "--all", "--check"])).await,
            Self::Tidy => Ok(tidy::run(workspace, false)? == ExitCode::SUCCESS),
            Self::Clippy => {
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
            Self::Sqlx => Ok(sqlx::check(workspace).await? == ExitCode::SUCCESS),
            Self::Build => passes(in_root(&["build", "--quiet", "--workspace", "--bins"])).await,
            Self::Test => {
                let services = Services::start().await.context("starting Postgres and Redis")?;
                let mut tests = in_root(&["nextest", "run", "--workspace"]);
                set_urls(&mut tests, &services);
                passes(tests).await
            }
            Self::DocTest => passes(in_root(&["test", "--quiet", "--workspace", "--doc"])).await,
            Self::Chaos => Ok(chaos::storm(workspace, chaos::IN_CI).await? == ExitCode::SUCCESS),
            Self::Bench => {
                let small = ["--small".into()];
                Ok(bench::orchestrator(workspace, Build::Debug, &small).await? == ExitCode::SUCCESS)
            }
            Self::Docker => {
                if !docker_is_possible().await {
                    println!("{DOCKER_IS_NOT_POSSIBLE}");
                    return Ok(true);
                }
                let services = Services::start().await.context("starting Postgres and Redis")?;
                let mut script = Command::new(workspace.root().join("scripts/ci/docker.sh"));
                set_urls(&mut script, &services);
                passes(script).await
            }
        }
    }
}

/// Nobody is to take this for a step that passed.
const DOCKER_IS_NOT_POSSIBLE: &str = "
    ########################################################################################
    #  NOT TESTED: images, workers in containers, and the demo in containers.              #
    #  No container engine answers, and only root of a Debian-like system can start one.   #
    ########################################################################################
";

/// Whether an engine answers, or can be installed and started: then the script does that.
async fn docker_is_possible() -> bool {
    if rustix::process::geteuid().is_root() && Path::new("/usr/bin/apt-get").exists() {
        return true;
    }
    let mut version = Command::new("docker");
    version
        .arg("version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().await.is_ok_and(|status| status.success())
}

async fn passes(command: Command) -> anyhow::Result<bool> {
    Ok(command::run(command).await?.success())
}

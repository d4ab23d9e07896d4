//! The steps of CI.

use std::fmt;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use tokio::process::Command;
use whim_testkit::services::Services;

use crate::bench::Build;
use crate::command::{self, cargo};
use crate::services::set_urls;
use crate::workspace::Workspace;
use crate::{bench, chaos, fuzz_api, sqlx, tidy};

/// A step. They run in this order: quick checks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Format of the code
    Fmt,
    /// Rules of the project that no compiler checks
    Tidy,
    /// Licences, sources, bans and duplicates of dependencies (deny.toml)
    Deny,
    /// Known vulnerabilities of dependencies. Fetches a database from GitHub, so it only runs if it is named
    Advisories,
    /// Unused dependencies
    Machete,
    /// Clippy without warnings
    Clippy,
    /// The pages of the dashboard: generated client, lint, types, tests, build and size
    Dashboard,
    /// Whether the offline query data is up to date
    Sqlx,
    /// The programs, which the end-to-end tests run
    Build,
    /// All tests, with a Postgres and a Redis of their own
    Test,
    /// Generated requests to a running orchestrator, compared with openapi.json: about a minute
    FuzzApi,
    /// The dashboard in Chromium, before the real services and a scripted run: about four minutes
    DashboardE2e,
    /// Examples in the documentation
    DocTest,
    /// Images, workers in containers and the demo, on a real engine (scripts/ci/docker.sh)
    Docker,
    /// Two minutes under random faults
    Chaos,
    /// A small benchmark run: whether it works, not how fast
    Bench,
}

/// Runs the steps, up to the first that fails. If `only` is empty, all that need no network.
///
/// # Errors
/// A step could not be run.
pub async fn run(workspace: &Workspace, only: &[Step]) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    let steps = selected(only);
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

fn selected(only: &[Step]) -> Vec<Step> {
    let is_selected = |step: &Step| {
        if only.is_empty() {
            *step != Step::Advisories
        } else {
            only.contains(step)
        }
    };
    let steps = Step::value_variants().iter().copied();
    steps.filter(is_selected).collect()
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
            Self::Deny => {
                let checks = ["deny", "check", "bans", "licenses", "sources"];
                tool_passes(in_root(&checks), "cargo-deny").await
            }
            Self::Advisories => tool_passes(in_root(&["deny", "check", "advisories"]), "cargo-deny").await,
            Self::Machete => tool_passes(in_root(&["machete"]), "cargo-machete").await,
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
            Self::Dashboard => passes(Command::new(workspace.root().join("scripts/ci/dashboard.sh"))).await,
            Self::DashboardE2e => {
                passes(Command::new(workspace.root().join("scripts/ci/dashboard-e2e.sh"))).await
            }
            Self::Sqlx => Ok(sqlx::check(workspace).await? == ExitCode::SUCCESS),
            Self::Build => passes(in_root(&["build", "--quiet", "--workspace", "--bins"])).await,
            Self::Test => {
                let services = Services::start().await.context("starting Postgres and Redis")?;
                let mut tests = in_root(&["nextest", "run", "--workspace"]);
                set_urls(&mut tests, &services);
                passes(tests).await
            }
            Self::FuzzApi => fuzz_api::passes(workspace).await,
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

/// Not to be overlooked: the step did not test anything.
const DOCKER_IS_NOT_POSSIBLE: &str = "
    ########################################################################################
    #  NOT TESTED: images, workers in containers, and the demo in containers.              #
    #  No container engine answers, and only root of a Debian-like system can start one.   #
    ########################################################################################
";

/// Whether a container engine answers, or the script can install and start one.
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

/// Runs a subcommand of cargo that is a program of its own.
async fn tool_passes(command: Command, program: &str) -> anyhow::Result<bool> {
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()));
    ensure!(
        on_path,
        "{program} is not installed: run ./scripts/setup.sh, then ./scripts/test.sh"
    );
    passes(command).await
}

async fn passes(command: Command) -> anyhow::Result<bool> {
    Ok(command::run(command).await?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_names_needs_no_network_and_keeps_the_order() {
        let steps = selected(&[]);
        assert!(!steps.contains(&Step::Advisories), "{steps:?}");
        assert_eq!(steps.len(), Step::value_variants().len() - 1);
        assert_eq!(steps[..3], [Step::Fmt, Step::Tidy, Step::Deny]);
    }

    #[test]
    fn named_steps_run_in_their_usual_order() {
        let steps = selected(&[Step::Test, Step::Advisories]);
        assert_eq!(steps, [Step::Advisories, Step::Test]);
    }
}

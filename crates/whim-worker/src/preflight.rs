//! What is decided before the agent starts: the policy of the repository, its setup, and the tools of its checks. What can
//! never work ends the attempt here, before it costs anything.

use std::time::Duration;

use whim_core::FailureCause;
use whim_service::chain::chain;

use crate::checks::{Checks, MissingTool, SetupFailure, Tools};
use crate::config::Config;
use crate::outcome::Failure;
use crate::policy::{self, Policy};
use crate::report::Reporter;
use crate::workspace::{BaseFile, Workspace};

/// Returns the policy of the repository.
///
/// # Errors
/// The policy is invalid, its setup fails, or a tool of the checks is not installed.
pub async fn preflight(
    config: &Config,
    workspace: &Workspace,
    reporter: &Reporter,
) -> Result<Policy, Failure> {
    let policy = read_policy(workspace).await?;
    let checks = Checks::new(&policy, config);
    let checkout = workspace.as_checkout();
    if !policy.setup.is_empty() {
        let report_progress =
            |step: &_, elapsed: Duration| reporter.tests_running(&format!("{step}"), elapsed);
        if let Err(failure) = checks.set_up(&checkout, report_progress).await? {
            setup_failed(failure, workspace, reporter)?;
        }
    }
    let tools = Tools::on(config.child_env.search_path());
    if let Some(missing) = tools.missing(&checks.plan(&checkout)?) {
        let failure = tool_missing(&missing);
        // Otherwise earlier work on the branch may have added the check.
        if policy.checks.is_some() || workspace.remote_head().is_none() {
            return Err(Failure::new(FailureCause::ToolMissing, failure));
        }
        reporter.notice(&failure);
    }
    Ok(policy)
}

async fn read_policy(workspace: &Workspace) -> Result<Policy, Failure> {
    let unusable = |problem: String| Failure::new(FailureCause::WorkspaceUnusable, problem);
    let git_failed = |error| Failure::of_machine(chain(&error).to_string());
    let file = policy::PATH;
    match workspace.read_base_file(file).await.map_err(git_failed)? {
        BaseFile::Text(text) => Policy::parse(&text).map_err(|error| {
            let base = workspace.base();
            unusable(format!(
                "the policy of the repository is invalid: {file} on {base}, {error}; `whim-worker policy check` checks it"
            ))
        }),
        BaseFile::NotAFile => Err(unusable(format!("{file} is not a regular file"))),
        BaseFile::Missing => {
            let misspelt = policy::MISSPELT_PATH;
            match workspace.read_base_file(misspelt).await.map_err(git_failed)? {
                BaseFile::Missing => Ok(Policy::default()),
                BaseFile::Text(_) | BaseFile::NotAFile => Err(unusable(format!(
                    "the policy of the repository is in {misspelt}; rename it to {file}"
                ))),
            }
        }
    }
}

/// On a branch with earlier work, the setup may fail because of that work, which the agent can repair.
fn setup_failed(failure: SetupFailure, workspace: &Workspace, reporter: &Reporter) -> Result<(), Failure> {
    let SetupFailure {
        description,
        unreachable_registry,
    } = failure;
    let description = format!("the setup of {} failed: {description}", policy::PATH);
    match unreachable_registry {
        _ if workspace.remote_head().is_some() => {
            reporter.notice(&description);
            Ok(())
        }
        Some(line) => Err(Failure::registry_unavailable(&line)),
        None => Err(Failure::new(FailureCause::WorkspaceUnusable, description)),
    }
}

fn tool_missing(MissingTool { check, program }: &MissingTool) -> String {
    format!(
        "the check `{check}` needs `{program}`, which is not installed where the worker runs. Install it there, use a worker \
         image that has it (WORKER_IMAGE, WORKER_IMAGES), install it with `setup`, or name other `checks` in {}",
        policy::PATH
    )
}

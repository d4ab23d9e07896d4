//! The command line and environment of `ralph`, which are all that the worker knows about it.

use std::io;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use whim_service::process::{CommandSpec, Orphans};

use crate::child_env::{ATTEMPT_VARIABLE, ChildEnvironment};
use crate::config::{AgentConfig, Harness};
use crate::credentials::ModelCredential;
use crate::identity::Identity;
use crate::locks::{LockClient, hook, hook_timeout};
use crate::workspace::Workspace;

/// The inputs of a run of the agent.
#[derive(Clone, Copy, Debug)]
pub struct AgentRun<'a> {
    pub agent: &'a AgentConfig,
    /// Name of the model; `None` for the default of the harness.
    pub model_name: Option<&'a str>,
    pub child_env: &'a ChildEnvironment,
    pub model: Option<&'a ModelCredential>,
    /// The author and committer of the agent's commits.
    pub identity: &'a Identity,
    pub max_iterations: u32,
    /// How long a failed push is retried at the end of the run.
    pub retry_timeout: Duration,
    pub lock_client: &'a LockClient,
    /// File with the MCP servers of the agent.
    pub mcp_config: Option<&'a Path>,
    /// File with the repository's instructions for agents.
    pub instructions: Option<&'a Path>,
}

/// A run that works on the checklist. `earlier_iterations` of this attempt count against its limit.
///
/// # Errors
/// The path of this program cannot be determined.
pub(super) fn work(
    run: &AgentRun<'_>,
    workspace: &Workspace,
    earlier_iterations: u32,
) -> io::Result<CommandSpec> {
    let agent = run.agent;
    let own = workspace.own_files();
    let iterations = run.max_iterations.saturating_sub(earlier_iterations).max(1);
    let mut command = CommandSpec::new(&agent.ralph_bin)
        .args(["run", "--headless", "--spec", &own.checklist])
        .args(["--run-dir", own.run.directory()])
        .args(["--keep-commit", workspace.anchor().as_str()])
        .arg("-n")
        .arg(iterations.to_string())
        .args(["--harness", agent.harness.as_str()])
        .arg("--stuck-threshold")
        .arg(agent.stuck_threshold.to_string());
    match agent.harness {
        Harness::Claude => {
            let timeout = hook_timeout(run.lock_client.wait_timeout());
            for argument in hook::command(workspace.hook_directory(), timeout)? {
                command = command.arg("--pre-edit-hook").arg(argument);
            }
            let limit = timeout.as_secs_f64().to_string();
            command = command.args(["--pre-edit-limit", &limit]);
        }
    }
    if let Some(file) = run.mcp_config {
        command = command.arg("--mcp-config").arg(file);
    }
    if let Some(file) = run.instructions {
        command = command.arg("--instructions").arg(file);
    }
    let idle_timeout = agent.idle_timeout + agent.lock_wait_timeout;
    Ok(with_agent(command, run, idle_timeout)
        .envs(run.identity.variables())
        .directory(workspace.directory()))
}

/// A run that compares the change in the file `diff` with the checklist in the file `spec`, in a checkout of the change.
pub(super) fn review(run: &AgentRun<'_>, directory: &Path, spec: &Path, diff: &Path) -> CommandSpec {
    let agent = run.agent;
    let command = CommandSpec::new(&agent.ralph_bin)
        .args(["review", "--headless"])
        .arg("--spec")
        .arg(spec)
        .arg("--diff")
        .arg(diff)
        .args(["--harness", agent.harness.as_str()]);
    with_agent(command, run, agent.idle_timeout).directory(directory)
}

/// Adds what every run of an agent gets. The environment contains no secret of Whim's but the model credential.
fn with_agent(mut command: CommandSpec, run: &AgentRun<'_>, idle_timeout: Duration) -> CommandSpec {
    let agent = run.agent;
    command = command
        .args(["--pass-env", ATTEMPT_VARIABLE])
        .arg("--timeout-idle")
        .arg(idle_timeout.as_secs_f64().to_string())
        .args(["--claude-bin", &agent.claude_bin]);
    if let Some(amount) = &agent.iteration_budget_usd {
        command = command.args(["--max-budget-usd", amount]);
    }
    for name in run.child_env.machine_variables() {
        command = command.args(["--pass-env", name]);
    }
    if let Some(model) = run.model_name {
        command = command.args(["--model", model]);
    }
    command = run
        .child_env
        .apply(command)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env(
            "ANTHROPIC_BASE_URL",
            agent.anthropic_base_url.as_str().trim_end_matches('/'),
        )
        // This process is a subreaper, and git processes that run concurrently leave no orphans.
        .orphans(Orphans::Adopted);
    match run.model {
        Some(model) => command.env(model.variable(), model.secret().expose_secret()),
        None => command,
    }
}

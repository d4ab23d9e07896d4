//! How `ralph` is called: only its command line and its environment are known of it.

use whim_service::process::{CommandSpec, Orphans};

use secrecy::ExposeSecret as _;

use super::Assignment;
use crate::surroundings::ATTEMPT_VARIABLE;
use crate::workspace::Workspace;

/// Who commits.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Whim"),
    ("GIT_AUTHOR_EMAIL", "whim@users.noreply.github.com"),
    ("GIT_COMMITTER_NAME", "Whim"),
    ("GIT_COMMITTER_EMAIL", "whim@users.noreply.github.com"),
];

/// The command, with an environment of exactly what the agent needs. Of Whim's secrets it gets the model's alone.
pub(super) fn build(assignment: &Assignment<'_>, workspace: &Workspace) -> CommandSpec {
    let agent = assignment.agent;
    let mut command = CommandSpec::new(&agent.ralph_bin)
        .args(["run", "--headless", "--spec", workspace.spec_path()])
        .arg("-n")
        .arg(assignment.max_iterations.to_string())
        .args(["--harness", &agent.harness])
        .arg("--stuck-threshold")
        .arg(agent.stuck_threshold.to_string())
        .arg("--timeout-idle")
        .arg(agent.idle.as_secs_f64().to_string())
        .args(["--pass-env", ATTEMPT_VARIABLE])
        .args(["--claude-bin", &agent.claude_bin]);
    for name in assignment.surroundings.machine_variables() {
        command = command.args(["--pass-env", name]);
    }
    if let Some(model) = &agent.model {
        command = command.args(["--model", model]);
    }
    command = assignment
        .surroundings
        .apply(command)
        .envs(IDENTITY)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env(
            "ANTHROPIC_BASE_URL",
            agent.anthropic_base_url.as_str().trim_end_matches('/'),
        )
        .directory(workspace.directory())
        // This process is a subreaper, and the git processes beside this one leave no orphans.
        .orphans(Orphans::Adopted);
    match assignment.model {
        Some(model) => command.env(model.variable(), model.secret().expose_secret()),
        None => command,
    }
}

//! How `ralph` is called: only its command line and its environment are known of it.

use std::io;

use secrecy::ExposeSecret as _;
use whim_service::process::{CommandSpec, Orphans};

use super::Assignment;
use crate::locks::{hook, hook_limit};
use crate::surroundings::ATTEMPT_VARIABLE;
use crate::workspace::Workspace;

/// Who commits.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Whim"),
    ("GIT_AUTHOR_EMAIL", "whim@users.noreply.github.com"),
    ("GIT_COMMITTER_NAME", "Whim"),
    ("GIT_COMMITTER_EMAIL", "whim@users.noreply.github.com"),
];

/// The harness that asks before it edits. What others change is locked afterwards.
const ASKING_HARNESS: &str = "claude";

/// The command, with an environment of exactly what the agent needs. Of Whim's secrets it gets the model's alone.
///
/// # Errors
/// This program does not know where it is.
pub(super) fn build(assignment: &Assignment<'_>, workspace: &Workspace) -> io::Result<CommandSpec> {
    let agent = assignment.agent;
    let hook_limit = hook_limit(assignment.keeper.wait());
    let mut command = CommandSpec::new(&agent.ralph_bin)
        .args(["run", "--headless", "--spec", workspace.spec_path()])
        .arg("-n")
        .arg(assignment.max_iterations.to_string())
        .args(["--harness", &agent.harness])
        .arg("--stuck-threshold")
        .arg(agent.stuck_threshold.to_string())
        .arg("--timeout-idle")
        .arg((agent.idle + agent.lock_wait).as_secs_f64().to_string())
        .args(["--pass-env", ATTEMPT_VARIABLE])
        .args(["--claude-bin", &agent.claude_bin]);
    for name in assignment.surroundings.machine_variables() {
        command = command.args(["--pass-env", name]);
    }
    if agent.harness == ASKING_HARNESS {
        for word in hook::command(workspace.desk(), hook_limit)? {
            command = command.arg("--pre-edit-hook").arg(word);
        }
        let limit = hook_limit.as_secs_f64().to_string();
        command = command.args(["--pre-edit-limit", &limit]);
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
    Ok(match assignment.model {
        Some(model) => command.env(model.variable(), model.secret().expose_secret()),
        None => command,
    })
}

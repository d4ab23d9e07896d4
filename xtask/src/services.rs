//! A Postgres and a Redis for the duration of a command.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::process::Command;
use whim_testkit::services::Services;

use crate::command::{exit_code, run};
use crate::workspace::Workspace;

/// Runs `command` with `DATABASE_URL` and `REDIS_URL` of temporary servers, and returns its exit code.
///
/// # Errors
/// A server or the command could not be started.
pub async fn run_with_services(workspace: &Workspace, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("expected a command")?;
    let services = Services::start().await.context("starting Postgres and Redis")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace.root());
    set_urls(&mut command, &services);
    let status = run(command).await?;
    Ok(exit_code(status))
}

/// Sets `DATABASE_URL` and `REDIS_URL`.
pub fn set_urls(command: &mut Command, services: &Services) {
    command
        .env("DATABASE_URL", services.database_url())
        .env("REDIS_URL", services.redis_url());
}

//! Whim under random faults: builds the programs and lets `whim-chaos` run them.

use std::process::ExitCode;

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;
use tokio::process::Command;

use crate::command::{cargo, exit_code, run};
use crate::workspace::Workspace;

/// What CI runs. One seed, the same each time: a change is held against what the change before it passed, and a new
/// schedule each time would fail changes for what they did not break. New seeds are drawn by hand.
pub const IN_CI: Storm = Storm {
    seed: Some(1),
    minutes: 2.0,
};

/// A run of `whim-chaos`.
#[derive(Clone, Copy, Debug, PartialEq, clap::Args)]
pub struct Storm {
    /// What the schedule of faults follows from; any number when not given
    #[arg(long)]
    pub seed: Option<u64>,
    /// For how long things break
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
}

/// Builds the programs and runs the storm; succeeds when nothing was lost, doubled or forgotten.
///
/// # Errors
/// A program could not be built or started.
pub async fn storm(workspace: &Workspace, storm: Storm) -> anyhow::Result<ExitCode> {
    let built = run(cargo(
        workspace.root(),
        ["build", "--quiet", "--workspace", "--bins"],
    ))
    .await?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    let metadata = MetadataCommand::new()
        .current_dir(workspace.root())
        .no_deps()
        .exec()
        .context("asking cargo where it builds")?;
    let mut command = Command::new(metadata.target_directory.join("debug/whim-chaos"));
    command.args(["--minutes", &storm.minutes.to_string()]);
    if let Some(seed) = storm.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    Ok(exit_code(run(command).await?))
}

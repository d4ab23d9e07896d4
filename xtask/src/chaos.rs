//! Whim under random faults: builds the programs and runs `whim-chaos`.

use std::process::ExitCode;

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;
use tokio::process::Command;

use crate::command::{cargo, exit_code, run};
use crate::workspace::Workspace;

/// The run of CI. With the same seed each time, a failure comes from the change under test and not from a new schedule.
/// Other seeds are for runs by hand.
pub const IN_CI: Storm = Storm {
    seed: Some(1),
    minutes: 2.0,
};

/// A run of `whim-chaos`.
#[derive(Clone, Copy, Debug, PartialEq, clap::Args)]
pub struct Storm {
    /// Seed of the schedule of faults [default: random]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Duration of the faults
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
}

/// Builds the programs and runs the storm; succeeds if no item was lost, run twice or forgotten.
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
        .context("running cargo metadata")?;
    let mut command = Command::new(metadata.target_directory.join("debug/whim-chaos"));
    command.args(["--minutes", &storm.minutes.to_string()]);
    if let Some(seed) = storm.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    Ok(exit_code(run(command).await?))
}

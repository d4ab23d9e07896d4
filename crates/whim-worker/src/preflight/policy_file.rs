//! The policy of the base branch.

use whim_core::FailureCause;
use whim_service::chain::chain;

use crate::outcome::Failure;
use crate::policy::{self, Policy};
use crate::workspace::{BaseFile, Workspace};

/// # Errors
/// It is invalid, no file, or has a misspelt name.
pub(super) async fn read(workspace: &Workspace) -> Result<Policy, Failure> {
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

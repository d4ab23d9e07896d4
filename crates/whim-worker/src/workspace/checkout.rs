//! Clones of the mirror.

use std::path::Path;

use whim_core::BranchName;

use super::layout::Layout;
use crate::git::{Git, GitError};

/// Checks out a branch of the mirror. No file is shared with the mirror: through hard links, the agent could change it.
pub(super) async fn check_out(
    git: &Git,
    layout: &Layout,
    branch: &BranchName,
    target: &Path,
) -> Result<(), GitError> {
    let branch = format!("--branch={branch}");
    git.local(
        &layout.private,
        &[
            &"clone",
            &"--quiet",
            &"--no-hardlinks",
            &"--template=",
            &"--no-recurse-submodules",
            &branch,
            &"--",
            &layout.mirror,
            &target,
        ],
    )
    .await
    .map(drop)
}

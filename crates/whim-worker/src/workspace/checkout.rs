//! Clones of the mirror.

use std::path::Path;

use whim_core::{BranchName, CommitHash};

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

/// Checks out a commit of the mirror, under the same condition.
pub(super) async fn check_out_commit(
    git: &Git,
    layout: &Layout,
    commit: &CommitHash,
    target: &Path,
) -> Result<(), GitError> {
    git.local(
        &layout.private,
        &[
            &"clone",
            &"--quiet",
            &"--no-hardlinks",
            &"--no-checkout",
            &"--template=",
            &"--no-recurse-submodules",
            &"--",
            &layout.mirror,
            &target,
        ],
    )
    .await?;
    git.local(target, &[&"checkout", &"--quiet", &"--detach", &commit.as_str()])
        .await
        .map(drop)
}

//! Parts of a repository that a clone does not contain.

use crate::git::GitError;
use crate::workspace::{BaseFile, Workspace};

/// What the agent will not find, if anything.
///
/// # Errors
/// Git failed.
pub(super) async fn examine(workspace: &Workspace) -> Result<Option<String>, GitError> {
    let mut missing = Vec::new();
    if has_line(workspace, ".gitmodules", |line| line.starts_with("[submodule ")).await? {
        missing.push(
            "The repository has submodules. Their directories are empty for the agent and the checks, unless `setup` fetches \
             them",
        );
    }
    if has_line(workspace, ".gitattributes", |line| line.contains("filter=lfs")).await? {
        missing.push(
            "The repository has files in Git LFS. The agent and the checks find pointers in their place, unless `setup` \
             fetches them",
        );
    }
    Ok(if missing.is_empty() {
        None
    } else {
        Some(missing.join(". "))
    })
}

async fn has_line(
    workspace: &Workspace,
    path: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<bool, GitError> {
    Ok(match workspace.read_base_file(path).await? {
        BaseFile::Text(text) => text.lines().any(|line| is_wanted(line.trim())),
        BaseFile::Missing | BaseFile::NotAFile => false,
    })
}

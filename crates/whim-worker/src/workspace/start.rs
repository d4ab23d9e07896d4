//! Fetches the base and the branch of a work item.

use std::time::Duration;

use whim_core::{BranchName, CommitHash};

use super::base::{self, BaseFile};
use super::branch::{RemoteRefs, StartPoint, excluding, reference};
use super::layout::Layout;
use super::prepare_error::PrepareError;
use crate::git::{Git, GitError, RemoteError};
use crate::policy::{self, Policy};
use crate::retry::retry_until_deadline;

/// Where the branch starts, and the head of its base. Both branches are fetched.
pub(super) async fn fetch_start(
    git: &Git,
    layout: &Layout,
    branch: &BranchName,
    base: Option<&BranchName>,
    retry_timeout: Duration,
) -> Result<(StartPoint, CommitHash), PrepareError> {
    let refs = retry_until_deadline("listing the branches", retry_timeout, async || {
        list_refs(git, layout, branch, base).await
    })
    .await?;
    let start = refs.start(branch, base)?;
    retry_until_deadline("fetching", retry_timeout, async || {
        let existing = start.branch_head.as_ref().map(|_| branch);
        fetch(git, layout, [Some(&start.base), existing]).await
    })
    .await?;
    let base_head = head_of(git, layout, &start.base).await?;
    Ok((start, base_head))
}

/// The base that the policy on the default branch names. An invalid policy is reported by the preflight.
pub(super) async fn base_of_policy(
    git: &Git,
    layout: &Layout,
    default_head: &CommitHash,
) -> Result<Option<BranchName>, GitError> {
    Ok(
        match base::read_file(git, &layout.mirror, default_head, policy::PATH).await? {
            BaseFile::Text(text) => Policy::parse(&text).ok().and_then(|policy| policy.base),
            BaseFile::Missing | BaseFile::NotAFile => None,
        },
    )
}

async fn list_refs(
    git: &Git,
    layout: &Layout,
    branch: &BranchName,
    base: Option<&BranchName>,
) -> Result<RemoteRefs, RemoteError> {
    let others = excluding(branch);
    let branch = reference(branch);
    let base = base.map_or_else(|| "HEAD".to_owned(), reference);
    let url = git.url();
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"ls-remote", &"--symref", &"--", &url, &"HEAD", &branch, &base];
    arguments.extend(
        others
            .iter()
            .map(|pattern| pattern as &dyn AsRef<std::ffi::OsStr>),
    );
    let output = git.remote(&layout.private, &arguments).await?;
    Ok(RemoteRefs::parse(&output))
}

async fn fetch(git: &Git, layout: &Layout, branches: [Option<&BranchName>; 2]) -> Result<(), RemoteError> {
    let refspecs = branches.map(|branch| branch.map(|branch| format!("+{0}:{0}", reference(branch))));
    let url = git.url();
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
        &"fetch",
        &"--quiet",
        &"--no-write-fetch-head",
        &"--no-recurse-submodules",
        &"--",
        &url,
    ];
    for refspec in refspecs.iter().flatten() {
        arguments.push(refspec);
    }
    git.remote(&layout.mirror, &arguments).await.map(drop)
}

pub(super) async fn head_of(
    git: &Git,
    layout: &Layout,
    branch: &BranchName,
) -> Result<CommitHash, PrepareError> {
    let revision = format!("{}^{{commit}}", reference(branch));
    let hash = git
        .local(
            &layout.mirror,
            &[&"rev-parse", &"--verify", &"--end-of-options", &revision],
        )
        .await?;
    Ok(CommitHash::parse(hash.lines().last().unwrap_or_default())?)
}

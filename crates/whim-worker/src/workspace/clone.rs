//! Making the workspace.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ralph_contract::{SpecDocument, files as contract_files};
use whim_core::protocol::worker::Assignment;
use whim_core::redact::Redactor;
use whim_core::{BranchName, CommitHash, FailureCause};
use whim_service::chain::chain;

use super::branch::{NoStart, RemoteRefs, Start, reference};
use super::{Layout, PushError, Ready, Workspace, spec_file};
use crate::git::{Git, GitError, RemoteError, RemoteProblem};
use crate::outcome::{Failure, is_disk_full};
use crate::patience::patiently;

/// What is kept out of the agent's commits, and with them out of the pull request.
const EXCLUDED: &str = "# Whim's own files\n/SPEC.md\n/.ai/\n";

/// The window reads nothing but objects: no index that the agent may have forged.
const WINDOW_SETTINGS: [(&str, &str); 3] = [
    ("core.commitGraph", "false"),
    ("core.multiPackIndex", "false"),
    ("uploadpack.allowFilter", "false"),
];

/// Why the workspace could not be made.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error("the repository cannot be read")]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    NoStart(#[from] NoStart),
    #[error("the branch cannot be pushed")]
    Push(#[from] PushError),
    #[error("making the workspace")]
    Git(#[from] GitError),
    #[error("making the workspace")]
    Io(#[from] io::Error),
    #[error("git gave no hash where there has to be one")]
    Hash(#[from] whim_core::InvalidName),
    #[error("the checklist cannot be written to {path}; the repository may have something else there")]
    Spec { path: &'static str, source: io::Error },
}

/// Makes the workspace of an item: clones, makes or resumes the branch, checks that it can be pushed, and writes the
/// checklist.
///
/// # Errors
/// The repository cannot be used, does not take pushes, or GitHub is away for longer than `patience`.
pub async fn prepare(
    git: Git,
    layout: Layout,
    assignment: &Assignment,
    patience: Duration,
    redactor: Arc<Redactor>,
) -> Result<Ready, Failure> {
    make(git, layout, assignment, patience, redactor)
        .await
        .map_err(Failure::from)
}

async fn make(
    git: Git,
    layout: Layout,
    assignment: &Assignment,
    patience: Duration,
    redactor: Arc<Redactor>,
) -> Result<Ready, Unprepared> {
    let Assignment { branch, metadata, .. } = assignment;
    let refs = patiently("asking GitHub for the branches", patience, async || {
        list_refs(&git, &layout, branch, metadata.base.as_ref()).await
    })
    .await?;
    let Start { base, branch_head } = refs.start(branch, metadata.base.as_ref())?;
    git.local(
        &layout.private,
        &[
            &"init",
            &"--quiet",
            &"--bare",
            &"--template=",
            &"--",
            &layout.mirror,
        ],
    )
    .await?;
    patiently("cloning", patience, async || {
        fetch(&git, &layout, [Some(&base), branch_head.as_ref().map(|_| branch)]).await
    })
    .await?;
    let base_head = head_of(&git, &layout, &base).await?;
    let remote_head = match branch_head {
        Some(_) => Some(head_of(&git, &layout, branch).await?),
        None => {
            let target = reference(branch);
            git.local(&layout.mirror, &[&"update-ref", &target, &base_head.as_str()])
                .await?;
            None
        }
    };
    let mut workspace = Workspace {
        anchor: remote_head.clone().unwrap_or_else(|| base_head.clone()),
        branch: branch.clone(),
        base,
        base_head,
        remote_head,
        unanswered: Vec::new(),
        spec_path: contract_files::SPEC,
        git,
        layout,
        redactor,
    };
    patiently("trying to push", patience, async || workspace.try_push().await).await?;
    workspace.clone_for_agent().await?;
    workspace.open_window().await?;
    if workspace.tracks(contract_files::SPEC).await? {
        workspace.spec_path = contract_files::SPEC_IN_AI;
    }
    let spec = workspace.accepted_spec(assignment).await?;
    workspace.write_spec(&spec).map_err(|source| Unprepared::Spec {
        path: workspace.spec_path,
        source,
    })?;
    Ok(Ready { workspace, spec })
}

async fn list_refs(
    git: &Git,
    layout: &Layout,
    branch: &BranchName,
    base: Option<&BranchName>,
) -> Result<RemoteRefs, RemoteError> {
    let branch = reference(branch);
    let base = base.map_or_else(|| "HEAD".to_owned(), reference);
    let output = git
        .remote(
            &layout.private,
            &[
                &"ls-remote",
                &"--symref",
                &"--",
                &git.url(),
                &"HEAD",
                &branch,
                &base,
            ],
        )
        .await?;
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

async fn head_of(git: &Git, layout: &Layout, branch: &BranchName) -> Result<CommitHash, Unprepared> {
    let revision = format!("{}^{{commit}}", reference(branch));
    let hash = git
        .local(
            &layout.mirror,
            &[&"rev-parse", &"--verify", &"--end-of-options", &revision],
        )
        .await?;
    Ok(CommitHash::parse(hash.lines().last().unwrap_or_default())?)
}

/// A checkout of a branch of the mirror, sharing no file with it: links would let the agent write into the mirror.
async fn check_out_into(
    git: &Git,
    layout: &Layout,
    branch: &BranchName,
    target: &std::path::Path,
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

/// A clean checkout of what was pushed.
pub(super) async fn check_out(git: &Git, layout: &Layout, branch: &BranchName) -> Result<(), GitError> {
    check_out_into(git, layout, branch, &layout.check).await
}

impl Workspace {
    async fn clone_for_agent(&self) -> Result<(), Unprepared> {
        let repository = &self.layout.repository;
        check_out_into(&self.git, &self.layout, &self.branch, repository).await?;
        // The last call of git in there: from now on the agent may have been at it.
        self.git
            .local(
                repository,
                &[&"remote", &"set-url", &"--", &"origin", &self.git.url()],
            )
            .await?;
        let info = repository.join(".git/info");
        fs::create_dir_all(&info)?;
        fs::write(info.join("exclude"), EXCLUDED)?;
        Ok(())
    }

    async fn open_window(&self) -> Result<(), Unprepared> {
        let window = &self.layout.window;
        self.git
            .local(
                &self.layout.private,
                &[&"init", &"--quiet", &"--bare", &"--template=", &"--", window],
            )
            .await?;
        for (name, value) in WINDOW_SETTINGS {
            self.git.local(window, &[&"config", &name, &value]).await?;
        }
        let objects = self.layout.repository.join(".git/objects");
        fs::create_dir_all(window.join("objects/info"))?;
        fs::write(
            window.join("objects/info/alternates"),
            format!("{}\n", objects.display()),
        )?;
        Ok(())
    }

    /// Whether the repository itself has this file.
    async fn tracks(&self, path: &str) -> Result<bool, GitError> {
        for commit in [&self.base_head, &self.anchor] {
            let found = self
                .git
                .local(
                    &self.layout.mirror,
                    &[
                        &"ls-tree",
                        &"--name-only",
                        &"--end-of-options",
                        &commit.as_str(),
                        &"--",
                        &path,
                    ],
                )
                .await?;
            if !found.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ticks of earlier attempts count only together with the commits that they belong to (`DESIGN.md`, decision 9).
    /// Without such a head the ticks are those of whoever submitted the checklist.
    async fn accepted_spec(&self, assignment: &Assignment) -> Result<SpecDocument, GitError> {
        let spec = SpecDocument::parse(assignment.spec.as_str());
        let Some(head) = &assignment.head_sha else {
            return Ok(spec);
        };
        if self.contains(head).await? {
            Ok(spec)
        } else {
            tracing::warn!(%head, "the ticks of the checklist belong to a commit that is not on the branch");
            Ok(spec_file::without_ticks(&spec))
        }
    }

    /// Whether the branch on GitHub has this commit.
    async fn contains(&self, commit: &CommitHash) -> Result<bool, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(false);
        };
        let mirror = &self.layout.mirror;
        let revision = format!("{commit}^{{commit}}");
        let is_known = self
            .git
            .answers_yes(
                mirror,
                &[
                    &"rev-parse",
                    &"--verify",
                    &"--quiet",
                    &"--end-of-options",
                    &revision,
                ],
            )
            .await?;
        Ok(is_known
            && self
                .git
                .answers_yes(
                    mirror,
                    &[&"merge-base", &"--is-ancestor", &commit.as_str(), &head.as_str()],
                )
                .await?)
    }
}

impl From<Unprepared> for Failure {
    fn from(error: Unprepared) -> Self {
        let words = chain(&error).to_string();
        let cause = match &error {
            _ if is_disk_full(&words) => FailureCause::DiskFull,
            Unprepared::Remote(RemoteError { problem, .. }) => match problem {
                RemoteProblem::Away => FailureCause::GitHubUnavailable,
                RemoteProblem::BadToken => FailureCause::GitHubRefused,
                RemoteProblem::Denied | RemoteProblem::NotFound | RemoteProblem::Other => {
                    FailureCause::WorkspaceUnusable
                }
            },
            Unprepared::NoStart(_) | Unprepared::Spec { .. } => FailureCause::WorkspaceUnusable,
            Unprepared::Push(error) => error.cause(),
            Unprepared::Git(_) | Unprepared::Io(_) | Unprepared::Hash(_) => FailureCause::Crash,
        };
        Self::new(cause, words)
    }
}

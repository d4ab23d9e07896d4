//! Creates the workspace of a work item.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::CommitHash;
use whim_core::protocol::worker::Assignment;

use super::branch::{StartPoint, reference};
use super::handle::Workspace;
use super::layout::Layout;
use super::own_files::OwnFiles;
use super::prepare_error::PrepareError;
use super::secret_patterns::OwnSecrets;
use super::start::{base_of_policy, fetch_start, head_of};
use super::{checkout, spec_file};
use crate::git::{Git, GitError};
use crate::outcome::Failure;
use crate::report::Reporter;
use crate::retry::retry_until_deadline;

/// Ignore auxiliary files of the object database, which the agent can forge.
const WINDOW_SETTINGS: [(&str, &str); 3] = [
    ("core.commitGraph", "false"),
    ("core.multiPackIndex", "false"),
    ("uploadpack.allowFilter", "false"),
];

#[derive(Debug)]
pub struct Ready {
    pub workspace: Workspace,
    /// The checklist, with the ticks of earlier attempts whose commits are on the branch.
    pub spec: SpecDocument,
}

impl Ready {
    /// Reports what an earlier attempt has done, if any.
    pub(crate) fn report_resumed(&self, reporter: &Reporter) {
        if let Some(head) = self.workspace.remote_head() {
            let done = self.spec.done_count();
            let total = self.spec.tasks().len();
            reporter.notice(&format!(
                "Resuming {} at {}: {done} of {total} tasks are done",
                self.workspace.branch,
                &head.as_str()[..12],
            ));
        }
        if let Some(head) = &self.workspace.replaced {
            reporter.notice(&format!(
                "Starting {} from {}: its pull request at {} was merged or closed",
                self.workspace.branch,
                self.workspace.base,
                &head.as_str()[..12],
            ));
        }
    }
}

/// Clones the repository, creates or resumes the branch, checks that it can be pushed, and writes the checklist.
///
/// # Errors
/// The repository cannot be used or pushed to, or GitHub is unavailable for longer than `retry_timeout`.
///
/// `is_finished`: whether a branch at this head was delivered by a pull request that is merged or closed. A new run starts from
/// the base then, so that what was merged or rejected does not come back.
pub async fn prepare(
    git: Git,
    layout: Layout,
    assignment: &Assignment,
    retry_timeout: Duration,
    secrets: OwnSecrets,
    is_finished: impl AsyncFn(&CommitHash) -> Result<bool, Failure>,
) -> Result<Ready, Failure> {
    create(git, layout, assignment, retry_timeout, secrets, is_finished)
        .await
        .map_err(Failure::from)
}

async fn create(
    git: Git,
    layout: Layout,
    assignment: &Assignment,
    retry_timeout: Duration,
    secrets: OwnSecrets,
    is_finished: impl AsyncFn(&CommitHash) -> Result<bool, Failure>,
) -> Result<Ready, PrepareError> {
    let Assignment { branch, metadata, .. } = assignment;
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
    let wanted = metadata.base.as_ref();
    let mut start = fetch_start(&git, &layout, branch, wanted, retry_timeout).await?;
    if wanted.is_none()
        && let Some(base) = base_of_policy(&git, &layout, &start.1).await?
        && base != start.0.base
    {
        start = fetch_start(&git, &layout, branch, Some(&base), retry_timeout).await?;
    }
    let (start, base_head) = start;
    let StartPoint {
        base,
        other_default,
        branch_head,
    } = start;
    let mut remote_head = match branch_head {
        Some(_) => Some(head_of(&git, &layout, branch).await?),
        None => None,
    };
    let mut replaced = None;
    if let Some(head) = &remote_head
        && assignment.head_sha.is_none()
        && is_finished(head).await.map_err(PrepareError::Failed)?
    {
        replaced = remote_head.take();
    }
    if remote_head.is_none() {
        let target = reference(branch);
        git.local(&layout.mirror, &[&"update-ref", &target, &base_head.as_str()])
            .await?;
    }
    let mut workspace = Workspace {
        anchor: remote_head.clone().unwrap_or_else(|| base_head.clone()),
        branch: branch.clone(),
        base,
        other_default,
        base_at_start: base_head.clone(),
        base_head,
        remote_head,
        replaced,
        unanswered: Vec::new(),
        own: OwnFiles::default(),
        trailers: None,
        accepted_untracked: HashSet::new(),
        is_outdated: false,
        git,
        layout,
        secrets,
    };
    retry_until_deadline(
        "checking that the branch can be pushed",
        retry_timeout,
        async || workspace.check_push().await,
    )
    .await?;
    workspace.own = workspace.choose_own_files().await?;
    workspace.clone_for_agent().await?;
    workspace.create_window().await?;
    workspace.remember_files()?;
    let spec = workspace.accepted_spec(assignment).await?;
    workspace.write_spec(&spec).map_err(|source| PrepareError::Spec {
        path: workspace.own.checklist.clone(),
        source,
    })?;
    // Also without any, as the file of an earlier attempt may be there.
    workspace
        .write_learnings(&assignment.learnings)
        .map_err(|source| PrepareError::Spec {
            path: workspace.own.run.learnings(),
            source,
        })?;
    Ok(Ready { workspace, spec })
}

impl Workspace {
    /// Chooses names that neither the base nor the branch has.
    async fn choose_own_files(&self) -> Result<OwnFiles, GitError> {
        let base = self.top_level_names(&self.base_head).await?;
        let branch = self.top_level_names(&self.anchor).await?;
        let taken: Vec<&str> = base.split('\0').chain(branch.split('\0')).collect();
        Ok(OwnFiles::free(&taken))
    }

    /// Separated by NUL.
    async fn top_level_names(&self, commit: &CommitHash) -> Result<String, GitError> {
        self.git
            .local(
                &self.layout.mirror,
                &[
                    &"ls-tree",
                    &"-z",
                    &"--name-only",
                    &"--end-of-options",
                    &commit.as_str(),
                ],
            )
            .await
    }

    pub(super) async fn clone_for_agent(&self) -> Result<(), PrepareError> {
        let repository = &self.layout.repository;
        checkout::check_out(&self.git, &self.layout, &self.branch, repository).await?;
        // The last git command in the workspace: it is untrusted once the agent has run.
        self.git
            .local(
                repository,
                &[&"remote", &"set-url", &"--", &"origin", &self.git.url()],
            )
            .await?;
        let info = repository.join(".git/info");
        fs::create_dir_all(&info)?;
        fs::write(
            info.join("exclude"),
            format!("# Files of Whim\n{}", self.own.exclude_pattern()),
        )?;
        Ok(())
    }

    async fn create_window(&self) -> Result<(), PrepareError> {
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

    /// Ticks of earlier attempts only count if the commits that they belong to are on the branch. Without a head, the
    /// ticks were submitted with the checklist and count.
    async fn accepted_spec(&self, assignment: &Assignment) -> Result<SpecDocument, GitError> {
        let spec = SpecDocument::parse(assignment.spec.as_str());
        let Some(head) = &assignment.head_sha else {
            return Ok(spec);
        };
        if self.contains(head).await? {
            Ok(spec)
        } else {
            tracing::warn!(%head, "ignoring the ticks of the checklist, whose commit is not on the branch");
            Ok(spec_file::without_ticks(&spec))
        }
    }

    /// Whether the branch on GitHub contains this commit.
    async fn contains(&self, commit: &CommitHash) -> Result<bool, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(false);
        };
        let mirror = &self.layout.mirror;
        let revision = format!("{commit}^{{commit}}");
        let exists = self
            .git
            .succeeds(
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
        Ok(exists
            && self
                .git
                .succeeds(
                    mirror,
                    &[&"merge-base", &"--is-ancestor", &commit.as_str(), &head.as_str()],
                )
                .await?)
    }
}

//! Creates the workspace of a work item.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::protocol::worker::Assignment;
use whim_core::{BranchName, CommitHash, FailureCause};
use whim_service::chain::chain;

use super::base::{self, BaseFile};
use super::branch::{InvalidStart, RemoteRefs, StartPoint, excluding, reference};
use super::handle::Workspace;
use super::layout::Layout;
use super::own_files::OwnFiles;
use super::push::PushError;
use super::secret_patterns::OwnSecrets;
use super::{checkout, spec_file};
use crate::git::{Git, GitError, RemoteError, RemoteErrorKind};
use crate::outcome::{Failure, is_disk_full};
use crate::policy::{self, Policy};
use crate::report::Reporter;
use crate::retry::retry_until_deadline;

/// Ignore auxiliary files of the object database, which the agent can forge.
const WINDOW_SETTINGS: [(&str, &str); 3] = [
    ("core.commitGraph", "false"),
    ("core.multiPackIndex", "false"),
    ("uploadpack.allowFilter", "false"),
];

#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("the repository cannot be read")]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    InvalidStart(#[from] InvalidStart),
    #[error("the branch cannot be pushed")]
    Push(#[from] PushError),
    #[error("creating the workspace")]
    Git(#[from] GitError),
    #[error("creating the workspace")]
    Io(#[from] io::Error),
    #[error("git printed an invalid commit hash")]
    Hash(#[from] whim_core::InvalidName),
    #[error("the branch cannot be chosen")]
    Failed(Failure),
    #[error("the checklist cannot be written to {path}")]
    Spec { path: String, source: io::Error },
}

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

/// Where the branch starts, and the head of its base. Both branches are fetched.
async fn fetch_start(
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
async fn base_of_policy(
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

async fn head_of(git: &Git, layout: &Layout, branch: &BranchName) -> Result<CommitHash, PrepareError> {
    let revision = format!("{}^{{commit}}", reference(branch));
    let hash = git
        .local(
            &layout.mirror,
            &[&"rev-parse", &"--verify", &"--end-of-options", &revision],
        )
        .await?;
    Ok(CommitHash::parse(hash.lines().last().unwrap_or_default())?)
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

/// What to do, where the error does not say so.
fn advice(error: &PrepareError) -> Option<&'static str> {
    let PrepareError::Remote(RemoteError { kind, .. }) = error else {
        return None;
    };
    match kind {
        RemoteErrorKind::TimedOut => Some("if the repository is that large, raise GIT_TIMEOUT_SECONDS"),
        RemoteErrorKind::Damaged => {
            Some("GitHub cannot read the repository: clone it by hand, and ask GitHub if that fails too")
        }
        RemoteErrorKind::Denied | RemoteErrorKind::NotFound => {
            Some("GITHUB_TOKEN needs access to the contents of the repository")
        }
        RemoteErrorKind::Unavailable
        | RemoteErrorKind::InvalidToken
        | RemoteErrorKind::ContentRefused
        | RemoteErrorKind::RuleRefused
        | RemoteErrorKind::Machine
        | RemoteErrorKind::Other => None,
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        if let PrepareError::Failed(failure) = error {
            return failure;
        }
        let mut reason = chain(&error).to_string();
        if let Some(advice) = advice(&error) {
            reason = format!("{reason}; {advice}");
        }
        let cause = match &error {
            _ if is_disk_full(&reason) => FailureCause::DiskFull,
            PrepareError::Remote(RemoteError { kind, .. }) => match kind {
                RemoteErrorKind::Unavailable => FailureCause::GitHubUnavailable,
                RemoteErrorKind::TimedOut => FailureCause::CloneTimedOut,
                RemoteErrorKind::Damaged => FailureCause::RepositoryDamaged,
                RemoteErrorKind::InvalidToken => FailureCause::GitHubRefused,
                RemoteErrorKind::Machine => FailureCause::Crash,
                RemoteErrorKind::Denied
                | RemoteErrorKind::NotFound
                | RemoteErrorKind::ContentRefused
                | RemoteErrorKind::RuleRefused
                | RemoteErrorKind::Other => FailureCause::WorkspaceUnusable,
            },
            PrepareError::InvalidStart(_) | PrepareError::Spec { .. } => FailureCause::WorkspaceUnusable,
            PrepareError::Push(error) => error.cause(),
            PrepareError::Git(_) | PrepareError::Io(_) | PrepareError::Hash(_) | PrepareError::Failed(_) => {
                FailureCause::Crash
            }
        };
        Self::new(cause, reason)
    }
}

//! Progress as it is observed, not as the agent reports it: boxes in SPEC.md and commits in git.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ralph_contract::files::RunFiles;
use ralph_contract::{Commit, Event, SpecDocument, TaskComplete, TaskReopened, Warning, WarningKind};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::rejection::Rejection;
use crate::git::{Git, GitError};
use crate::output::Output;
use crate::spec_file::SpecFile;
use crate::text::as_u32;

/// Files with changes that are named at most.
const MAX_FILES: usize = 100;
/// While an agent works, listing uncommitted changes takes at most this share of the time: 1 in 10.
const STATUS_SHARE: u32 = 10;

/// What an iteration has led to.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) has_progress: bool,
    /// Why its ticks do not count.
    pub(crate) rejection: Option<Rejection>,
}

/// The state that progress is measured against.
#[derive(Debug)]
pub(crate) struct Progress {
    git: Git,
    spec_file: SpecFile,
    /// Files of the run, which are not the project's.
    own: Vec<String>,
    /// What SPEC.md must be, apart from boxes that were ticked since.
    document: SpecDocument,
    /// Indices of tasks that were reported as done in this iteration.
    reported: BTreeSet<usize>,
    head: Option<String>,
    /// Commits that are not new, together with their ancestors: those at the start, and those that were reported.
    old_commits: Vec<String>,
    has_new_commits: bool,
    /// The head after the last iteration that kept all earlier commits. Every later head must contain it.
    kept: Option<String>,
    /// The branch at the start of the run.
    branch: Option<String>,
    /// Uncommitted changes are not listed again before.
    next_status: Instant,
}

impl Progress {
    pub(crate) async fn begin(
        git: Git,
        spec_file: SpecFile,
        document: SpecDocument,
        files: &RunFiles,
        keep_commit: Option<String>,
    ) -> Result<Self, GitError> {
        let head = git.head().await?;
        let branch = git.branch().await?;
        let mut old_commits = git.tips().await?;
        old_commits.extend(head.clone());
        let checklist = spec_file.inside_directory().map(str::to_owned);
        let own = files.all().into_iter().chain(checklist).collect();
        Ok(Self {
            git,
            spec_file,
            own,
            document,
            reported: BTreeSet::new(),
            kept: keep_commit.or_else(|| head.clone()),
            head,
            old_commits,
            has_new_commits: false,
            branch,
            next_status: Instant::now(),
        })
    }

    pub(crate) fn document(&self) -> &SpecDocument {
        &self.document
    }

    pub(crate) fn spec_file(&self) -> &SpecFile {
        &self.spec_file
    }

    /// Reads SPEC.md and git every `period` until `done`, so that commits are reported when they are made.
    ///
    /// `between_reads` is called while no git process runs.
    pub(crate) async fn watch(
        &mut self,
        period: Duration,
        done: &CancellationToken,
        output: &Output<'_>,
        between_reads: impl Fn(),
    ) {
        while done.run_until_cancelled(sleep(period)).await.is_some() {
            // The agent may be in the middle of a change. What cannot be read now is read after its exit.
            self.report_commits(output).await.ok();
            if let Some(found) = self.spec_file.read_leniently() {
                let newly_done = self.document.reconcile(Some(&found)).newly_done;
                if self.has_unreported(&newly_done) && self.is_clean_now().await {
                    // The commit that made it clean may be newer than the last reading.
                    self.report_commits(output).await.ok();
                    self.report_tasks(&newly_done, output);
                }
            }
            between_reads();
        }
    }

    /// Reads SPEC.md and git after an iteration, repairs SPEC.md, and decides whether ticks count.
    pub(crate) async fn settle(&mut self, output: &Output<'_>) -> anyhow::Result<Settled> {
        self.report_commits(output).await.context("reading new commits")?;
        let found = self.spec_file.read_leniently();
        let reconciled = self.document.reconcile(found.as_deref());
        let rejection = self
            .rejection(&reconciled.newly_done)
            .await
            .context("comparing the commits with the ticked boxes")?;
        if rejection.is_none() {
            self.report_tasks(&reconciled.newly_done, output);
        }
        let spec = self.spec_file.shown();
        if reconciled.file_restored {
            output.warn(
                WarningKind::SpecRestored,
                format!("{spec} was missing or empty and was restored"),
            );
        }
        if !reconciled.restored.is_empty() {
            let tasks = self.document.tasks();
            let texts = reconciled.restored.iter().filter_map(|&index| tasks.get(index));
            let texts: Vec<_> = texts.map(|task| task.text.as_str()).collect();
            output.warn(
                WarningKind::TaskRestored,
                format!(
                    "tasks were deleted or reworded in {spec} and were restored: {}",
                    texts.join("; ")
                ),
            );
        }
        if !reconciled.discarded.is_empty() {
            output.warn(
                WarningKind::TaskDiscarded,
                format!(
                    "tasks were added to {spec} and were removed: {}",
                    reconciled.discarded.join("; ")
                ),
            );
        }
        let mut document = reconciled.document;
        if let Some(rejection) = &rejection {
            document = document.with_open(reconciled.newly_done.iter().copied());
            let tasks = document.tasks();
            let reopened: Vec<&str> = reconciled
                .newly_done
                .iter()
                .filter_map(|&index| Some(tasks.get(index)?.text.as_str()))
                .collect();
            output.event(&Event::Warning(rejection.warning(&reopened)));
        }
        self.report_reopened(&document, output);
        let is_kept = !matches!(rejection, Some(Rejection::CommitsMissing { .. }));
        if is_kept {
            self.kept.clone_from(&self.head);
        }
        let has_ticks = rejection.is_none() && !reconciled.newly_done.is_empty();
        let has_progress = has_ticks || (self.has_new_commits && is_kept);
        self.has_new_commits = false;
        self.reported.clear();
        self.document = document;
        if found.as_deref() != Some(self.document.as_str()) {
            self.spec_file
                .write(&self.document)
                .with_context(|| format!("restoring {spec}"))?;
        }
        Ok(Settled {
            has_progress,
            rejection,
        })
    }

    /// Why the ticks of this iteration do not count, if they do not.
    async fn rejection(&self, newly_done: &[usize]) -> Result<Option<Rejection>, GitError> {
        if let Some(kept) = &self.kept {
            let contained = match &self.head {
                Some(head) if head == kept => true,
                Some(head) => self.git.contains(head, kept).await?,
                None => false,
            };
            if !contained {
                return Ok(Some(Rejection::CommitsMissing {
                    head: kept.clone(),
                    branch: self.branch.clone(),
                }));
            }
        }
        if newly_done.is_empty() {
            return Ok(None);
        }
        let files = self.git.uncommitted(&self.own, MAX_FILES).await?;
        Ok((!files.is_empty()).then_some(Rejection::Uncommitted { files }))
    }

    /// Whether no file is known to be uncommitted. Not asked more often than large repositories bear.
    async fn is_clean_now(&mut self) -> bool {
        let started = Instant::now();
        if started < self.next_status {
            return false;
        }
        let files = self.git.uncommitted(&self.own, 1).await;
        self.next_status = Instant::now() + started.elapsed() * STATUS_SHARE;
        files.is_ok_and(|files| files.is_empty())
    }

    /// Warns of uncommitted changes. They are not committed here, because only their author knows what they are.
    pub(crate) async fn warn_of_uncommitted_changes(&self, output: &Output<'_>) {
        let (message, files) = match self.git.uncommitted(&self.own, MAX_FILES).await {
            Ok(files) if files.is_empty() => return,
            Ok(files) => (
                "every task is done, and there are uncommitted changes".to_owned(),
                files,
            ),
            // The run is complete in any case.
            Err(error) => {
                let error = anyhow::Error::new(error);
                let message = format!("uncommitted changes cannot be listed: {error:#}");
                (message, Vec::new())
            }
        };
        output.event(&Event::Warning(Warning {
            kind: WarningKind::UncommittedChanges,
            message,
            files,
            resets_at: None,
        }));
    }

    async fn report_commits(&mut self, output: &Output<'_>) -> Result<(), GitError> {
        let head = self.git.head().await?;
        if head == self.head {
            return Ok(());
        }
        if let Some(head) = &head {
            for commit in self.git.commits_since(&self.old_commits, head).await? {
                self.has_new_commits = true;
                output.event(&Event::Commit(Commit {
                    hash: commit.hash,
                    message: commit.subject,
                }));
            }
            self.old_commits.push(head.clone());
        }
        self.head = head;
        Ok(())
    }

    fn has_unreported(&self, newly_done: &[usize]) -> bool {
        newly_done.iter().any(|index| !self.reported.contains(index))
    }

    /// Reports tasks that count as done for readers of the events and are open in `document`.
    fn report_reopened(&self, document: &SpecDocument, output: &Output<'_>) {
        for (before, now) in self.document.tasks().iter().zip(document.tasks()) {
            if (before.done || self.reported.contains(&before.index)) && !now.done {
                output.event(&Event::TaskReopened(TaskReopened {
                    index: as_u32(now.index),
                    text: now.text.clone(),
                }));
            }
        }
    }

    fn report_tasks(&mut self, newly_done: &[usize], output: &Output<'_>) {
        for &index in newly_done {
            if let Some(task) = self.document.tasks().get(index)
                && self.reported.insert(index)
            {
                output.event(&Event::TaskComplete(TaskComplete {
                    index: as_u32(index),
                    text: task.text.clone(),
                }));
            }
        }
    }
}

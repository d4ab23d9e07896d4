//! Progress as it is observed, not as the agent reports it: boxes in SPEC.md and commits in git.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use ralph_contract::{Commit, Event, SpecDocument, TaskComplete, Warning, WarningKind, files};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::git::{Git, GitError};
use crate::output::Output;
use crate::spec_file::SpecFile;
use crate::text::as_u32;

/// Files with changes that are named at most.
const MAX_FILES: usize = 100;

/// The state that progress is measured against.
#[derive(Debug)]
pub(crate) struct Progress {
    git: Git,
    spec_file: SpecFile,
    /// What SPEC.md must be, apart from boxes that were ticked since.
    document: SpecDocument,
    /// Indices of tasks that were reported as done in this iteration.
    reported: BTreeSet<usize>,
    head: Option<String>,
    /// Commits that are not new, together with their ancestors: those at the start, and those that were reported.
    old_commits: Vec<String>,
    has_new_commits: bool,
}

impl Progress {
    pub(crate) async fn begin(
        git: Git,
        spec_file: SpecFile,
        document: SpecDocument,
    ) -> Result<Self, GitError> {
        let head = git.head().await?;
        let mut old_commits = git.tips().await?;
        old_commits.extend(head.clone());
        Ok(Self {
            git,
            spec_file,
            document,
            reported: BTreeSet::new(),
            head,
            old_commits,
            has_new_commits: false,
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
                self.report_tasks(&self.document.reconcile(Some(&found)).newly_done, output);
            }
            between_reads();
        }
    }

    /// Reads SPEC.md and git after an iteration, repairs SPEC.md, and returns whether there was progress.
    pub(crate) async fn settle(&mut self, output: &Output<'_>) -> anyhow::Result<bool> {
        self.report_commits(output).await.context("reading new commits")?;
        let found = self.spec_file.read_leniently();
        let reconciled = self.document.reconcile(found.as_deref());
        self.report_tasks(&reconciled.newly_done, output);
        self.reported.clear();
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
        let has_progress = !reconciled.newly_done.is_empty() || self.has_new_commits;
        self.has_new_commits = false;
        self.document = reconciled.document;
        if found.as_deref() != Some(self.document.as_str()) {
            self.spec_file
                .write(&self.document)
                .with_context(|| format!("restoring {spec}"))?;
        }
        Ok(has_progress)
    }

    /// Warns of uncommitted changes. They are not committed here, because only their author knows what they are.
    pub(crate) async fn warn_of_uncommitted_changes(&self, output: &Output<'_>) {
        let ours = [Some(files::AI_DIR), self.spec_file.inside_directory()];
        let ours: Vec<_> = ours.into_iter().flatten().collect();
        let (message, files) = match self.git.uncommitted(&ours, MAX_FILES).await {
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

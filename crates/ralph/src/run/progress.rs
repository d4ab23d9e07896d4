//! What really changed: boxes in SPEC.md and commits in git, whatever the agent says about them.

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

/// So many files with changes are named; a person sees by then what is the matter.
const MOST_FILES: usize = 100;

/// The state that progress is measured against.
#[derive(Debug)]
pub(crate) struct Progress {
    git: Git,
    spec_file: SpecFile,
    /// What SPEC.md must be, apart from the boxes that were ticked since.
    document: SpecDocument,
    /// Boxes that were seen ticked since.
    reported: BTreeSet<usize>,
    head: Option<String>,
    /// Commits that are not new, with all that lead to them: what was there at the start, and what was reported.
    known: Vec<String>,
    has_new_commits: bool,
}

impl Progress {
    pub(crate) async fn begin(
        git: Git,
        spec_file: SpecFile,
        document: SpecDocument,
    ) -> Result<Self, GitError> {
        let head = git.head().await?;
        let mut known = git.tips().await?;
        known.extend(head.clone());
        Ok(Self {
            git,
            spec_file,
            document,
            reported: BTreeSet::new(),
            head,
            known,
            has_new_commits: false,
        })
    }

    pub(crate) fn document(&self) -> &SpecDocument {
        &self.document
    }

    pub(crate) fn spec_file(&self) -> &SpecFile {
        &self.spec_file
    }

    /// Looks every `period` until `done`, so that the caller hears of a commit when it is made.
    ///
    /// `between_looks` runs while no program of ours does.
    pub(crate) async fn watch(
        &mut self,
        period: Duration,
        done: &CancellationToken,
        output: &Output<'_>,
        between_looks: impl Fn(),
    ) {
        while done.run_until_cancelled(sleep(period)).await.is_some() {
            // The agent may be half-way through anything. What cannot be read now is read when it has ended.
            let _seen = self.report_commits(output).await;
            if let Some(found) = self.spec_file.read_leniently() {
                self.report_tasks(&self.document.reconcile(Some(&found)).newly_done, output);
            }
            between_looks();
        }
    }

    /// Looks for the last time in an iteration, puts SPEC.md right, and says whether there was any progress.
    pub(crate) async fn settle(&mut self, output: &Output<'_>) -> anyhow::Result<bool> {
        self.report_commits(output)
            .await
            .context("looking for new commits")?;
        let found = self.spec_file.read_leniently();
        let reconciled = self.document.reconcile(found.as_deref());
        self.report_tasks(&reconciled.newly_done, output);
        self.reported.clear();
        let spec = self.spec_file.shown();
        if reconciled.file_restored {
            output.warn(
                WarningKind::SpecRestored,
                format!("{spec} was gone or empty; it is back as it was"),
            );
        }
        if !reconciled.restored.is_empty() {
            let tasks = self.document.tasks();
            let texts = reconciled.restored.iter().filter_map(|&index| tasks.get(index));
            let texts: Vec<_> = texts.map(|task| task.text.as_str()).collect();
            output.warn(
                WarningKind::TaskRestored,
                format!(
                    "tasks were deleted or reworded in {spec} and are back: {}",
                    texts.join("; ")
                ),
            );
        }
        if !reconciled.discarded.is_empty() {
            output.warn(
                WarningKind::Other("task_discarded".to_owned()),
                format!(
                    "tasks were added to {spec} and are gone again: {}",
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
                .with_context(|| format!("putting {spec} back"))?;
        }
        Ok(has_progress)
    }

    /// Warns of changes that nobody committed; commits nothing, because only their author knows what they are.
    pub(crate) async fn warn_of_uncommitted_changes(&self, output: &Output<'_>) {
        let ours = [Some(files::AI_DIR), self.spec_file.inside_directory()];
        let ours: Vec<_> = ours.into_iter().flatten().collect();
        let (message, files) = match self.git.uncommitted(&ours, MOST_FILES).await {
            Ok(files) if files.is_empty() => return,
            Ok(files) => (
                "every task is done, and there are changes that are not committed".to_owned(),
                files,
            ),
            // All the same, every task is done.
            Err(error) => {
                let error = anyhow::Error::new(error);
                let message =
                    format!("whether there are changes that are not committed is unknown: {error:#}");
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
            for commit in self.git.commits_since(&self.known, head).await? {
                self.has_new_commits = true;
                output.event(&Event::Commit(Commit {
                    hash: commit.hash,
                    message: commit.subject,
                }));
            }
            self.known.push(head.clone());
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

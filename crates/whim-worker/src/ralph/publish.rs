//! Pushes the agent's commits while it works, and reports the pushed head with the ticks that belong to it.

use std::time::Duration;

use ralph_contract::SpecDocument;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whim_core::{CommitHash, FailureCause, RelativePath};
use whim_service::chain::chain;

use crate::locks::LockClient;
use crate::outcome::Failure;
use crate::report::Reporter;
use crate::retry::{Retry, Retryable, retry_until_deadline};
use crate::workspace::{Imported, PushError, Workspace};

/// What is to be pushed. Newer targets replace older ones while a push is running.
#[derive(Clone, Debug)]
pub(super) struct PushTarget {
    /// The commits of its ticked tasks exist already.
    spec: SpecDocument,
}

impl PushTarget {
    pub(super) fn new(spec: SpecDocument) -> Self {
        Self { spec }
    }

    pub(super) fn update(&mut self, spec: &SpecDocument) {
        self.spec.clone_from(spec);
    }
}

pub(super) struct Publisher<'a> {
    workspace: &'a mut Workspace,
    reporter: &'a Reporter,
    lock_client: &'a LockClient,
    retry_timeout: Duration,
    /// A head that does not descend from the start of the attempt, reported once.
    unrelated: Option<CommitHash>,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(
        workspace: &'a mut Workspace,
        reporter: &'a Reporter,
        lock_client: &'a LockClient,
        retry_timeout: Duration,
    ) -> Self {
        Self {
            workspace,
            reporter,
            lock_client,
            retry_timeout,
            unrelated: None,
        }
    }

    /// Pushes each target until the channel closes. While GitHub is unavailable the agent continues, and the next target
    /// or [`Self::finish`] retries.
    ///
    /// # Errors
    /// GitHub refuses the push for good. Cancels `give_up` then, because further work would be lost.
    pub(super) async fn follow(
        &mut self,
        mut targets: watch::Receiver<PushTarget>,
        give_up: &CancellationToken,
    ) -> Result<(), Failure> {
        while targets.changed().await.is_ok() {
            let spec = targets.borrow_and_update().spec.clone();
            match self.publish(&spec).await {
                Ok(()) => {}
                Err(Unpublished::Import(error)) => {
                    // The agent may be changing the repository; `finish` decides.
                    tracing::warn!(error, "the agent's commits cannot be imported now");
                }
                Err(Unpublished::Push(error)) if error.retry() != Retry::Never => {
                    tracing::warn!(error = %chain(&error), "commits cannot be pushed now");
                    self.reporter
                        .notice("GitHub is unavailable: the commits will be pushed later");
                }
                Err(Unpublished::Push(error)) => {
                    give_up.cancel();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Pushes the final state. Returns the head of the remote branch, if it exists.
    ///
    /// # Errors
    /// GitHub refuses the push or is unavailable for too long, or the commits cannot be imported.
    pub(super) async fn finish(mut self, spec: &SpecDocument) -> Result<Option<CommitHash>, Failure> {
        let retry_timeout = self.retry_timeout;
        retry_until_deadline("pushing", retry_timeout, async || self.publish(spec).await)
            .await
            .map_err(|error| match error {
                Unpublished::Import(error) => Failure::of_machine(error),
                Unpublished::Push(error) => error.into(),
            })?;
        if let Some(head) = self.unrelated {
            let branch = self.workspace.branch();
            return Err(Failure::new(
                FailureCause::Crash,
                format!(
                    "the agent left the workspace at {head}, which does not contain the earlier commits of {branch}; \
                     the next attempt resumes from the pushed branch"
                ),
            ));
        }
        Ok(self.workspace.remote_head().cloned())
    }

    async fn publish(&mut self, spec: &SpecDocument) -> Result<(), Unpublished> {
        let imported = self
            .workspace
            .import()
            .await
            .map_err(|error| Unpublished::Import(chain(&error).to_string()))?;
        let mut is_new = false;
        match imported {
            Imported::Nothing => self.unrelated = None,
            Imported::Head(head) => {
                self.unrelated = None;
                if !self.reporter.holds_lease() {
                    // The sender detects the expiry and cancels this future.
                    std::future::pending::<()>().await;
                }
                let changed = self.changed_files(&head).await;
                let (pushed, ()) = tokio::join!(
                    self.workspace.push(&head),
                    self.lock_client.lock_after_change(changed)
                );
                pushed?;
                is_new = true;
            }
            Imported::Unrelated(head) => {
                if self.unrelated.as_ref() != Some(&head) {
                    self.reporter.notice(&format!(
                        "The workspace is at {head}, which does not contain the earlier commits of the branch; it is not pushed"
                    ));
                }
                self.unrelated = Some(head);
                // The ticks may belong to commits that were not pushed.
                return Ok(());
            }
        }
        if let Some(head) = self.workspace.remote_head() {
            self.reporter.checkpoint(head, spec, is_new);
        }
        if is_new {
            self.report_diff().await;
        }
        Ok(())
    }

    async fn report_diff(&self) {
        match self.workspace.diff().await {
            Ok(Some(diff)) => self.reporter.diff(diff),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the changes cannot be read and are not shown");
            }
        }
    }

    /// The files to lock: those of commits, not uncommitted changes.
    async fn changed_files(&self, head: &CommitHash) -> Vec<RelativePath> {
        self.workspace.changed_files(head).await.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "the changed files cannot be listed and are not locked");
            Vec::new()
        })
    }
}

#[derive(Debug)]
enum Unpublished {
    Import(String),
    Push(PushError),
}

impl From<PushError> for Unpublished {
    fn from(error: PushError) -> Self {
        Self::Push(error)
    }
}

impl Retryable for Unpublished {
    fn retry(&self) -> Retry {
        match self {
            Self::Import(_) => Retry::Never,
            Self::Push(error) => error.retry(),
        }
    }
}

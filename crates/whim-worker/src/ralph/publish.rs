//! Brings what the agent commits to GitHub while it works, and tells the orchestrator which ticks belong to it.

use std::time::Duration;

use ralph_contract::SpecDocument;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whim_core::{CommitHash, FailureCause, RelativePath};
use whim_service::chain::chain;

use crate::locks::Keeper;
use crate::outcome::Failure;
use crate::patience::{Retry, Temporary as _, patiently};
use crate::report::Reporter;
use crate::workspace::{Imported, PushError, Workspace};

/// What is to be on GitHub. Several wishes become one while a push is under way.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The checklist with the ticks whose commits were made before.
    spec: SpecDocument,
}

impl Wanted {
    pub(super) fn new(spec: SpecDocument) -> Self {
        Self { spec }
    }

    pub(super) fn ask(&mut self, spec: &SpecDocument) {
        self.spec.clone_from(spec);
    }
}

/// Brings commits from the workspace to GitHub.
pub(super) struct Publisher<'a> {
    workspace: &'a mut Workspace,
    reporter: &'a Reporter,
    keeper: &'a Keeper,
    patience: Duration,
    /// A head that does not lead back to the beginning is told of once.
    unrelated: Option<CommitHash>,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(
        workspace: &'a mut Workspace,
        reporter: &'a Reporter,
        keeper: &'a Keeper,
        patience: Duration,
    ) -> Self {
        Self {
            workspace,
            reporter,
            keeper,
            patience,
            unrelated: None,
        }
    }

    /// Publishes at each wish, until there are no more. While GitHub is away the agent goes on: the next wish, or the
    /// end, tries again.
    ///
    /// # Errors
    /// GitHub will never take what there is; `give_up` is cancelled then, because the agent works for nothing.
    pub(super) async fn follow(
        &mut self,
        mut news: watch::Receiver<Wanted>,
        give_up: &CancellationToken,
    ) -> Result<(), Failure> {
        while news.changed().await.is_ok() {
            let spec = news.borrow_and_update().spec.clone();
            match self.publish(&spec).await {
                Ok(()) => {}
                Err(Unpublished::Import(error)) => {
                    // The agent may be in the middle of something; the end decides.
                    tracing::warn!(error, "what the agent committed cannot be taken over now");
                }
                Err(Unpublished::Push(error)) if error.retry() != Retry::Pointless => {
                    tracing::warn!(error = %chain(&error), "commits cannot be pushed now");
                    self.reporter
                        .notice("GitHub is not available: what was committed is pushed later");
                }
                Err(Unpublished::Push(error)) => {
                    give_up.cancel();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Publishes what there is at the end; gives what GitHub has then, if it has anything.
    ///
    /// # Errors
    /// GitHub does not take it, or is away for too long; or it cannot be taken over.
    pub(super) async fn settle(mut self, spec: &SpecDocument) -> Result<Option<CommitHash>, Failure> {
        let patience = self.patience;
        patiently("pushing", patience, async || self.publish(spec).await)
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
                    "the agent left the workspace at {head}, which does not contain what was on {branch} before; \
                     the next attempt resumes from what was pushed"
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
                    // The sender is about to notice, and ends all of this.
                    std::future::pending::<()>().await;
                }
                let changed = self.changed(&head).await;
                let (pushed, ()) = tokio::join!(self.workspace.push(&head), self.keeper.afterwards(changed));
                pushed?;
                is_new = true;
            }
            Imported::Unrelated(head) => {
                if self.unrelated.as_ref() != Some(&head) {
                    self.reporter.notice(&format!(
                        "The workspace is at {head}, which does not contain what was on the branch before; it is not pushed"
                    ));
                }
                self.unrelated = Some(head);
                // Ticks may belong to what is not pushed.
                return Ok(());
            }
        }
        if let Some(head) = self.workspace.remote_head() {
            self.reporter.checkpoint(head, spec, is_new);
        }
        Ok(())
    }

    /// What is to be locked: commits count, whatever is lying around in the workspace.
    async fn changed(&self, head: &CommitHash) -> Vec<RelativePath> {
        self.workspace.changed_files(head).await.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "what was changed cannot be told, and is not locked");
            Vec::new()
        })
    }
}

/// What there is could not be published.
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

impl crate::patience::Temporary for Unpublished {
    fn retry(&self) -> Retry {
        match self {
            Self::Import(_) => Retry::Pointless,
            Self::Push(error) => error.retry(),
        }
    }
}

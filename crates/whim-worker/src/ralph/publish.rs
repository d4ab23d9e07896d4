//! Pushes the agent's commits while it works, and reports the pushed head with the ticks that belong to it.

use std::time::Duration;

use ralph_contract::SpecDocument;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whim_core::{CommitHash, RelativePath};
use whim_service::chain::chain;

use super::rejection::Rejection;
use crate::locks::LockClient;
use crate::outcome::Failure;
use crate::report::Reporter;
use crate::retry::{Retry, Retryable, retry_until_deadline};
use crate::workspace::{ImportError, Imported, PushError, Workspace};

/// What the agent has done according to its events. Newer ones replace older ones while a push is running.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    spec: SpecDocument,
    /// Iterations that ended in this run.
    iterations: u32,
}

impl Claims {
    pub(super) fn new(spec: SpecDocument) -> Self {
        Self { spec, iterations: 0 }
    }

    pub(super) fn update(&mut self, spec: &SpecDocument) {
        self.spec.clone_from(spec);
    }

    pub(super) fn iteration_ended(&mut self, spec: &SpecDocument) {
        self.update(spec);
        self.iterations += 1;
    }
}

/// The final state of a run.
#[derive(Debug)]
pub(super) struct Published {
    /// The head of the branch on GitHub; `None` if it does not exist there.
    pub(super) head: Option<CommitHash>,
    /// The checklist with the ticks that count.
    pub(super) accepted: SpecDocument,
    /// Why the rest does not count.
    pub(super) rejection: Option<Rejection>,
}

pub(super) struct Publisher<'a> {
    workspace: &'a mut Workspace,
    reporter: &'a Reporter,
    lock_client: &'a LockClient,
    retry_timeout: Duration,
    /// The checklist with the ticks that count: no file was left behind, and their commits are on GitHub.
    accepted: SpecDocument,
    /// Iterations whose commits are kept.
    iterations: u32,
    rejection: Option<Rejection>,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(
        workspace: &'a mut Workspace,
        reporter: &'a Reporter,
        lock_client: &'a LockClient,
        retry_timeout: Duration,
        accepted: SpecDocument,
    ) -> Self {
        Self {
            workspace,
            reporter,
            lock_client,
            retry_timeout,
            accepted,
            iterations: 0,
            rejection: None,
        }
    }

    pub(super) fn workspace(&self) -> &Workspace {
        self.workspace
    }

    /// Pushes what is claimed until the channel closes. While GitHub is unavailable the agent continues, and the next claim
    /// or [`Self::finish`] retries.
    ///
    /// # Errors
    /// GitHub refuses the push for good. Cancels `give_up` then, because further work would be lost; as well if the push is
    /// refused for what it contains, which is a rejection.
    pub(super) async fn follow(
        &mut self,
        mut claims: watch::Receiver<Claims>,
        give_up: &CancellationToken,
    ) -> Result<(), Failure> {
        while claims.changed().await.is_ok() {
            let claim = claims.borrow_and_update().clone();
            match self.publish(&claim, Check::NewTicks).await {
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
                    return self.reject_push(error);
                }
            }
        }
        Ok(())
    }

    /// Pushes the final state. `is_complete`: the run reported that every task is done, so that nothing may be left behind.
    ///
    /// # Errors
    /// GitHub refuses the push or is unavailable for too long, or the commits cannot be imported.
    pub(super) async fn finish(
        mut self,
        spec: &SpecDocument,
        is_complete: bool,
    ) -> Result<Published, Failure> {
        let claim = Claims {
            spec: spec.clone(),
            iterations: self.iterations + 1,
        };
        let check = if is_complete {
            Check::Always
        } else {
            Check::NewTicks
        };
        let retry_timeout = self.retry_timeout;
        let published = retry_until_deadline("pushing", retry_timeout, async || {
            self.publish(&claim, check).await
        });
        match published.await {
            Ok(()) => {}
            Err(Unpublished::Import(error)) => return Err(Failure::of_machine(error)),
            Err(Unpublished::Push(error)) => self.reject_push(error)?,
        }
        Ok(Published {
            head: self.workspace.remote_head().cloned(),
            accepted: self.accepted,
            rejection: self.rejection,
        })
    }

    async fn publish(&mut self, claim: &Claims, check: Check) -> Result<(), Unpublished> {
        let has_new_ticks = has_new_ticks(&claim.spec, &self.accepted);
        let imported = self.workspace.import().await?;
        if let Imported::Unrelated(head) = imported {
            // The ticks may belong to commits that are not pushed.
            self.rejection = Some(Rejection::CommitsMissing {
                head,
                expected: self.workspace.anchor().clone(),
                branch: self.workspace.branch().clone(),
            });
            return Ok(());
        }
        // Before the push, because the agent may continue meanwhile.
        let left_behind = if has_new_ticks || check == Check::Always {
            self.workspace.left_behind().await?
        } else {
            Vec::new()
        };
        let mut is_new = false;
        if let Imported::Head(head) = imported {
            self.push(&head).await?;
            is_new = true;
        }
        if left_behind.is_empty() {
            self.accepted.clone_from(&claim.spec);
            self.rejection = None;
        } else {
            self.accepted = common_ticks(&self.accepted, &claim.spec);
            self.rejection = Some(Rejection::LeftBehind { files: left_behind });
        }
        let has_accepted_ticks = has_new_ticks && self.rejection.is_none();
        if has_accepted_ticks || claim.iterations > self.iterations {
            self.workspace.keep_pushed();
            self.iterations = claim.iterations;
        }
        if let Some(head) = self.workspace.remote_head() {
            self.reporter.checkpoint(head, &self.accepted, is_new);
        }
        if is_new {
            self.report_diff().await;
        }
        Ok(())
    }

    async fn push(&mut self, head: &CommitHash) -> Result<(), PushError> {
        if !self.reporter.holds_lease() {
            // The sender detects the expiry and cancels this future.
            std::future::pending::<()>().await;
        }
        let changed = self.changed_files(head).await;
        let (pushed, ()) = tokio::join!(
            self.workspace.push(head),
            self.lock_client.lock_after_change(changed)
        );
        pushed
    }

    /// A refusal that the agent can do something about is a rejection.
    fn reject_push(&mut self, error: PushError) -> Result<(), Failure> {
        if !error.is_for_the_agent() {
            return Err(error.into());
        }
        self.rejection = Some(Rejection::PushRefused {
            reason: chain(&error).to_string(),
            kept: self.workspace.anchor().clone(),
        });
        Ok(())
    }

    async fn report_diff(&self) {
        match self.workspace.diff(self.reporter.redactor()).await {
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

/// When files that were left behind are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// While the agent works, changes are uncommitted most of the time.
    NewTicks,
    Always,
}

/// Whether a task is done in `claimed` that is open in `accepted`.
fn has_new_ticks(claimed: &SpecDocument, accepted: &SpecDocument) -> bool {
    let mut pairs = claimed.tasks().iter().zip(accepted.tasks());
    pairs.any(|(claimed, accepted)| claimed.done && !accepted.done)
}

/// `accepted`, with the tasks open that are open in `claimed`.
fn common_ticks(accepted: &SpecDocument, claimed: &SpecDocument) -> SpecDocument {
    let open = claimed.open_tasks().map(|task| task.index);
    accepted.with_open(open)
}

#[derive(Debug)]
enum Unpublished {
    Import(String),
    Push(PushError),
}

impl From<ImportError> for Unpublished {
    fn from(error: ImportError) -> Self {
        Self::Import(chain(&error).to_string())
    }
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

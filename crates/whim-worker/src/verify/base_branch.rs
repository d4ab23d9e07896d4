//! Brings the branch up to date with its base before the checks, so that they run on what a merge would give.

use ralph_contract::SpecDocument;
use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

use super::{Repair, Repairs, Verification};
use crate::outcome::Failure;
use crate::retry::retry_until_deadline;
use crate::workspace::{BaseMerge, PushError, Workspace};

impl Verification<'_> {
    /// Merges the base if that is possible, else gives the conflict to the agent once. A base that cannot be merged prevents
    /// nothing: it is said. Returns the files in which the branch still conflicts with its base, of which git may name none;
    /// `None` without a conflict.
    ///
    /// # Errors
    /// The merge could not be pushed for a reason that prevents every push, such as a branch that someone else changed.
    pub(super) async fn update_from_base(
        &self,
        workspace: &mut Workspace,
        spec: &SpecDocument,
        repairs: &mut Repairs,
    ) -> Result<Option<Vec<String>>, Failure> {
        if !self.merges_base {
            return Ok(None);
        }
        let timeout = self.agent.retry_timeout;
        let base = workspace.base().clone();
        // The checks and the delivery do not need a newer base.
        if let Err(error) = fetch(workspace, timeout).await {
            self.reporter
                .notice(&format!("{base} could not be fetched again: {error}"));
            return Ok(None);
        }
        match workspace.merge_base_branch(self.agent.identity).await {
            Ok(BaseMerge::UpToDate) => Ok(None),
            Ok(BaseMerge::Merged(commit)) => {
                self.push_merge(workspace, spec, &commit).await?;
                Ok(None)
            }
            Ok(BaseMerge::Conflict(files)) => self.resolve(workspace, spec, files, repairs).await,
            Err(error) => {
                let error = chain(&error);
                self.reporter.notice(&format!(
                    "{base} has new commits, and could not be merged: {error}"
                ));
                Ok(None)
            }
        }
    }

    /// A merge that GitHub refuses is not needed.
    async fn push_merge(
        &self,
        workspace: &mut Workspace,
        spec: &SpecDocument,
        commit: &CommitHash,
    ) -> Result<(), Failure> {
        let base = workspace.base().clone();
        let pushed = retry_until_deadline("pushing the merge", self.agent.retry_timeout, async || {
            if !self.reporter.holds_lease() {
                // The sender detects the expiry and cancels this future.
                std::future::pending::<()>().await;
            }
            workspace.push(commit).await
        });
        match pushed.await {
            Ok(()) => {
                workspace.keep_pushed();
                workspace.set_outdated();
                self.reporter
                    .notice(&format!("Merged {base}, which has new commits"));
                self.reporter.checkpoint(commit, spec, true);
                Ok(())
            }
            Err(
                error
                @ (PushError::Rejected(_) | PushError::ContentRefused(_) | PushError::ContainsSecret(_)),
            ) => {
                let error = chain(&error);
                self.reporter.notice(&format!(
                    "{base} has new commits, and their merge could not be pushed: {error}"
                ));
                Ok(())
            }
            Err(error) => Err(Failure::from(error)),
        }
    }

    /// In a new workspace, which has the base.
    async fn resolve(
        &self,
        workspace: &mut Workspace,
        spec: &SpecDocument,
        files: Vec<String>,
        repairs: &mut Repairs,
    ) -> Result<Option<Vec<String>>, Failure> {
        workspace.set_outdated();
        let task = Repair::conflict(spec, workspace.base(), &files);
        let mut own = Repairs {
            rounds: repairs.rounds,
            ..Repairs::default()
        };
        let resolved = self
            .repair(workspace, &task, spec, self.repair_iterations, &mut own)
            .await;
        repairs.rounds = own.rounds;
        if let Err(failure) = resolved {
            if prevents_pushes(&failure) {
                return Err(failure);
            }
            let reason = failure.reason();
            self.reporter.notice(&format!(
                "The conflicts with the base could not be resolved: {reason}"
            ));
        }
        match workspace.contains_base().await {
            Ok(true) => Ok(None),
            Ok(false) | Err(_) => Ok(Some(files)),
        }
    }

    /// Creates an outdated workspace again, with what the setup of the policy creates.
    pub(super) async fn renew(&self, workspace: &mut Workspace) -> Result<(), Failure> {
        if !workspace.is_outdated() {
            return Ok(());
        }
        let failed =
            |error: std::io::Error| Failure::of_machine(format!("creating the workspace again: {error}"));
        workspace.renew().await.map_err(failed)?;
        let checkout = workspace.as_checkout();
        let reporter = self.reporter;
        let set_up = self.checks.set_up(&checkout, |step, elapsed| {
            reporter.tests_running(&format!("{step}"), elapsed);
        });
        if let Err(failure) = set_up.await? {
            let description = failure.description;
            reporter.notice(&format!("The setup failed in the new workspace: {description}"));
        }
        if let Err(error) = workspace.accept_untracked().await {
            tracing::warn!(error = %chain(&error), "the files of the new workspace cannot be listed");
        }
        Ok(())
    }
}

/// Whether no push of the attempt can succeed, or the branch has commits that the attempt does not know.
fn prevents_pushes(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Failed {
            cause: FailureCause::BranchMoved | FailureCause::GitHubRefused | FailureCause::GitHubUnavailable,
            ..
        }
    )
}

async fn fetch(workspace: &mut Workspace, timeout: std::time::Duration) -> Result<(), String> {
    let workspace = tokio::sync::Mutex::new(workspace);
    retry_until_deadline("fetching the base branch", timeout, async || {
        workspace.lock().await.fetch_base().await
    })
    .await
    .map_err(|error| chain(&error).to_string())
}

//! Brings the branch up to date with its base before the checks, so that they run on what a merge would give.

use ralph_contract::SpecDocument;
use whim_service::chain::chain;

use super::{Repair, Repairs, Verification};
use crate::outcome::Failure;
use crate::retry::retry_until_deadline;
use crate::workspace::{BaseMerge, Workspace};

impl Verification<'_> {
    /// Merges the base if that is possible, else gives the conflict to the agent once. What cannot be done prevents nothing: it
    /// is said. Returns the files in which the branch still conflicts with its base.
    pub(super) async fn update_from_base(
        &self,
        workspace: &mut Workspace,
        spec: &SpecDocument,
        repairs: &mut Repairs,
    ) -> Vec<String> {
        if !self.merges_base {
            return Vec::new();
        }
        let timeout = self.agent.retry_timeout;
        // The checks and the delivery do not need a newer base.
        if let Err(error) = fetch(workspace, timeout).await {
            tracing::warn!(error, "the base branch cannot be fetched again");
            return Vec::new();
        }
        match workspace.merge_base_branch(self.agent.identity).await {
            Ok(BaseMerge::UpToDate) => Vec::new(),
            Ok(BaseMerge::Merged(commit)) => {
                if !self.reporter.holds_lease() {
                    // The sender detects the expiry and cancels this future.
                    std::future::pending::<()>().await;
                }
                let base = workspace.base().clone();
                match workspace.push(&commit).await {
                    Ok(()) => {
                        workspace.keep_pushed();
                        workspace.set_outdated();
                        self.reporter
                            .notice(&format!("Merged {base}, which has new commits"));
                        self.reporter.checkpoint(&commit, spec, true);
                    }
                    Err(error) => {
                        let error = chain(&error);
                        self.reporter.notice(&format!(
                            "{base} has new commits, and their merge could not be pushed: {error}"
                        ));
                    }
                }
                Vec::new()
            }
            Ok(BaseMerge::Conflict(files)) => self.resolve(workspace, spec, files, repairs).await,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the base branch cannot be merged");
                Vec::new()
            }
        }
    }

    /// In a new workspace, which has the base.
    async fn resolve(
        &self,
        workspace: &mut Workspace,
        spec: &SpecDocument,
        files: Vec<String>,
        repairs: &mut Repairs,
    ) -> Vec<String> {
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
            let reason = failure.reason();
            self.reporter.notice(&format!(
                "The conflicts with the base could not be resolved: {reason}"
            ));
        }
        match workspace.contains_base().await {
            Ok(true) => Vec::new(),
            Ok(false) | Err(_) => files,
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

async fn fetch(workspace: &mut Workspace, timeout: std::time::Duration) -> Result<(), String> {
    let workspace = tokio::sync::Mutex::new(workspace);
    retry_until_deadline("fetching the base branch", timeout, async || {
        workspace.lock().await.fetch_base().await
    })
    .await
    .map_err(|error| chain(&error).to_string())
}

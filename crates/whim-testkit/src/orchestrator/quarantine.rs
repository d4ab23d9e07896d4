//! Learnings that wait for their pull request.

use whim_core::WorkItemId;
use whim_core::protocol::learnings::{
    PullRequestOutcome, QuarantineDecision, QuarantinePage, Quarantined, QuarantinedItem,
};

use super::api_error::ApiError;
use super::handle::Orchestrator;
use super::state::State;

impl Orchestrator {
    /// An attempt of a completed item reported a learning, which waits for the item's pull request.
    pub fn quarantine_learning(&self, item: WorkItemId) {
        self.shared.write().quarantined.push(item);
    }

    /// What clients reported of the pull requests, in order; without those that are open.
    #[must_use]
    pub fn quarantine_decisions(&self) -> Vec<(WorkItemId, PullRequestOutcome)> {
        self.shared.read().quarantine_decisions.clone()
    }
}

impl State {
    pub(super) fn quarantine(&self) -> QuarantinePage {
        let items = self.quarantined.iter().filter_map(|id| {
            let item = self.item(*id).ok()?;
            Some(QuarantinedItem {
                work_item_id: item.id,
                repo: item.repo.clone(),
                branch: item.branch.clone(),
                pr_number: item.pr_number?,
            })
        });
        QuarantinePage {
            items: items.collect(),
        }
    }

    pub(super) fn decide_quarantine(
        &mut self,
        id: WorkItemId,
        decision: QuarantineDecision,
    ) -> Result<Quarantined, ApiError> {
        self.item(id)?;
        let QuarantineDecision { outcome } = decision;
        let mut decided = 0;
        if outcome != PullRequestOutcome::Pending {
            let before = self.quarantined.len();
            self.quarantined.retain(|waiting| *waiting != id);
            decided = u32::try_from(before - self.quarantined.len()).unwrap_or(u32::MAX);
            self.quarantine_decisions.push((id, outcome));
        }
        let is_merged = outcome == PullRequestOutcome::Merged;
        Ok(Quarantined {
            accepted: if is_merged { decided } else { 0 },
            retired: if is_merged { 0 } else { decided },
        })
    }
}

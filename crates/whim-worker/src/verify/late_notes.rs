//! Notes of people that arrive after the agent's last iteration: it is started again for them.

use ralph_contract::SpecDocument;
use whim_core::CommitHash;
use whim_service::chain::chain;

use super::{LateNotes, Repair, Repairs, Verification};
use crate::workspace::{MAX_NOTE_ROUNDS, Workspace};

impl Verification<'_> {
    /// Gives notes to the agent that no prompt has, as long as more arrive and rounds are left. Returns the new head, if there is
    /// one.
    pub(super) async fn follow_notes(
        &self,
        workspace: &mut Workspace,
        spec: &SpecDocument,
        late: &mut LateNotes,
        repairs: &mut Repairs,
    ) -> Option<CommitHash> {
        loop {
            let notes = self.reporter.notes();
            // Heartbeats announce them later.
            if let Err(error) = notes.refresh().await {
                tracing::warn!(error = %chain(&error), "the latest notes could not be received");
            }
            let (count, undelivered) = (notes.count(), notes.undelivered().len());
            if undelivered == 0 || count == late.tried || late.rounds == MAX_NOTE_ROUNDS {
                return None;
            }
            late.tried = count;
            late.rounds += 1;
            let task = Repair::notes(spec, undelivered);
            let acted = self.act_on(workspace, &task, spec, repairs, "The notes").await;
            if acted.has_failed {
                notes.fail_from(count - undelivered);
            }
            if acted.head.is_some() {
                return acted.head;
            }
        }
    }
}

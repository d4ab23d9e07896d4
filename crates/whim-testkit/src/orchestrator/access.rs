//! What the intake reports of its credentials.

use whim_core::protocol::intake::IntakeAccess;

use super::handle::Orchestrator;

impl Orchestrator {
    /// The reports of the intake, in order.
    #[must_use]
    pub fn access_reports(&self) -> Vec<IntakeAccess> {
        self.shared.read().access_reports.clone()
    }
}

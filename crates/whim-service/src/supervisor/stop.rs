//! The one request to stop that all tasks of a process share.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use super::report::StopReason;

/// Whether the process is asked to stop, and why.
#[derive(Debug, Default)]
pub(super) struct StopRequest {
    reason: OnceLock<StopReason>,
    requested: CancellationToken,
}

impl StopRequest {
    /// The first reason is the one that is reported.
    pub(super) fn request(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok()
            && let Some(reason) = self.reason.get()
        {
            tracing::info!(%reason, "stopping: {reason}");
        }
        self.requested.cancel();
    }

    pub(super) async fn requested(&self) {
        self.requested.cancelled().await;
    }

    pub(super) fn reason(&self) -> Option<&StopReason> {
        self.reason.get()
    }
}

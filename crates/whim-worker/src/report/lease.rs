//! The expiry of the lease, as seen by the worker.

use std::time::Duration;

use tokio::time::Instant;

/// The share of the lease after which the worker stops, so that its agent is terminated before the work item is
/// assigned to another worker.
const USED_SHARE: f64 = 0.8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When the worker must stop unless the lease is renewed.
    pub expires_at: Instant,
}

impl Lease {
    /// A lease of `seconds` requested at `requested_at`. The orchestrator counts from its answer, which is later.
    pub fn renewed(requested_at: Instant, seconds: u64) -> Self {
        let whole = Duration::from_secs(seconds);
        Self {
            expires_at: requested_at + whole.mul_f64(USED_SHARE),
        }
    }

    pub fn is_held(&self) -> bool {
        Instant::now() < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_expires_for_the_worker_after_four_fifths() {
        let lease = Lease::renewed(Instant::now(), 300);
        tokio::time::advance(Duration::from_secs(239)).await;
        assert!(lease.is_held());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!lease.is_held());
    }
}

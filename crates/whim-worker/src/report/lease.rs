use std::time::Duration;

use tokio::time::Instant;

/// How much of the lease a worker uses: it has ended its agent before anybody else gets the item
/// (`DESIGN.md`, decision 8).
const USED_SHARE: f64 = 0.8;

/// Until when the item is this worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When the worker has to have ended itself, unless the lease is renewed.
    pub ends: Instant,
}

impl Lease {
    /// A lease of `seconds` that was asked for at `asked_at`. The orchestrator counts from when it answered, which was
    /// later.
    pub fn renewed(asked_at: Instant, seconds: u64) -> Self {
        let whole = Duration::from_secs(seconds);
        Self {
            ends: asked_at + whole.mul_f64(USED_SHARE),
        }
    }

    /// Whether it has not ended.
    pub fn is_held(&self) -> bool {
        Instant::now() < self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_for_the_worker_at_four_fifths() {
        let lease = Lease::renewed(Instant::now(), 300);
        tokio::time::advance(Duration::from_secs(239)).await;
        assert!(lease.is_held());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!lease.is_held());
    }
}

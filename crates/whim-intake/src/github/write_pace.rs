//! Spaces writes: GitHub limits clients that create content faster than a person.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// GitHub's limit of calls that create content.
const MAX_PER_MINUTE: usize = 80;
const MINUTE: Duration = Duration::from_secs(60);

/// One write at a time, at an interval. An interval of zero sets no limit.
#[derive(Debug)]
pub(super) struct WritePace {
    interval: Duration,
    /// Of the last minute, oldest first.
    writes: Mutex<VecDeque<Instant>>,
}

impl WritePace {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            writes: Mutex::default(),
        }
    }

    /// Waits for the time of the next write. Callers are served in order.
    pub(super) async fn wait(&self) {
        if self.interval.is_zero() {
            return;
        }
        let mut writes = self.writes.lock().await;
        let now = Instant::now();
        let after_latest = writes.back().map(|latest| *latest + self.interval);
        let after_minute = writes
            .len()
            .checked_sub(MAX_PER_MINUTE)
            .and_then(|index| writes.get(index))
            .map(|oldest| *oldest + MINUTE);
        let at = [after_latest, after_minute]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(now);
        tokio::time::sleep_until(at).await;
        writes.push_back(at.max(now));
        if writes.len() > MAX_PER_MINUTE {
            writes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_are_a_second_apart_and_at_most_80_in_a_minute() {
        let start = Instant::now();
        let pace = WritePace::new(Duration::from_secs(1));
        for _ in 0..10 {
            pace.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(9));

        let start = Instant::now();
        let pace = WritePace::new(Duration::from_millis(1));
        for _ in 0..80 {
            pace.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::from_millis(79));
        pace.wait().await;
        assert_eq!(start.elapsed(), MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_of_zero_sets_no_limit() {
        let start = Instant::now();
        let pace = WritePace::new(Duration::ZERO);
        for _ in 0..200 {
            pace.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

//! A limit of requests per minute.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_mins(1);

/// Counts in fixed windows of a minute.
#[derive(Debug)]
pub(super) struct Rate {
    limit: NonZeroU32,
    since: Instant,
    count: u32,
}

impl Rate {
    pub(super) fn new(limit: NonZeroU32, now: Instant) -> Self {
        Self {
            limit,
            since: now,
            count: 0,
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The limit is reached: the time until the next request is allowed.
    pub(super) fn count(&mut self, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            self.since = now;
            self.count = 0;
        }
        if self.count >= self.limit.get() {
            return Err(WINDOW.saturating_sub(elapsed));
        }
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_the_limit_wait_for_the_next_minute() {
        let begin = Instant::now();
        let mut rate = Rate::new(NonZeroU32::new(2).unwrap(), begin);
        assert_eq!(rate.count(begin), Ok(()));
        assert_eq!(rate.count(begin), Ok(()));
        let later = begin + Duration::from_secs(20);
        assert_eq!(rate.count(later), Err(Duration::from_secs(40)));
        assert_eq!(rate.count(begin + WINDOW), Ok(()));
    }
}

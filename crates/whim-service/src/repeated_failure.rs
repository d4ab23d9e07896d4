//! Logging of a failure that repeats: when it begins or changes, then rarely.

use std::time::{Duration, Instant};

/// A failure that stays the same is logged again after this time.
const LOG_INTERVAL: Duration = Duration::from_mins(5);

/// The failures in a row of something that is repeated.
#[derive(Debug, Default)]
pub struct RepeatedFailure {
    count: u64,
    logged: Option<(String, Instant)>,
}

impl RepeatedFailure {
    /// Counts a failure. Returns the number of failures in a row if it should be logged.
    pub fn failed(&mut self, error: &str) -> Option<u64> {
        self.failed_at(error, Instant::now())
    }

    fn failed_at(&mut self, error: &str, now: Instant) -> Option<u64> {
        self.count += 1;
        if let Some((logged, at)) = &self.logged
            && logged == error
            && now.saturating_duration_since(*at) < LOG_INTERVAL
        {
            return None;
        }
        self.logged = Some((error.to_owned(), now));
        Some(self.count)
    }

    /// Resets the count. Returns the number of failures that preceded this success, if there were any.
    pub fn succeeded(&mut self) -> Option<u64> {
        let Self { count, .. } = std::mem::take(self);
        (count > 0).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_when_it_begins_when_it_changes_and_after_the_interval() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut failure = RepeatedFailure::default();

        assert_eq!(failure.failed_at("no engine", at(0)), Some(1));
        for second in 1..=100 {
            assert_eq!(failure.failed_at("no engine", at(second)), None);
        }
        assert_eq!(failure.failed_at("no image", at(101)), Some(102));
        assert_eq!(failure.failed_at("no image", at(102)), None);
        assert_eq!(failure.failed_at("no image", at(500)), Some(104));

        assert_eq!(failure.succeeded(), Some(104));
        assert_eq!(failure.succeeded(), None);
        assert_eq!(failure.failed_at("no image", at(501)), Some(1));
    }
}

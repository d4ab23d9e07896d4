//! Detects that the machine was suspended.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// Shorter differences between the clocks are drift and adjustments.
const MIN_SUSPENSION: Duration = Duration::from_secs(5);

/// A reading of both clocks of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Goes on while the machine is suspended.
    pub wall: SystemTime,
    /// Stands still while the machine is suspended.
    pub monotonic: Instant,
}

impl Clocks {
    /// The clocks of this machine, now.
    pub fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }

    /// How far the wall clock ran ahead of the monotonic one since an earlier reading.
    fn gap_since(self, earlier: Self) -> Duration {
        // A wall clock that was set back is no suspension.
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.saturating_sub(self.monotonic.duration_since(earlier.monotonic))
    }
}

/// Compares the clocks between two calls.
pub struct SuspendDetector {
    read: Box<dyn Fn() -> Clocks + Send + Sync>,
    last: RwLock<Option<Clocks>>,
}

impl SuspendDetector {
    /// With a source of readings; [`Clocks::now`] outside of tests.
    pub fn new(read: impl Fn() -> Clocks + Send + Sync + 'static) -> Self {
        Self {
            read: Box::new(read),
            last: RwLock::new(None),
        }
    }

    /// How long the machine was suspended since the previous call. A wall clock that was set forward cannot be
    /// distinguished.
    pub fn suspended_for(&self) -> Option<Duration> {
        let now = (self.read)();
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        let gap = last.replace(now).map(|last| now.gap_since(last));
        gap.filter(|gap| *gap >= MIN_SUSPENSION)
    }
}

impl fmt::Debug for SuspendDetector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SuspendDetector")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_ran_ahead_is_a_suspension() {
        let start = Clocks::now();
        let after = |wall: i64, monotonic: u64| {
            let seconds = Duration::from_secs(wall.unsigned_abs());
            Clocks {
                wall: if wall < 0 {
                    start.wall - seconds
                } else {
                    start.wall + seconds
                },
                monotonic: start.monotonic + Duration::from_secs(monotonic),
            }
        };
        for (now, gap) in [
            (after(60, 60), 0),
            (after(3600, 60), 3540),
            (after(-3600, 60), 0),
            (after(59, 60), 0),
        ] {
            assert_eq!(now.gap_since(start), Duration::from_secs(gap), "{now:?}");
        }
    }
}

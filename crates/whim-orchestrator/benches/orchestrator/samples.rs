//! Latency samples.

use std::time::Duration;

use crate::report::{Unit, Value};

/// Sorted latencies and the duration of the run.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    sorted: Vec<Duration>,
    elapsed: Duration,
}

impl Samples {
    pub(crate) fn new(mut times: Vec<Duration>, elapsed: Duration) -> Self {
        times.sort_unstable();
        Self {
            sorted: times,
            elapsed,
        }
    }

    /// Percentile by nearest rank; zero without samples.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.sorted.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn latency(&self) -> Vec<Value> {
        [("p50", 50), ("p99", 99)]
            .map(|(name, percent)| Value::milliseconds(name, self.percentile(percent)))
            .into()
    }

    /// With the longest, which percentiles hide.
    pub(crate) fn latency_and_longest(&self) -> Vec<Value> {
        let mut values = self.latency();
        values.push(Value::milliseconds("max", self.percentile(100)));
        values
    }

    pub(crate) fn load(&self) -> Vec<Value> {
        let mut values = vec![Value::new("rate", self.per_second(), Unit::PerSecond)];
        values.extend(self.latency());
        values
    }
}

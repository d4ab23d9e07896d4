//! The schedule of faults and user actions. It only depends on the seed.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::work::FakeBehavior;

/// Mean time between two faults.
const BETWEEN_FAULTS: Duration = Duration::from_millis(900);
/// Mean time between two user actions.
const BETWEEN_ACTIONS: Duration = Duration::from_millis(1200);

/// Indices are reduced modulo the number of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A fault, and how long after it is repaired.
    Fault(Fault, Duration),
    Action(UserAction),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillOrchestrator(usize),
    StopOrchestrator(usize),
    PauseOrchestrator(usize),
    KillWorker(usize),
    PauseWorker(usize),
    KillBackend,
    CrashPostgres,
    CrashRedis,
    CutConnection(usize),
    StallConnection(usize),
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KillOrchestrator(_) => "orchestrators killed",
            Self::StopOrchestrator(_) => "orchestrators stopped",
            Self::PauseOrchestrator(_) => "orchestrators suspended",
            Self::KillWorker(_) => "workers killed",
            Self::PauseWorker(_) => "workers suspended",
            Self::KillBackend => "backends killed",
            Self::CrashPostgres => "crashes of Postgres",
            Self::CrashRedis => "crashes of Redis",
            Self::CutConnection(_) => "connections cut",
            Self::StallConnection(_) => "connections stalled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserAction {
    Submit(FakeBehavior),
    Cancel(usize),
    Requeue(usize),
    KillWorkerOf(usize),
}

#[derive(Debug)]
pub(super) struct Schedule {
    random: StdRng,
    next_fault: Duration,
    next_action: Duration,
}

impl Schedule {
    pub(super) fn new(random: StdRng) -> Self {
        Self {
            random,
            next_fault: Duration::from_secs(3),
            next_action: Duration::ZERO,
        }
    }

    /// The events that are due, in order.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Event> {
        let mut due = Vec::new();
        loop {
            // In order of time, so that the random sequence does not depend on how often this is called.
            if self.next_fault.min(self.next_action) > now {
                return due;
            }
            if self.next_fault <= self.next_action {
                let (fault, repair_after) = (self.fault(), self.between(300, 4000));
                due.push(Event::Fault(fault, repair_after));
                let gap = self.gap(BETWEEN_FAULTS);
                self.next_fault += gap;
            } else {
                due.push(Event::Action(self.action()));
                let gap = self.gap(BETWEEN_ACTIONS);
                self.next_action += gap;
            }
        }
    }

    fn fault(&mut self) -> Fault {
        let which = self.random.random_range(0..1000_usize);
        match self.random.random_range(0..100) {
            0..10 => Fault::KillOrchestrator(which),
            10..15 => Fault::StopOrchestrator(which),
            15..23 => Fault::PauseOrchestrator(which),
            23..43 => Fault::KillWorker(which),
            43..51 => Fault::PauseWorker(which),
            51..71 => Fault::KillBackend,
            71..76 => Fault::CrashPostgres,
            76..82 => Fault::CrashRedis,
            82..92 => Fault::CutConnection(which),
            _ => Fault::StallConnection(which),
        }
    }

    fn action(&mut self) -> UserAction {
        let which = self.random.random_range(0..1000_usize);
        match self.random.random_range(0..100) {
            0..8 => UserAction::Cancel(which),
            8..14 => UserAction::Requeue(which),
            14..18 => UserAction::KillWorkerOf(which),
            18..78 => UserAction::Submit(FakeBehavior::Succeeds),
            78..88 => UserAction::Submit(FakeBehavior::Slow),
            88..93 => UserAction::Submit(FakeBehavior::CrashesOnce),
            93..97 => UserAction::Submit(FakeBehavior::Stuck),
            _ => UserAction::Submit(FakeBehavior::BreaksTests),
        }
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }

    /// An exponentially distributed duration of at most four times the mean.
    fn gap(&mut self, mean: Duration) -> Duration {
        let uniform: f64 = self.random.random_range(0.02..1.0);
        mean.mul_f64(-uniform.ln())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn events(seed: u64, steps: &[u64]) -> Vec<Event> {
        let mut schedule = Schedule::new(StdRng::seed_from_u64(seed));
        steps
            .iter()
            .flat_map(|at| schedule.due(Duration::from_secs(*at)))
            .collect()
    }

    #[test]
    fn the_schedule_of_a_seed_does_not_depend_on_the_polling() {
        let minute: Vec<u64> = (0..=60).collect();
        assert_eq!(events(7, &[60]), events(7, &minute));
        assert_ne!(events(7, &[60]), events(8, &[60]));
    }

    #[test]
    fn a_schedule_of_two_minutes_has_every_kind_of_fault() {
        let names = events(1, &[120]).into_iter().filter_map(|event| match event {
            Event::Fault(fault, _) => Some(fault.name()),
            Event::Action(_) => None,
        });
        let names: std::collections::BTreeSet<&str> = names.collect();
        assert_eq!(names.len(), 10, "{names:?}");
    }
}

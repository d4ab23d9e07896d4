//! What breaks when: all of it follows from the seed, and nothing from what was seen.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::work::Mood;

/// The mean time between two faults.
const BETWEEN_FAULTS: Duration = Duration::from_millis(900);
/// The mean time between two things that people do.
const BETWEEN_WISHES: Duration = Duration::from_millis(1200);

/// Something that happens; indices are taken modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Something breaks, and is mended that much later.
    Fault(Fault, Duration),
    /// Somebody asks for something.
    Wish(Wish),
}

/// What breaks.
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
    CutLine(usize),
    HalfOpenLine(usize),
}

impl Fault {
    /// What is counted together.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KillOrchestrator(_) => "orchestrators killed",
            Self::StopOrchestrator(_) => "orchestrators stopped",
            Self::PauseOrchestrator(_) => "orchestrators paused",
            Self::KillWorker(_) => "workers killed",
            Self::PauseWorker(_) => "workers paused",
            Self::KillBackend => "backends killed",
            Self::CrashPostgres => "crashes of Postgres",
            Self::CrashRedis => "crashes of Redis",
            Self::CutLine(_) => "lines cut",
            Self::HalfOpenLine(_) => "lines half open",
        }
    }
}

/// What people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Submit(Mood),
    Cancel(usize),
    Requeue(usize),
    KillWorkerOf(usize),
}

/// The schedule of a seed.
#[derive(Debug)]
pub(super) struct Schedule {
    random: StdRng,
    next_fault: Duration,
    next_wish: Duration,
}

impl Schedule {
    pub(super) fn new(random: StdRng) -> Self {
        Self {
            random,
            next_fault: Duration::from_secs(3),
            next_wish: Duration::ZERO,
        }
    }

    /// What has become due by now, in order.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Event> {
        let mut due = Vec::new();
        loop {
            // One after the other, so that what is drawn does not depend on how often this is asked.
            if self.next_fault.min(self.next_wish) > now {
                return due;
            }
            if self.next_fault <= self.next_wish {
                let (fault, mended_after) = (self.fault(), self.between(300, 4000));
                due.push(Event::Fault(fault, mended_after));
                let gap = self.gap(BETWEEN_FAULTS);
                self.next_fault += gap;
            } else {
                due.push(Event::Wish(self.wish()));
                let gap = self.gap(BETWEEN_WISHES);
                self.next_wish += gap;
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
            82..92 => Fault::CutLine(which),
            _ => Fault::HalfOpenLine(which),
        }
    }

    fn wish(&mut self) -> Wish {
        let which = self.random.random_range(0..1000_usize);
        match self.random.random_range(0..100) {
            0..8 => Wish::Cancel(which),
            8..14 => Wish::Requeue(which),
            14..18 => Wish::KillWorkerOf(which),
            18..78 => Wish::Submit(Mood::Calm),
            78..88 => Wish::Submit(Mood::Slow),
            88..93 => Wish::Submit(Mood::CrashesOnce),
            93..97 => Wish::Submit(Mood::Stuck),
            _ => Wish::Submit(Mood::Red),
        }
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }

    /// An exponentially distributed time, bounded so that nothing is quiet for long.
    fn gap(&mut self, mean: Duration) -> Duration {
        let uniform: f64 = self.random.random_range(0.02..1.0);
        mean.mul_f64(-uniform.ln())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn of(seed: u64, steps: &[u64]) -> Vec<Event> {
        let mut schedule = Schedule::new(StdRng::seed_from_u64(seed));
        steps
            .iter()
            .flat_map(|at| schedule.due(Duration::from_secs(*at)))
            .collect()
    }

    #[test]
    fn a_seed_gives_the_same_schedule_however_often_it_is_asked() {
        let minute: Vec<u64> = (0..=60).collect();
        assert_eq!(of(7, &[60]), of(7, &minute));
        assert_ne!(of(7, &[60]), of(8, &[60]));
    }

    #[test]
    fn two_minutes_have_every_kind_of_fault() {
        let names = of(1, &[120]).into_iter().filter_map(|event| match event {
            Event::Fault(fault, _) => Some(fault.name()),
            Event::Wish(_) => None,
        });
        let names: std::collections::BTreeSet<&str> = names.collect();
        assert_eq!(names.len(), 10, "{names:?}");
    }
}

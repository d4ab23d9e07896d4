//! The reference model: a queue of items and their workers as documented, without a database.

use std::collections::BTreeMap;

use whim_core::{FailureCause, Priority, RetryRule, WorkItemStatus, WorkerStatus};

pub(super) const MAX_WORKERS: usize = 2;
pub(super) const DAILY_BUDGET: u32 = 14;
pub(super) const MAX_ITERATIONS: u32 = 4;
pub(super) const RETRIES: usize = 3;
/// Consecutive workers that may end before they register without spending a retry.
const FREE_FAILED_STARTS: u32 = 5;

/// A final report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Complete,
    Fail,
    Stuck,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) status: WorkItemStatus,
    pub(super) run: i32,
    pub(super) epoch: i64,
    /// Of all causes.
    pub(super) retries: i32,
    retries_by_cause: BTreeMap<FailureCause, usize>,
    /// The current worker, or the latest one.
    pub(super) worker: Option<usize>,
    /// Whether it is in backoff.
    pub(super) waits: bool,
    /// Consecutive workers that ended before they registered.
    pub(super) failed_starts: u32,
    priority: Priority,
    /// Position within its priority.
    place: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) item: usize,
    pub(super) epoch: i64,
    pub(super) status: WorkerStatus,
    pub(super) max_iterations: u32,
    pub(super) used: u32,
    pub(super) heartbeats: u64,
    reported: Option<Report>,
}

/// Expected result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    Item { item: usize, max_iterations: u32 },
    Nothing,
    Refused,
}

/// The actor that ends a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Reconciler,
    Person,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) items: Vec<Item>,
    pub(super) workers: Vec<Worker>,
    places: usize,
}

/// Every call returns whether the orchestrator must accept it.
impl Model {
    pub(super) fn enqueue(&mut self, priority: Priority) {
        let place = self.next_place();
        self.items.push(Item {
            status: WorkItemStatus::Queued,
            run: 1,
            epoch: 0,
            retries: 0,
            retries_by_cause: BTreeMap::new(),
            worker: None,
            waits: false,
            failed_starts: 0,
            priority,
            place,
        });
    }

    pub(super) fn claim(&mut self) -> Claimed {
        let left = DAILY_BUDGET - self.used() - self.reserved();
        let slots = MAX_WORKERS - self.workers.iter().filter(|worker| worker.lives()).count();
        if slots == 0 || left == 0 {
            return Claimed::Refused;
        }
        let claimable = |(_, item): &(usize, &Item)| item.status == WorkItemStatus::Queued && !item.waits;
        let next = self.items.iter().enumerate().filter(claimable);
        let Some((item, _)) = next.min_by_key(|(_, item)| (item.priority, item.place)) else {
            return Claimed::Nothing;
        };
        let max_iterations = MAX_ITERATIONS.min(left);
        let taken = &mut self.items[item];
        taken.status = WorkItemStatus::Assigned;
        taken.epoch += 1;
        taken.worker = Some(self.workers.len());
        self.workers.push(Worker {
            item,
            epoch: taken.epoch,
            status: WorkerStatus::Starting,
            max_iterations,
            used: 0,
            heartbeats: 0,
            reported: None,
        });
        Claimed::Item { item, max_iterations }
    }

    pub(super) fn register(&mut self, worker: usize) -> bool {
        let item = self.workers[worker].item;
        match self.workers[worker].status {
            WorkerStatus::Starting => {
                self.workers[worker].status = WorkerStatus::Running;
                self.items[item].status = WorkItemStatus::InProgress;
                self.items[item].failed_starts = 0;
                true
            }
            // Repeated because the response was lost.
            WorkerStatus::Running => true,
            WorkerStatus::Completed | WorkerStatus::Failed | WorkerStatus::Stuck | WorkerStatus::Killed => {
                false
            }
        }
    }

    /// A heartbeat with an iteration; a repeated one (`again`) changes nothing.
    pub(super) fn heartbeat(&mut self, worker: usize, iteration: u32, again: bool) -> bool {
        let worker = &mut self.workers[worker];
        if worker.status != WorkerStatus::Running {
            return false;
        }
        if !again || worker.heartbeats == 0 {
            worker.heartbeats += 1;
            worker.use_up_to(iteration);
        }
        true
    }

    pub(super) fn report(
        &mut self,
        worker: usize,
        report: Report,
        cause: FailureCause,
        iterations: u32,
    ) -> bool {
        if let Some(before) = self.workers[worker].reported {
            return before == report;
        }
        if self.workers[worker].status != WorkerStatus::Running {
            return false;
        }
        self.workers[worker].use_up_to(iterations);
        self.workers[worker].reported = Some(report);
        match report {
            Report::Complete => {
                let item = self.workers[worker].item;
                self.workers[worker].status = WorkerStatus::Completed;
                self.items[item].status = WorkItemStatus::Completed;
            }
            Report::Fail => self.end(worker, cause, None),
            Report::Stuck => self.end(worker, FailureCause::Stuck, None),
        }
        true
    }

    pub(super) fn expire(&mut self, worker: usize) {
        if self.workers[worker].lives() {
            self.end(worker, FailureCause::Lost, Some(From::Reconciler));
        }
    }

    pub(super) fn kill(&mut self, worker: usize) -> bool {
        if self.workers[worker].lives() {
            self.end(worker, FailureCause::Killed, Some(From::Person));
        }
        self.workers[worker].status == WorkerStatus::Killed
    }

    pub(super) fn cancel(&mut self, item: usize) -> bool {
        let cancelled = &mut self.items[item];
        if !cancelled.status.is_terminal() {
            cancelled.status = WorkItemStatus::Cancelled;
            cancelled.waits = false;
            for worker in self.workers.iter_mut().filter(|worker| worker.item == item) {
                if worker.lives() {
                    worker.status = WorkerStatus::Killed;
                }
            }
        }
        self.items[item].status == WorkItemStatus::Cancelled
    }

    pub(super) fn requeue(&mut self, item: usize) -> bool {
        let place = self.next_place();
        let item = &mut self.items[item];
        if !item.status.is_terminal() {
            return false;
        }
        item.status = WorkItemStatus::Queued;
        item.run += 1;
        item.retries = 0;
        item.retries_by_cause.clear();
        item.failed_starts = 0;
        item.place = place;
        true
    }

    pub(super) fn release_due_retries(&mut self) {
        for item in &mut self.items {
            item.waits = false;
        }
    }

    /// Iterations that live and ended workers used.
    pub(super) fn used(&self) -> u32 {
        self.workers.iter().map(|worker| worker.used).sum()
    }

    /// Iterations that live workers may still use.
    pub(super) fn reserved(&self) -> u32 {
        let live = self.workers.iter().filter(|worker| worker.lives());
        live.map(|worker| worker.max_iterations - worker.used).sum()
    }

    fn end(&mut self, worker: usize, cause: FailureCause, from: Option<From>) {
        let worker = &mut self.workers[worker];
        let item = &mut self.items[worker.item];
        let rule = cause.retry_rule();
        let failed_start = worker.status == WorkerStatus::Starting && rule == RetryRule::UpToLimit;
        let free = failed_start && item.failed_starts < FREE_FAILED_STARTS;
        let retries = item.retries_by_cause.get(&cause).copied().unwrap_or_default();
        let again = match rule {
            RetryRule::WaitWithoutSpending => true,
            _counts if free => true,
            RetryRule::UpToLimit => retries < RETRIES,
            RetryRule::Once => retries == 0,
            RetryRule::Never => false,
        };
        if again {
            item.status = WorkItemStatus::Queued;
            item.waits = true;
            item.failed_starts += u32::from(failed_start);
            if !free && rule != RetryRule::WaitWithoutSpending {
                item.retries += 1;
                *item.retries_by_cause.entry(cause).or_default() += 1;
            }
        } else {
            item.status = WorkItemStatus::Failed;
        }
        worker.status = match (from, cause) {
            (Some(From::Person), _) => WorkerStatus::Killed,
            (_, FailureCause::Stuck) => WorkerStatus::Stuck,
            _ => WorkerStatus::Failed,
        };
    }

    fn next_place(&mut self) -> usize {
        self.places += 1;
        self.places
    }
}

impl Worker {
    fn lives(&self) -> bool {
        matches!(self.status, WorkerStatus::Starting | WorkerStatus::Running)
    }

    fn use_up_to(&mut self, iteration: u32) {
        self.used = self.used.max(iteration.min(self.max_iterations));
    }
}

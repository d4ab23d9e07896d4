//! Detects progress: a step that the worker has not reported before. An agent that repeats the same calls is alive, but
//! makes no progress (`docs/faults.md`, row 14).

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use whim_core::WorkerId;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};

/// Different steps that are remembered of a worker. Beyond it, only known steps are recognised as repeated.
const MAX_STEPS: usize = 2000;

/// A worker without events for this long is forgotten.
const RETENTION: Duration = Duration::from_hours(1);

/// Steps of each live worker since its last result. Only in memory: after a restart of the orchestrator each step counts
/// as new once more.
#[derive(Debug, Default)]
pub(super) struct ProgressDetector {
    workers: RwLock<HashMap<WorkerId, Steps>>,
}

#[derive(Debug)]
struct Steps {
    seen: HashSet<u64>,
    latest: Instant,
}

impl ProgressDetector {
    /// Whether any of the events is a result, or a step that is new for the worker.
    pub(super) fn is_progress(&self, worker: WorkerId, events: &[WorkerEvent]) -> bool {
        if events.is_empty() {
            return false;
        }
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        if !workers.contains_key(&worker) {
            workers.retain(|_, steps| steps.latest.elapsed() < RETENTION);
        }
        let steps = workers.entry(worker).or_insert_with(|| Steps {
            seen: HashSet::new(),
            latest: Instant::now(),
        });
        steps.latest = Instant::now();
        let mut progress = false;
        for event in events {
            match step(&event.body) {
                None => {
                    steps.seen.clear();
                    progress = true;
                }
                Some(step) if steps.seen.len() < MAX_STEPS => progress |= steps.seen.insert(step),
                Some(step) => progress |= !steps.seen.contains(&step),
            }
        }
        progress
    }
}

/// Hash by which a repeated step is recognised; `None` for a result, which always counts. `ralph` adds a digest of the
/// command or the file content to each tool call.
fn step(body: &WorkerEventBody) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match body {
        WorkerEventBody::Ralph { event } => {
            if matches!(
                event.name(),
                "started" | "iteration" | "commit" | "task_complete" | "iteration_done" | "complete"
            ) {
                return None;
            }
            event.fields().hash(&mut hasher);
        }
        WorkerEventBody::Notice { message } => message.hash(&mut hasher),
        WorkerEventBody::Stage { .. }
        | WorkerEventBody::Pushed { .. }
        | WorkerEventBody::TestsRunning { .. }
        | WorkerEventBody::Tests { .. }
        | WorkerEventBody::PullRequest { .. } => return None,
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reported(event: serde_json::Value) -> Vec<WorkerEvent> {
        vec![WorkerEvent {
            occurred_at: chrono::Utc::now(),
            body: WorkerEventBody::Ralph {
                event: serde_json::from_value(event).unwrap(),
            },
        }]
    }

    fn read(path: &str) -> Vec<WorkerEvent> {
        reported(json!({ "event": "tool", "type": "read", "path": path }))
    }

    fn tests_running(elapsed_seconds: u64) -> Vec<WorkerEvent> {
        let command = "make test".to_owned();
        vec![WorkerEvent {
            occurred_at: chrono::Utc::now(),
            body: WorkerEventBody::TestsRunning {
                command,
                elapsed_seconds,
            },
        }]
    }

    #[test]
    fn running_tests_are_progress() {
        let (detector, worker) = (ProgressDetector::default(), WorkerId::new());
        for minute in 0..24 * 60 {
            assert!(
                detector.is_progress(worker, &tests_running(60 * minute)),
                "minute {minute}"
            );
        }
        // The next step starts at zero.
        assert!(detector.is_progress(worker, &tests_running(0)));
    }

    fn run(digest: &str) -> Vec<WorkerEvent> {
        reported(json!({ "event": "tool", "type": "bash", "digest": digest }))
    }

    #[test]
    fn different_commands_are_progress_and_repeated_ones_are_not() {
        let (detector, worker) = (ProgressDetector::default(), WorkerId::new());
        for hour in 0..24 {
            assert!(
                detector.is_progress(worker, &run(&format!("{hour:016x}"))),
                "hour {hour}"
            );
        }
        for hour in 0..24 {
            assert!(
                !detector.is_progress(worker, &run(&format!("{hour:016x}"))),
                "hour {hour} again"
            );
        }
    }

    #[test]
    fn a_repeated_step_is_no_progress_until_there_is_a_result() {
        let (detector, worker) = (ProgressDetector::default(), WorkerId::new());
        let commit = reported(json!({ "event": "commit", "hash": "1", "message": "x" }));
        let steps = [
            (read("a.rs"), true),
            (read("b.rs"), true),
            (read("a.rs"), false),
            (read("b.rs"), false),
            (Vec::new(), false),
            (commit, true),
            (read("a.rs"), true),
            (read("a.rs"), false),
        ];
        for (position, (events, progress)) in steps.into_iter().enumerate() {
            assert_eq!(detector.is_progress(worker, &events), progress, "step {position}");
        }
        assert!(
            detector.is_progress(WorkerId::new(), &read("a.rs")),
            "another worker's"
        );
    }
}

//! What counts as progress: something new. An agent that makes the same calls over and over lives, but does not move
//! (`FAULTS.md`, row 14).

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use whim_core::WorkerId;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};

/// How many different steps of a worker are remembered; one that makes more makes progress.
const MOST_STEPS: usize = 2000;

/// A worker of which nothing was heard for so long has ended.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// The steps that each live worker made since something last came of them. Only in memory: an orchestrator that starts
/// anew takes each step for new once more.
#[derive(Debug, Default)]
pub(super) struct ProgressDetector {
    workers: RwLock<HashMap<WorkerId, Steps>>,
}

#[derive(Debug)]
struct Steps {
    made: HashSet<u64>,
    latest: Instant,
}

impl ProgressDetector {
    /// Whether there is anything new in what a worker tells.
    pub(super) fn is_progress(&self, worker: WorkerId, events: &[WorkerEvent]) -> bool {
        if events.is_empty() {
            return false;
        }
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        if !workers.contains_key(&worker) {
            workers.retain(|_, steps| steps.latest.elapsed() < FORGOTTEN_AFTER);
        }
        let steps = workers.entry(worker).or_insert_with(|| Steps {
            made: HashSet::new(),
            latest: Instant::now(),
        });
        steps.latest = Instant::now();
        let mut progress = false;
        for event in events {
            match step(&event.body) {
                None => {
                    steps.made.clear();
                    progress = true;
                }
                Some(step) if steps.made.len() < MOST_STEPS => progress |= steps.made.insert(step),
                Some(step) => progress |= !steps.made.contains(&step),
            }
        }
        progress
    }
}

/// What a step is recognised by; `None` for what is a result and always counts. Which command it is that a tool runs,
/// and what it writes to a file, is in the digest that `ralph` gives each call.
fn step(body: &WorkerEventBody) -> Option<u64> {
    let told = match body {
        WorkerEventBody::Ralph { event } => {
            let name = event.get("event").and_then(Value::as_str).unwrap_or_default();
            if matches!(
                name,
                "started" | "iteration" | "commit" | "task_complete" | "iteration_done" | "complete"
            ) {
                return None;
            }
            event.to_string()
        }
        WorkerEventBody::Notice { message } => message.clone(),
        WorkerEventBody::Stage { .. }
        | WorkerEventBody::Pushed { .. }
        | WorkerEventBody::TestsRunning { .. }
        | WorkerEventBody::Tests { .. }
        | WorkerEventBody::PullRequest { .. } => return None,
    };
    let mut hasher = DefaultHasher::new();
    told.hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(event: Value) -> Vec<WorkerEvent> {
        vec![WorkerEvent {
            occurred_at: chrono::Utc::now(),
            body: WorkerEventBody::Ralph { event },
        }]
    }

    fn read(path: &str) -> Vec<WorkerEvent> {
        told(json!({ "event": "tool", "type": "read", "path": path }))
    }

    fn run(digest: &str) -> Vec<WorkerEvent> {
        told(json!({ "event": "tool", "type": "bash", "digest": digest }))
    }

    #[test]
    fn different_commands_are_progress_and_the_same_one_again_is_not() {
        let (novelty, worker) = (ProgressDetector::default(), WorkerId::new());
        for hour in 0..24 {
            assert!(
                novelty.is_progress(worker, &run(&format!("{hour:016x}"))),
                "hour {hour}"
            );
        }
        for hour in 0..24 {
            assert!(
                !novelty.is_progress(worker, &run(&format!("{hour:016x}"))),
                "hour {hour} again"
            );
        }
    }

    #[test]
    fn the_same_step_again_is_no_progress_until_something_comes_of_it() {
        let (novelty, worker) = (ProgressDetector::default(), WorkerId::new());
        let commit = told(json!({ "event": "commit", "hash": "1", "message": "x" }));
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
            assert_eq!(novelty.is_progress(worker, &events), progress, "step {position}");
        }
        assert!(
            novelty.is_progress(WorkerId::new(), &read("a.rs")),
            "another worker's"
        );
    }
}

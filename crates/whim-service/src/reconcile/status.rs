//! What the reconcilers did last, for people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

/// The last report of each reconciler. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    by_name: Arc<watch::Sender<BTreeMap<String, TaskStatus>>>,
}

/// What one reconciler does and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// Milliseconds between two runs that nobody asked for.
    pub period_ms: u64,
    /// Runs since the start of the process, the running one included.
    pub runs: u64,
    /// Runs in a row that failed, up to the last one.
    pub failures_in_a_row: u64,
    /// The run that is going on.
    pub running: Option<RunningSince>,
    /// The last run that ended.
    pub last: Option<LastRun>,
}

/// A run that is going on.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningSince {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Why.
    pub trigger: Trigger,
}

/// A run that ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Why.
    pub trigger: Trigger,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    /// It was time.
    Period,
    /// Somebody poked.
    Activated,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// With this report.
    Done(serde_json::Value),
    /// It could not be finished.
    Failed {
        /// The whole chain of causes.
        error: String,
    },
}

impl Outcome {
    /// For metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed { .. } => "failed",
        }
    }

    pub(super) fn done(report: &impl Serialize) -> Self {
        match serde_json::to_value(report) {
            Ok(report) => Self::Done(report),
            Err(error) => Self::Failed {
                error: format!("writing the report down: {error}"),
            },
        }
    }
}

impl Statuses {
    /// All reconcilers by name.
    pub fn snapshot(&self) -> BTreeMap<String, TaskStatus> {
        self.by_name.borrow().clone()
    }

    /// Waits until the reports fulfil `condition`; at once when they do now.
    pub async fn wait_until(&self, mut condition: impl FnMut(&BTreeMap<String, TaskStatus>) -> bool) {
        let mut changes = self.by_name.subscribe();
        // Fails only when the sender is gone, and `self` holds it.
        let _fulfilled = changes.wait_for(|statuses| condition(statuses)).await;
    }

    /// Waits until every reconciler that was started by now has ended a run, well or not.
    pub async fn wait_for_first_runs(&self) {
        self.wait_until(|statuses| statuses.values().all(|status| status.last.is_some()))
            .await;
    }

    pub(super) fn add(&self, name: &str, period: Duration) {
        let status = TaskStatus {
            period_ms: milliseconds(period),
            runs: 0,
            failures_in_a_row: 0,
            running: None,
            last: None,
        };
        self.by_name.send_modify(|statuses| {
            statuses.insert(name.to_owned(), status);
        });
    }

    pub(super) fn begin(&self, name: &str, trigger: Trigger) {
        self.change(name, |status| {
            status.runs += 1;
            status.running = Some(RunningSince {
                started_at: Utc::now(),
                trigger,
            });
        });
    }

    pub(super) fn end(&self, name: &str, duration: Duration, outcome: Outcome) {
        self.change(name, |status| {
            let Some(RunningSince { started_at, trigger }) = status.running.take() else {
                return;
            };
            status.failures_in_a_row = match outcome {
                Outcome::Done(_) => 0,
                Outcome::Failed { .. } => status.failures_in_a_row + 1,
            };
            status.last = Some(LastRun {
                started_at,
                trigger,
                duration_ms: milliseconds(duration),
                outcome,
            });
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut TaskStatus)) {
        self.by_name.send_modify(|statuses| {
            if let Some(status) = statuses.get_mut(name) {
                change(status);
            }
        });
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! The last runs of the reconcilers, for people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

/// The status of each reconciler. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    by_name: Arc<watch::Sender<BTreeMap<String, TaskStatus>>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// Interval between periodic runs, in milliseconds.
    pub period_ms: u64,
    /// Runs since the start of the process, the running one included.
    pub runs: u64,
    /// Consecutive failed runs, up to the last one.
    pub failures_in_a_row: u64,
    pub running: Option<RunningSince>,
    pub last: Option<LastRun>,
}

/// A run in progress.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningSince {
    pub started_at: DateTime<Utc>,
    pub trigger: Trigger,
}

/// A run that ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    pub started_at: DateTime<Utc>,
    pub trigger: Trigger,
    pub duration_ms: u64,
    pub outcome: Outcome,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    Period,
    Activated,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// With its report.
    Done(serde_json::Value),
    Failed {
        /// With all of its causes.
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

    /// Waits until `condition` holds.
    pub async fn wait_until(&self, mut condition: impl FnMut(&BTreeMap<String, TaskStatus>) -> bool) {
        let mut changes = self.by_name.subscribe();
        // Fails only if the sender was dropped, and `self` holds it.
        changes.wait_for(|statuses| condition(statuses)).await.ok();
    }

    /// Waits until every reconciler that has been started has finished a run, successfully or not.
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

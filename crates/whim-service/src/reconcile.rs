//! Reconcilers: functions without input that bring the actual state in line with the recorded state.
//!
//! A reconciler runs periodically and when it is activated. An activation carries no input: normal operation and recovery
//! after a crash are the same code, and the next run is the retry.

mod status;

use std::fmt::{Debug, Display};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use self::status::{LastRun, Outcome, RunningSince, Statuses, TaskStatus, Trigger};
use crate::metrics::task_ran;
use crate::repeated_failure::RepeatedFailure;
use crate::supervisor::Tasks;

/// One reconciler.
pub trait Reconciler: Send + Sync + 'static {
    /// What a run did. Logged, and shown on the admin port.
    type Report: Serialize + Debug + Send;
    /// Why a run failed. Shown with `{:#}`; [`anyhow::Error`] is the usual choice.
    type Error: Display + Send;

    /// Compares and corrects. Must be idempotent, limited in what it does in one run, and without retries.
    fn reconcile(&self) -> impl Future<Output = Result<Self::Report, Self::Error>> + Send;
}

/// Activates one reconciler. Created before the reconciler's task, so that its users can be built first. Clones activate the
/// same reconciler.
///
/// Activations are not counted: any number of them before a run leads to one run, and one during a run to another.
#[derive(Clone, Debug, Default)]
pub struct Activator {
    notify: Arc<Notify>,
}

impl Activator {
    /// [`Reconcilers::start`] connects it to a reconciler.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests a run as soon as possible.
    pub fn activate(&self) {
        self.notify.notify_one();
    }
}

/// Starts reconcilers as tasks and records their last runs.
#[derive(Clone, Debug)]
pub struct Reconcilers {
    tasks: Tasks,
    statuses: Statuses,
}

impl Reconcilers {
    /// Reconcilers run among `tasks` and stop with them.
    pub fn new(tasks: Tasks) -> Self {
        Self {
            tasks,
            statuses: Statuses::default(),
        }
    }

    /// For the admin port.
    pub fn statuses(&self) -> Statuses {
        self.statuses.clone()
    }

    /// Runs `reconciler` now, then every `period` and when `activator` is activated. `label` distinguishes several of one
    /// `name`, such as one per repository.
    pub fn start<R: Reconciler>(
        &self,
        name: &'static str,
        label: Option<&str>,
        period: Duration,
        activator: &Activator,
        reconciler: R,
    ) {
        let full_name = label.map_or_else(|| name.to_owned(), |label| format!("{name}:{label}"));
        let reconciler = Arc::new(reconciler);
        let (statuses, activator, stop) = (self.statuses.clone(), activator.clone(), self.tasks.token());
        statuses.add(&full_name, period);
        self.tasks.best_effort(name, move || {
            let (reconciler, statuses) = (Arc::clone(&reconciler), statuses.clone());
            let (activator, stop, full_name) = (activator.clone(), stop.clone(), full_name.clone());
            async move {
                drive(
                    name,
                    &full_name,
                    period,
                    &activator,
                    reconciler.as_ref(),
                    &statuses,
                    &stop,
                )
                .await;
                Ok(())
            }
        });
    }
}

/// Runs until `stop`. Several reconcilers of one `kind` may have different names. A run in progress is finished, within the
/// supervisor's deadline.
async fn drive<R: Reconciler>(
    kind: &'static str,
    name: &str,
    period: Duration,
    activator: &Activator,
    reconciler: &R,
    statuses: &Statuses,
    stop: &CancellationToken,
) {
    let mut ticks = tokio::time::interval(period);
    // A late run must not be followed by a burst of others.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = RepeatedFailure::default();
    loop {
        let trigger = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => Trigger::Period,
            () = activator.notify.notified() => Trigger::Activated,
        };
        statuses.begin(name, trigger);
        let begin = Instant::now();
        let outcome = match reconciler.reconcile().await {
            Ok(report) => {
                tracing::debug!(task = name, ?trigger, ?report, "reconciled {name}");
                if let Some(failures) = failures.succeeded() {
                    tracing::info!(task = name, failures, "reconciling {name} succeeds again");
                }
                Outcome::done(&report)
            }
            Err(error) => {
                let error = format!("{error:#}");
                if let Some(failures) = failures.failed(&error) {
                    tracing::warn!(
                        task = name,
                        ?trigger,
                        error,
                        failures,
                        "reconciling {name} failed"
                    );
                }
                Outcome::Failed { error }
            }
        };
        let took = begin.elapsed();
        task_ran(kind, outcome.name(), took);
        statuses.end(name, took, outcome);
    }
}

//! The tasks of one phase.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::report::StopReason;
use super::stop::StopRequest;
use crate::backoff::{self, BackoffBuilder as _, ExponentialBuilder};

/// Delays between attempts of a best-effort task.
const RESTART: ExponentialBuilder = backoff::exponential(Duration::from_millis(200), Duration::from_secs(30));

/// An attempt that lasted this long was healthy: the delays start from the first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// The tasks of one phase. Clones own the same tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    process: Arc<StopRequest>,
    tracker: TaskTracker,
    /// Asks the tasks to stop.
    stop: CancellationToken,
    /// Aborts the tasks: their deadline is over.
    abort: CancellationToken,
    running: Arc<RwLock<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    names: BTreeMap<u64, &'static str>,
}

/// How one attempt of a task ended.
enum Ended {
    Done,
    Failed(anyhow::Error),
    Panicked,
}

impl Tasks {
    pub(super) fn new(process: Arc<StopRequest>) -> Self {
        Self {
            process,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            running: Arc::default(),
        }
    }

    /// Cancelled when the tasks of this phase are to stop. Every task watches it.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that the process cannot do without: if it ends for any reason before it is asked to, the process
    /// stops.
    pub fn critical(
        &self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let (process, stop) = (Arc::clone(&self.process), self.stop.clone());
        self.start(name, async move {
            let ended = run_once(task).await;
            let was_asked = stop.is_cancelled();
            let reason = match ended {
                Ended::Done if was_asked => return,
                Ended::Done => StopReason::TaskEnded { task: name },
                Ended::Failed(error) => {
                    tracing::error!(
                        task = name,
                        error = format!("{error:#}"),
                        "a critical task failed: {name}"
                    );
                    StopReason::TaskFailed {
                        task: name,
                        error: Arc::new(error),
                    }
                }
                Ended::Panicked => StopReason::TaskPanicked { task: name },
            };
            process.request(reason);
        });
    }

    /// Starts a task that the process can do without for a while: a failed or panicked attempt is logged and repeated
    /// after a delay with backoff. `Ok` ends the task.
    pub fn best_effort<Attempt>(
        &self,
        name: &'static str,
        mut attempt: impl FnMut() -> Attempt + Send + 'static,
    ) where
        Attempt: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.start(name, async move {
            let mut delays = RESTART.build();
            loop {
                let begin = Instant::now();
                let failure = match run_once(attempt()).await {
                    Ended::Done => return,
                    Ended::Failed(error) => format!("{error:#}"),
                    Ended::Panicked => "panicked".to_owned(),
                };
                if stop.is_cancelled() {
                    return;
                }
                if begin.elapsed() >= HEALTHY_AFTER {
                    delays = RESTART.build();
                }
                let Some(delay) = delays.next() else { return };
                let delay_ms = delay.as_millis();
                tracing::warn!(
                    task = name,
                    error = failure,
                    delay_ms,
                    "a task failed and will be restarted: {name}"
                );
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    fn start(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if self.abort.is_cancelled() {
            tracing::warn!(task = name, "not started, because the process is stopped: {name}");
            return;
        }
        let key = self.running_mut(|running| {
            let key = running.next;
            running.next += 1;
            running.names.insert(key, name);
            key
        });
        let (tasks, abort) = (self.clone(), self.abort.clone());
        self.tracker.spawn(async move {
            let finished = abort.run_until_cancelled_owned(task).await.is_some();
            // An aborted task stays in the list, from which the report takes its name.
            if finished {
                tasks.running_mut(|running| running.names.remove(&key));
            }
        });
    }

    /// Asks the tasks to stop and aborts those that still run after `deadline`. Returns the names of the aborted tasks.
    pub(super) async fn stop(&self, deadline: Duration) -> Vec<&'static str> {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_err() {
            self.abort.cancel();
            self.tracker.wait().await;
        }
        self.abort.cancel();
        let unfinished = self.running_mut(|running| std::mem::take(&mut running.names));
        unfinished.into_values().collect()
    }

    fn running_mut<T>(&self, change: impl FnOnce(&mut Running) -> T) -> T {
        // No code under the lock can panic between two changes of the map.
        change(&mut self.running.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs in a task of its own, so that a panic is caught here. Dropping the call aborts that task.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the owner of tasks that the rule requires"
)]
async fn run_once(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Ended {
    match AbortOnDropHandle::new(tokio::spawn(task)).await {
        Ok(Ok(())) => Ended::Done,
        Ok(Err(error)) => Ended::Failed(error),
        Err(_panicked) => Ended::Panicked,
    }
}

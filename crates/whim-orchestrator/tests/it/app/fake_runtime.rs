//! A fake runtime that records its calls and lets the test end workers.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::anyhow;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_stream::wrappers::{BroadcastStream, WatchStream};
use whim_core::WorkerId;
use whim_runtime::{
    Attempt, AttemptState, Cleaned, Exit, ExitKind, LogStream, MissingImage, Runtime, RuntimeError,
    RuntimeHandle, WorkerSpec,
};
use whim_service::secret::ExposeSecret as _;

/// Clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct FakeRuntime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    instance: String,
    state: RwLock<State>,
    exits: broadcast::Sender<WorkerId>,
    returned: watch::Sender<()>,
    /// Each start takes a permit.
    may_start: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    started: Vec<WorkerSpec>,
    attempts: BTreeMap<WorkerId, AttemptState>,
    stopped: Vec<WorkerId>,
    unavailable: bool,
    broken_repositories: Vec<String>,
    missing_images: Vec<String>,
}

impl FakeRuntime {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                instance: uuid::Uuid::new_v4().to_string(),
                state: RwLock::default(),
                exits: broadcast::Sender::new(1000),
                returned: watch::Sender::new(()),
                may_start: Semaphore::new(Semaphore::MAX_PERMITS),
            }),
        }
    }

    /// Started workers, in order.
    pub(crate) fn started(&self) -> Vec<WorkerSpec> {
        self.read(|state| state.started.clone())
    }

    pub(crate) fn running(&self) -> Vec<WorkerId> {
        let running = |(worker, state): (&WorkerId, &AttemptState)| {
            (*state == AttemptState::Running).then_some(*worker)
        };
        self.read(|state| state.attempts.iter().filter_map(running).collect())
    }

    /// Workers whose stop was requested, in order.
    pub(crate) fn stopped(&self) -> Vec<WorkerId> {
        self.read(|state| state.stopped.clone())
    }

    pub(crate) fn token(&self, worker: WorkerId) -> String {
        self.credential(worker, "worker-token")
    }

    /// A credential file of a worker.
    pub(crate) fn credential(&self, worker: WorkerId, file_name: &str) -> String {
        self.read(|state| {
            let spec = state.started.iter().find(|spec| spec.worker_id == worker);
            let credentials = &spec.expect("the worker was started").credentials;
            let found = credentials
                .iter()
                .find(|credential| credential.file_name == file_name);
            found
                .expect("the worker has this file")
                .secret
                .expose_secret()
                .to_owned()
        })
    }

    /// Ends a worker as if its process had exited with `code`.
    pub(crate) fn exit(&self, worker: WorkerId, code: i32) {
        self.exit_with(worker, ExitKind::Code(code));
    }

    /// Ends a worker with any outcome.
    pub(crate) fn exit_with(&self, worker: WorkerId, how: ExitKind) {
        self.end(worker, Exit { how, stopped: false });
    }

    /// Ends a worker without reporting the exit, as when the machine is restarted: only the list of workers has it.
    pub(crate) fn exit_unnoticed(&self, worker: WorkerId, how: ExitKind) {
        let exit = Exit { how, stopped: false };
        self.write(|state| state.attempts.insert(worker, AttemptState::Ended(exit)));
    }

    /// Makes all starts fail, or succeed again.
    pub(crate) fn set_unavailable(&self, unavailable: bool) {
        self.write(|state| state.unavailable = unavailable);
        if !unavailable {
            self.inner.returned.send_replace(());
        }
    }

    /// Starts in this repository fail.
    pub(crate) fn break_starts_in(&self, repo: &str) {
        self.write(|state| state.broken_repositories.push(repo.to_owned()));
    }

    /// Starts in this repository fail because its image is missing.
    pub(crate) fn remove_image(&self, repo: &str) {
        self.write(|state| state.missing_images.push(repo.to_owned()));
    }

    pub(crate) fn add_image(&self, repo: &str) {
        self.write(|state| state.missing_images.retain(|missing| missing != repo));
    }

    /// Blocks starts until [`Self::let_starts_through`].
    pub(crate) fn hold_starts(&self) {
        self.inner.may_start.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Unblocks starts.
    pub(crate) fn let_starts_through(&self) {
        self.inner.may_start.add_permits(Semaphore::MAX_PERMITS);
    }

    /// The specification that a worker was started with.
    pub(crate) fn spec(&self, worker: WorkerId) -> WorkerSpec {
        let found = self.read(|state| {
            state
                .started
                .iter()
                .find(|spec| spec.worker_id == worker)
                .cloned()
        });
        found.expect("the worker was started")
    }

    /// Removes a worker without an exit, as if its container had been removed manually.
    pub(crate) fn forget(&self, worker: WorkerId) {
        self.write(|state| state.attempts.remove(&worker));
        // There may be no subscriber.
        let _listeners = self.inner.exits.send(worker);
    }

    /// Adds a running worker without a row, as if another orchestrator had crashed after the start.
    pub(crate) fn plant(&self, worker: WorkerId) {
        self.write(|state| state.attempts.insert(worker, AttemptState::Running));
    }

    fn end(&self, worker: WorkerId, exit: Exit) {
        self.write(|state| state.attempts.insert(worker, AttemptState::Ended(exit)));
        let _listeners = self.inner.exits.send(worker);
    }

    fn read<T>(&self, query: impl FnOnce(&State) -> T) -> T {
        query(&self.inner.state.read().expect("no test thread panicked in here"))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.inner.state.write().expect("no test thread panicked in here"))
    }
}

impl Runtime for FakeRuntime {
    fn has_own_network(&self) -> bool {
        false
    }

    fn kind(&self) -> &'static str {
        "process"
    }

    fn instance(&self) -> &str {
        &self.inner.instance
    }

    fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<RuntimeHandle, RuntimeError>> {
        async move {
            let permit = self.inner.may_start.acquire().await;
            drop(permit.expect("the semaphore is never closed"));
            self.write(|state| {
                let is_broken = |repo: &String| repo == spec.repo.as_str();
                if state.unavailable || state.broken_repositories.iter().any(is_broken) {
                    return Err(RuntimeError::new(
                        "starting a worker",
                        anyhow!("the engine is unavailable"),
                    ));
                }
                if state.missing_images.iter().any(is_broken) {
                    let missing = MissingImage("there is no image for it".to_owned());
                    return Err(RuntimeError::new("starting a worker", missing));
                }
                let handle = RuntimeHandle(format!("fake {}", spec.name()));
                state.attempts.insert(spec.worker_id, AttemptState::Running);
                state.started.push(spec);
                Ok(handle)
            })
        }
        .boxed()
    }

    fn stop(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        self.write(|state| state.stopped.push(worker));
        let how = ExitKind::Signal(15);
        self.end(worker, Exit { how, stopped: true });
        std::future::ready(Ok(())).boxed()
    }

    fn logs(&self, _worker: WorkerId, _bytes: u64) -> BoxFuture<'_, Result<Option<String>, RuntimeError>> {
        std::future::ready(Ok(None)).boxed()
    }

    fn follow(
        &self,
        _worker: WorkerId,
        _lines: usize,
        _bytes: u64,
    ) -> BoxFuture<'_, Result<Option<LogStream>, RuntimeError>> {
        std::future::ready(Ok(None)).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Attempt>, RuntimeError>> {
        let attempts = self.read(|state| {
            let attempt = |(&worker_id, &state): (&WorkerId, &AttemptState)| Attempt { worker_id, state };
            state.attempts.iter().map(attempt).collect()
        });
        std::future::ready(Ok(attempts)).boxed()
    }

    fn exits(&self) -> BoxStream<'static, WorkerId> {
        let exits = BroadcastStream::new(self.inner.exits.subscribe());
        exits.filter_map(|exit| std::future::ready(exit.ok())).boxed()
    }

    fn returns(&self) -> BoxStream<'static, ()> {
        WatchStream::from_changes(self.inner.returned.subscribe()).boxed()
    }

    fn clean(&self, _retention: Duration) -> BoxFuture<'_, Result<Cleaned, RuntimeError>> {
        std::future::ready(Ok(Cleaned::default())).boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<String, RuntimeError>> {
        let health = if self.read(|state| state.unavailable) {
            Err(RuntimeError::new(
                "the engine is unavailable",
                anyhow!("set by the test"),
            ))
        } else {
            Ok("a fake".to_owned())
        };
        std::future::ready(health).boxed()
    }
}

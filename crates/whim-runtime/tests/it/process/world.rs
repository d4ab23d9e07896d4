//! A `process` runtime of one test, and its attempts.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;

use whim_core::WorkerId;
use whim_runtime::process::ProcessRuntime;
use whim_runtime::{Attempt, AttemptState, Exit, Runtime as _, RuntimeConfig, WorkerSpec};
use whim_service::process::ProcessIdentity;
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use crate::worker::{self, PATIENCE, shim_program};

pub(super) fn config(fixture: &WorkerFixture, more: &[(&str, &str)]) -> RuntimeConfig {
    let own = fixture.settings();
    let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    worker::config(own.chain(more.iter().copied()))
}

pub(super) fn open(fixture: &WorkerFixture, more: &[(&str, &str)]) -> ProcessRuntime {
    ProcessRuntime::open(&config(fixture, more), shim_program()).unwrap()
}

pub(super) fn spec() -> WorkerSpec {
    worker::spec(
        ("ORCHESTRATOR_URL", "http://127.0.0.1:1"),
        [("worker-token", "the-token"), ("github-token", "ghs_secret")],
    )
}

pub(super) async fn start(runtime: &ProcessRuntime) -> WorkerId {
    let spec = spec();
    let worker = spec.worker_id;
    runtime.start(spec).await.unwrap();
    worker
}

pub(super) async fn state(runtime: &ProcessRuntime, worker: WorkerId) -> Option<AttemptState> {
    let attempts: Vec<Attempt> = runtime.list().await.unwrap();
    attempts
        .into_iter()
        .find(|attempt| attempt.worker_id == worker)
        .map(|attempt| attempt.state)
}

pub(super) async fn wait_for_end(runtime: &ProcessRuntime, worker: WorkerId) -> Exit {
    wait_until("the worker to end", PATIENCE, async || {
        match state(runtime, worker).await {
            Some(AttemptState::Ended(exit)) => Ok(exit),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap()
}

pub(super) fn shim(fixture: &WorkerFixture, worker: WorkerId) -> ProcessIdentity {
    let record = fs::read(fixture.attempt(worker).join("shim.json")).unwrap();
    serde_json::from_slice(&record).unwrap()
}

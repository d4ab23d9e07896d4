//! Which runtime is picked, and what is reported when it cannot be used.

use whim_runtime::{RuntimeConfig, WorkerListener};
use whim_testkit::worker_fixture::WorkerFixture;

use crate::worker;

const NO_ENGINE: &str = "unix:///nonexistent/docker.sock";

fn config(fixture: &WorkerFixture, kind: &str) -> RuntimeConfig {
    let own = fixture.settings();
    let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    worker::config(own.chain([("WORKER_RUNTIME", kind), ("DOCKER_HOST", NO_ENGINE)]))
}

#[tokio::test]
async fn a_missing_engine_is_reported_before_an_address_that_containers_cannot_reach() {
    let fixture = WorkerFixture::with_script("");

    let error = whim_runtime::open(&config(&fixture, "docker"), WorkerListener::Loopback)
        .await
        .unwrap_err()
        .to_string();

    assert!(
        error.contains("the container engine does not answer at unix:///nonexistent/docker.sock")
            && error.contains("DOCKER_HOST")
            && !error.contains("WORKER_BIND_ADDRESS"),
        "{error}"
    );
}

#[tokio::test]
async fn an_engine_may_be_started_after_an_orchestrator_that_containers_can_reach() {
    let fixture = WorkerFixture::with_script("");

    let runtime = whim_runtime::open(&config(&fixture, "docker"), WorkerListener::Network)
        .await
        .unwrap();

    assert_eq!(runtime.kind(), "docker");
    runtime.health().await.unwrap_err();
}

#[tokio::test]
async fn workers_are_processes_where_no_engine_answers() {
    let fixture = WorkerFixture::with_script("");

    let runtime = whim_runtime::open(&config(&fixture, "auto"), WorkerListener::Loopback)
        .await
        .unwrap();

    assert_eq!(runtime.kind(), "process");
}

//! Interrupted starts: the orchestrator is killed, or the engine is unavailable.

use serde_json::json;
use whim_testkit::engine::engine_host;
use whim_testkit::engine::relay::{EngineRelay, Fault, Rule};

use super::orchestrator::Orchestrator;
use crate::app::Services;

/// The requests of a start, in order. The credentials are sent between the last two.
const STEPS: [(&str, &str); 6] = [
    ("GET", "/networks/"),
    ("POST", "/networks/create"),
    ("POST", "/volumes/create"),
    ("POST", "/containers/create"),
    ("POST", "/attach?"),
    ("POST", "/start"),
];

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_kill_before_any_step_of_a_start_leads_to_one_attempt() {
    for (method, path) in STEPS {
        killed_at(Rule {
            method,
            path,
            fault: Fault::Held,
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_kill_after_any_step_of_a_start_leads_to_one_attempt() {
    for (method, path) in STEPS {
        killed_at(Rule {
            method,
            path,
            fault: Fault::ReplyHeld,
        })
        .await;
    }
}

/// Kills an orchestrator at this request, restarts it, and checks that its item has one attempt.
async fn killed_at(rule: Rule) {
    let engine = engine_host();
    let relay = EngineRelay::with(rule);
    let mut orchestrator = Orchestrator::start(&relay.host(), &engine, &[]).await;
    let item = orchestrator.submit().await;
    relay.reached().await;

    orchestrator.kill().await;
    orchestrator.start_again(&engine).await;

    let (worker, token) = orchestrator.running_worker(&item).await;
    orchestrator.register(&worker, &token).await;
    orchestrator.wait_until_only(Some(&worker)).await;
    let now = orchestrator.item(&item).await;
    assert_eq!(
        (&now["status"], &now["retries"]),
        (&json!("in_progress"), &json!(0)),
        "{rule:?}: {now}"
    );
    orchestrator.terminate().await;
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_whose_orchestrator_was_killed_right_after_its_start_is_adopted() {
    let engine = engine_host();
    let mut orchestrator = Orchestrator::start(&engine, &engine, &[]).await;
    let item = orchestrator.submit().await;
    let (worker, token) = orchestrator.running_worker(&item).await;

    orchestrator.kill().await;
    orchestrator.start_again(&engine).await;

    orchestrator.register(&worker, &token).await;
    orchestrator.wait_until_only(Some(&worker)).await;
    let now = orchestrator.item(&item).await;
    assert_eq!(
        (&now["workerId"], &now["leaseEpoch"]),
        (&json!(worker), &json!(1))
    );
    orchestrator.terminate().await;
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_whose_item_was_cancelled_while_its_orchestrator_was_dead_is_stopped() {
    let (engine, services) = (engine_host(), Services::new().await);
    let mut orchestrator = Orchestrator::beside(&services, &engine, &engine, &[]).await;
    let item = orchestrator.submit().await;
    let (worker, token) = orchestrator.running_worker(&item).await;
    orchestrator.kill().await;

    let other = Orchestrator::beside(&services, &engine, &engine, &[]).await;
    other.cancel(&item).await;
    assert_eq!(
        orchestrator.containers("running"),
        [worker.as_str()],
        "no other worker"
    );
    let body = json!({ "workerId": worker, "nonce": "a-nonce" });
    let (status, answer) = other.call(&token, "/api/worker/register", &body).await;
    assert_eq!(status, 409, "{answer}");
    orchestrator.start_again(&engine).await;

    orchestrator.wait_until_only(None).await;
    other.terminate().await;
    orchestrator.terminate().await;
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn an_item_waits_for_an_unavailable_engine_and_the_status_reports_it() {
    let engine = engine_host();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let host = format!("unix://{}", socket.display());
    let orchestrator = Orchestrator::start(&host, &engine, &[]).await;
    let item = orchestrator.submit().await;

    let waiting = orchestrator
        .wait_for_item(&item, "a start to fail", |item| {
            item["failureCause"] == "runtime_unavailable"
        })
        .await;
    assert_eq!(waiting["retries"], 0, "{waiting}");
    let status = orchestrator.status().await;
    assert_eq!(status["runtime"]["healthy"], false, "{status}");
    let unavailable = format!("the container engine does not answer at {host}");
    assert!(status["warnings"].to_string().contains(&unavailable), "{status}");

    std::os::unix::fs::symlink(engine.trim_start_matches("unix://"), &socket).unwrap();
    let (worker, token) = orchestrator.running_worker(&item).await;
    orchestrator.register(&worker, &token).await;
    let now = orchestrator.item(&item).await;
    assert_eq!(
        (&now["status"], &now["retries"]),
        (&json!("in_progress"), &json!(0))
    );
    orchestrator.terminate().await;
}

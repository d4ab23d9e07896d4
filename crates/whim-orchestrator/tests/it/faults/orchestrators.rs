//! Several orchestrators on one database, of which some are killed or paused.

use serde_json::json;
use whim_service::process::Signal;
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use super::fleet::{Fleet, SETTINGS, watch};
use crate::app::{PATIENCE, Services, TestApp};
use crate::operations::program::{Program, SLEEPS};
use crate::workers::{process_of, wait_until_gone};

const ITEMS: usize = 20;
const KILLS: usize = 6;

// docs/faults.md, row 36.
#[tokio::test]
async fn repeated_kills_of_one_of_two_orchestrators_exceed_no_slots_and_start_no_item_twice() {
    let services = Services::new().await;
    let start = || TestApp::beside(&services, &SETTINGS);
    let (mut killed, mut other) = tokio::join!(start(), start());
    let invariants = watch(&services).await;
    let mut fleet = Fleet::start([&killed, &other]);

    for _ in 0..KILLS {
        fleet.submit(ITEMS);
        fleet.wait_for_answers(ITEMS).await;
        let runtime = killed.runtime.clone();
        killed.kill().await;
        // Its workers continue with the other orchestrator.
        fleet.use_orchestrators([&other]);
        fleet.wait_for_answers(ITEMS / 2).await;
        killed = TestApp::on(&services, runtime, &SETTINGS).await;
        fleet.use_orchestrators([&other, &killed]);
        std::mem::swap(&mut killed, &mut other);
    }

    let database = services.database.connect().await.unwrap();
    fleet.wait_until_done(&database, KILLS * ITEMS).await;
    fleet.expect_no_defect();
    invariants.check().await.unwrap();
    wait_until("no worker to run any more", PATIENCE, async || {
        let running = [killed.runtime.running(), other.runtime.running()].concat();
        if running.is_empty() {
            Ok(())
        } else {
            Err(format!("{running:?}"))
        }
    })
    .await
    .unwrap();
    killed.stop().await;
    other.stop().await;
}

// docs/faults.md, row 37.
#[tokio::test]
async fn an_orchestrator_that_resumes_after_the_leases_expired_changes_no_item_of_another() {
    let services = Services::new().await;
    let (its_fixture, other_fixture) = (
        WorkerFixture::with_script(SLEEPS),
        WorkerFixture::with_script(SLEEPS),
    );
    let settings = [
        ("STALE_THRESHOLD", "3"),
        ("HEARTBEAT_INTERVAL_SECONDS", "0.5"),
        ("RETRY_DELAYS_SECONDS", "0.1"),
        ("MAX_WORKERS", "1"),
    ];
    let paused = Program::start_with(&services, &its_fixture, &settings).await;
    let invariants = watch(&services).await;
    let (item, worker, token, process) = paused.running_worker(&its_fixture).await;

    paused.signal(Signal::STOP);
    let other = Program::start_with(&services, &other_fixture, &settings).await;
    let taken = other
        .wait_for_item(&item, "the item to be claimed for another worker", |item| {
            item["workerId"].is_string() && item["workerId"] != worker.to_string()
        })
        .await;
    let next: whim_core::WorkerId = taken["workerId"].as_str().unwrap().parse().unwrap();
    let next_process = process_of(&other_fixture, &format!("worker-{next}")).await;
    let (status, answer) = other.register(&other_fixture, next).await;
    assert_eq!(status, 200, "{answer}");

    paused.signal(Signal::CONT);
    // It stops its own worker and no other.
    wait_until_gone("the worker of the paused orchestrator", process).await;
    let late = json!({ "seq": 9, "iteration": 3 });
    let (status, answer) = paused
        .call(&token, &format!("/api/worker/{worker}/heartbeat"), &late)
        .await;
    assert_eq!((status, &answer["code"]), (409, &json!("lease_lost")), "{answer}");
    let now = paused.get(&format!("/api/work/{item}")).await;
    assert_eq!(
        (&now["workerId"], &now["leaseEpoch"]),
        (&taken["workerId"], &taken["leaseEpoch"]),
        "{now:#}"
    );
    assert!(next_process.is_alive().unwrap());
    invariants.check().await.unwrap();
    // A stopped orchestrator leaves its workers running.
    other.post(&format!("/api/work/{item}/cancel"), &json!({})).await;
    wait_until_gone("the worker of the other orchestrator", next_process).await;
    assert!(paused.terminate().await.success());
    assert!(other.terminate().await.success());
}

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
    let (mut doomed, mut other) = tokio::join!(start(), start());
    let invariants = watch(&services).await;
    let mut fleet = Fleet::start([&doomed, &other]);

    for _ in 0..KILLS {
        fleet.submit(ITEMS);
        fleet.wait_for_answers(ITEMS).await;
        let runtime = doomed.runtime.clone();
        doomed.kill().await;
        // Its workers go on, at the one that is left.
        fleet.now_at([&other]);
        fleet.wait_for_answers(ITEMS / 2).await;
        doomed = TestApp::on(&services, runtime, &SETTINGS).await;
        fleet.now_at([&other, &doomed]);
        std::mem::swap(&mut doomed, &mut other);
    }

    let look = services.database.connect().await.unwrap();
    fleet.wait_until_done(&look, KILLS * ITEMS).await;
    fleet.expect_no_defect();
    invariants.check().await.unwrap();
    wait_until("nothing to run any more", PATIENCE, async || {
        let running = [doomed.runtime.running(), other.runtime.running()].concat();
        if running.is_empty() {
            Ok(())
        } else {
            Err(format!("{running:?}"))
        }
    })
    .await
    .unwrap();
    doomed.stop().await;
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
        ("RETRY_DELAYS", "0.1"),
        ("MAX_WORKERS", "1"),
    ];
    let paused = Program::start_with(&services, &its_fixture, &settings).await;
    let invariants = watch(&services).await;
    let (item, worker, token, process) = paused.running_worker(&its_fixture).await;

    paused.signal(Signal::STOP);
    let other = Program::start_with(&services, &other_fixture, &settings).await;
    let taken = other
        .wait_for_item(&item, "the item to be another worker's", |item| {
            item["workerId"].is_string() && item["workerId"] != worker.to_string()
        })
        .await;
    let next: whim_core::WorkerId = taken["workerId"].as_str().unwrap().parse().unwrap();
    let next_process = process_of(&other_fixture, &format!("worker-{next}")).await;
    let (status, answer) = other.register(&other_fixture, next).await;
    assert_eq!(status, 200, "{answer}");

    paused.signal(Signal::CONT);
    // It ends what is its own and leaves the rest alone.
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
    // An orchestrator that ends leaves its workers running.
    other.post(&format!("/api/work/{item}/cancel"), &json!({})).await;
    wait_until_gone("the other one's worker", next_process).await;
    assert!(paused.terminate().await.success());
    assert!(other.terminate().await.success());
}

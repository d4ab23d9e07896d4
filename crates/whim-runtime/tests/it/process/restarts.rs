//! Workers that end with their machine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;

use whim_core::{FailureCause, WorkerId};
use whim_runtime::{Exit, ExitKind};
use whim_service::process::Signal;
use whim_testkit::worker_fixture::WorkerFixture;

use super::world::{open, shim, start, wait_for_end};
use crate::worker::{process_of, wait_until_gone};

const SLEEPS: &str = r#"echo $$ > "$notes/worker"; exec sleep 1000"#;

const STOPPED_WITH_THE_MACHINE: Exit = Exit {
    how: ExitKind::RuntimeStopped,
    stopped: false,
};

/// Makes an attempt look like one of an earlier uptime of the machine.
fn move_to_an_earlier_uptime(fixture: &WorkerFixture, worker: WorkerId) {
    let path = fixture.attempt(worker).join("attempt.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["uptimeId"] = "e0f3a1f0-0000-4000-8000-000000000000/1".into();
    fs::write(&path, record.to_string()).unwrap();
}

#[tokio::test]
async fn an_attempt_from_before_a_restart_of_the_machine_was_stopped_by_the_runtime() {
    let fixture = WorkerFixture::with_script(SLEEPS);
    let before = open(&fixture, &[]);
    let worker = start(&before).await;
    let processes = [process_of(&fixture, "worker").await, shim(&fixture, worker)];
    drop(before);
    // A power failure: nothing is recorded.
    for process in processes.into_iter().rev() {
        process.signal(Signal::KILL).unwrap();
        wait_until_gone("a process of the attempt", process).await;
    }
    move_to_an_earlier_uptime(&fixture, worker);

    let runtime = open(&fixture, &[]);

    let exit = wait_for_end(&runtime, worker).await;
    assert_eq!(exit, STOPPED_WITH_THE_MACHINE);
    assert_eq!(exit.cause(), FailureCause::RuntimeUnavailable);
}

#[tokio::test]
async fn a_shutdown_that_signals_shim_and_worker_stops_the_attempt_without_blaming_the_worker() {
    let fixture = WorkerFixture::with_script(SLEEPS);
    let runtime = open(&fixture, &[]);
    for first_is_worker in [true, false] {
        let worker = start(&runtime).await;
        let mut processes = vec![process_of(&fixture, "worker").await, shim(&fixture, worker)];
        if !first_is_worker {
            processes.reverse();
        }

        for process in processes {
            process.signal(Signal::TERM).unwrap();
        }

        assert_eq!(wait_for_end(&runtime, worker).await, STOPPED_WITH_THE_MACHINE);
        fs::remove_file(fixture.path().join("notes/worker")).unwrap();
    }
}

#[tokio::test]
async fn a_worker_that_is_terminated_alone_is_not_taken_for_a_shutdown() {
    let fixture = WorkerFixture::with_script(SLEEPS);
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;

    process_of(&fixture, "worker").await.signal(Signal::TERM).unwrap();

    let exit = Exit {
        how: ExitKind::Signal(15),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
}

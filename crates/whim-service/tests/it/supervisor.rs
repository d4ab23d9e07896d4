use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc;
use tokio::time::Instant;
use whim_service::signal::{EndSignal, EndSignals};
use whim_service::supervisor::{Phase, StopReason, Supervisor};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn tasks_that_watch_their_token_stop_in_order_of_phase() {
    let supervisor = Supervisor::new();
    let (stopped, mut order) = mpsc::unbounded_channel();
    for phase in [Phase::Flush, Phase::Intake, Phase::Work] {
        let tasks = supervisor.phase(phase);
        let (token, stopped) = (tasks.token(), stopped.clone());
        tasks.critical("watches", async move {
            token.cancelled().await;
            // The next phase must not begin to stop before this one has.
            tokio::time::sleep(Duration::from_millis(100)).await;
            stopped.send(phase)?;
            Ok(())
        });
    }
    drop(stopped);

    let report = supervisor.stop(DEADLINE).await;

    report.into_result().unwrap();
    let mut seen = Vec::new();
    order.recv_many(&mut seen, 10).await;
    assert_eq!(seen, [Phase::Intake, Phase::Work, Phase::Flush]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_stop_is_aborted_after_the_deadline_and_named() {
    let supervisor = Supervisor::new();
    supervisor.critical("stubborn", pending());
    let token = supervisor.phase(Phase::Flush).token();
    supervisor.phase(Phase::Flush).critical("flush", async move {
        token.cancelled().await;
        Ok(())
    });
    let begin = Instant::now();

    let report = supervisor.stop(DEADLINE).await;

    assert_eq!(begin.elapsed(), DEADLINE);
    assert_eq!(report.unfinished, ["stubborn"]);
    let error = report.into_result().unwrap_err();
    assert_eq!(error.to_string(), "tasks were aborted: stubborn");
}

#[tokio::test]
async fn a_critical_task_that_fails_stops_the_process_with_its_reason() {
    let supervisor = Supervisor::new();
    supervisor.critical("listener", async { anyhow::bail!("the port is taken") });

    supervisor.stop_requested().await;
    let report = supervisor.stop(DEADLINE).await;

    let error = report.into_result().unwrap_err();
    assert_eq!(error.to_string(), "the task listener failed: the port is taken");
}

#[tokio::test]
async fn a_critical_task_that_ends_or_panics_stops_the_process_too() {
    let ended = Supervisor::new();
    ended.critical("loop", async { Ok(()) });
    ended.stop_requested().await;
    assert!(matches!(
        ended.stop(DEADLINE).await.reason,
        StopReason::TaskEnded { task: "loop" }
    ));

    let panicked = Supervisor::new();
    panicked.critical("loop", async { panic!("on purpose") });
    panicked.stop_requested().await;
    assert!(matches!(
        panicked.stop(DEADLINE).await.reason,
        StopReason::TaskPanicked { task: "loop" }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_best_effort_task_is_started_again_after_failures_and_panics() {
    let supervisor = Supervisor::new();
    let attempts = Arc::new(AtomicUsize::new(0));
    let (done, mut is_done) = mpsc::channel(1);
    let counted = Arc::clone(&attempts);
    supervisor.best_effort("flaky", move || {
        let attempt = counted.fetch_add(1, Ordering::SeqCst);
        let done = done.clone();
        async move {
            match attempt {
                0 => anyhow::bail!("first"),
                1 => panic!("second"),
                _ => Ok(done.send(()).await?),
            }
        }
    });

    is_done.recv().await.unwrap();
    let report = supervisor.stop(DEADLINE).await;

    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    report.into_result().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_best_effort_task_that_waits_to_start_again_does_not_delay_the_stop() {
    let supervisor = Supervisor::new();
    let (failed, mut has_failed) = mpsc::unbounded_channel();
    supervisor.best_effort("broken", move || {
        let failed = failed.clone();
        async move {
            failed.send(())?;
            anyhow::bail!("always")
        }
    });
    // Until the delays are long.
    for _ in 0..8 {
        has_failed.recv().await.unwrap();
    }
    let begin = Instant::now();
    supervisor.stop(DEADLINE).await.into_result().unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_first_reason_is_the_one_that_is_reported() {
    let supervisor = Supervisor::new();
    supervisor.request_stop(StopReason::Signal(EndSignal::Terminate));
    supervisor.critical("late", async { anyhow::bail!("while stopping") });
    let report = supervisor.stop(DEADLINE).await;
    assert!(
        matches!(report.reason, StopReason::Signal(EndSignal::Terminate)),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_task_started_after_the_stop_does_not_run() {
    let supervisor = Supervisor::new();
    supervisor.stop(DEADLINE).await;
    let (ran, mut has_run) = mpsc::channel::<()>(1);
    supervisor.critical("late", async move { Ok(ran.send(()).await?) });
    assert_eq!(has_run.recv().await, None);
}

#[tokio::test]
async fn a_signal_stops_the_process_and_a_second_one_does_not_wait_for_its_tasks() {
    let supervisor = Supervisor::new();
    let signals = EndSignals::listen().unwrap();
    let (begun, mut has_begun) = mpsc::channel(1);
    let token = supervisor.token();
    supervisor.critical("stubborn", async move {
        token.cancelled().await;
        begun.send(()).await?;
        pending().await
    });

    kill_process(getpid(), Signal::TERM).unwrap();
    let (report, ()) = tokio::join!(supervisor.run(signals, Duration::from_secs(3600)), async {
        has_begun.recv().await.unwrap();
        kill_process(getpid(), Signal::INT).unwrap();
    });

    assert!(
        matches!(report.reason, StopReason::Signal(EndSignal::Terminate)),
        "{report:?}"
    );
    assert_eq!(report.unfinished, ["stubborn"]);
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use whim_service::reconcile::{Activator, Outcome, Reconciler, Reconcilers, Statuses, Trigger};
use whim_service::supervisor::{Phase, Supervisor};

const PERIOD: Duration = Duration::from_secs(60);

/// Counts its runs; each takes a permit to end.
struct Gated {
    runs: watch::Sender<usize>,
    running: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Reconciler for Gated {
    type Report = usize;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<usize> {
        assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "two runs at once");
        self.runs.send_modify(|runs| *runs += 1);
        self.gate.acquire().await?.forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
        let runs = *self.runs.borrow();
        anyhow::ensure!(runs != 2, "the second run fails");
        assert!(runs != 3, "the third run panics");
        Ok(runs)
    }
}

struct World {
    supervisor: Supervisor,
    statuses: Statuses,
    activator: Activator,
    runs: watch::Receiver<usize>,
    gate: Arc<Semaphore>,
}

fn start() -> World {
    let supervisor = Supervisor::new();
    let reconcilers = Reconcilers::new(supervisor.phase(Phase::Work).clone());
    let (runs, observed_runs) = watch::channel(0);
    let gate = Arc::new(Semaphore::new(0));
    let activator = Activator::new();
    let reconciler = Gated {
        runs,
        running: Arc::default(),
        gate: Arc::clone(&gate),
    };
    reconcilers.start("gated", None, PERIOD, &activator, reconciler);
    World {
        supervisor,
        statuses: reconcilers.statuses(),
        activator,
        runs: observed_runs,
        gate,
    }
}

impl World {
    async fn begun(&mut self, run: usize) {
        self.runs.wait_for(|runs| *runs == run).await.unwrap();
    }

    async fn ended(&self, run: u64) {
        self.statuses
            .wait_until(|statuses| statuses["gated"].runs == run && statuses["gated"].running.is_none())
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_run_is_at_once_and_the_next_after_the_period() {
    let mut world = start();
    let begin = Instant::now();
    world.gate.add_permits(2);

    world.begun(1).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    world.begun(2).await;
    assert_eq!(begin.elapsed(), PERIOD);
}

#[tokio::test(start_paused = true)]
async fn an_activation_starts_a_run_before_the_period_ends() {
    let mut world = start();
    let begin = Instant::now();
    world.gate.add_permits(2);
    world.ended(1).await;

    world.activator.activate();
    world.begun(2).await;
    world.ended(2).await;

    assert!(begin.elapsed() < PERIOD);
    assert_eq!(
        world.statuses.snapshot()["gated"].last.as_ref().unwrap().trigger,
        Trigger::Activated
    );
}

#[tokio::test(start_paused = true)]
async fn activations_during_a_run_lead_to_exactly_one_more_and_never_to_two_at_once() {
    let mut world = start();
    let begin = Instant::now();
    world.begun(1).await;
    for _ in 0..10 {
        world.activator.activate();
    }
    world.gate.add_permits(1);
    world.begun(2).await;
    world.gate.add_permits(1);
    world.ended(2).await;
    assert!(begin.elapsed() < PERIOD);

    world.begun(3).await;
    assert_eq!(begin.elapsed(), PERIOD, "a third run before its time");
}

#[tokio::test(start_paused = true)]
async fn an_activation_before_the_task_exists_is_not_lost() {
    let supervisor = Supervisor::new();
    let reconcilers = Reconcilers::new(supervisor.phase(Phase::Work).clone());
    let (runs, mut observed) = watch::channel(0);
    let activator = Activator::new();
    activator.clone().activate();
    let gate = Arc::new(Semaphore::new(10));
    let begin = Instant::now();

    reconcilers.start(
        "gated",
        None,
        PERIOD,
        &activator,
        Gated {
            runs,
            running: Arc::default(),
            gate,
        },
    );

    observed.wait_for(|runs| *runs == 2).await.unwrap();
    assert!(begin.elapsed() < PERIOD);
}

#[tokio::test(start_paused = true)]
async fn a_late_run_is_not_followed_by_a_burst() {
    let mut world = start();
    world.begun(1).await;
    tokio::time::advance(PERIOD * 10).await;
    world.gate.add_permits(2);
    world.begun(2).await;
    world.ended(2).await;
    let second_ended = Instant::now();

    world.begun(3).await;

    assert_eq!(second_ended.elapsed(), PERIOD);
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_shown_with_its_cause_and_the_next_one_comes() {
    let mut world = start();
    world.gate.add_permits(2);
    world.begun(2).await;
    world.ended(2).await;

    let status = world.statuses.snapshot()["gated"].clone();
    assert_eq!(status.failures_in_a_row, 1);
    let failed = Outcome::Failed {
        error: "the second run fails".to_owned(),
    };
    assert_eq!(status.last.unwrap().outcome, failed);
    world.begun(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_panicking_run_does_not_end_the_reconciler() {
    let mut world = start();
    world.gate.add_permits(10);
    world.begun(3).await;
    // The counter of running ones is reset before the panic; the fourth run shows that it was restarted.
    world.begun(4).await;
    assert!(!world.supervisor.token().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_run_end_and_begins_no_other() {
    let mut world = start();
    world.begun(1).await;
    world.activator.activate();
    let (report, ()) = tokio::join!(world.supervisor.stop(PERIOD), async {
        world.supervisor.token().cancelled().await;
        world.gate.add_permits(10);
    });

    assert!(report.unfinished.is_empty(), "{report:?}");
    let status = world.statuses.snapshot()["gated"].clone();
    assert_eq!((status.runs, status.running.is_none()), (1, true));
}

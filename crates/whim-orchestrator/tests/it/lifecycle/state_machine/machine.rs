//! Applies steps to the model and to the orchestrator, and compares the results.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chrono::NaiveDate;
use proptest::test_runner::TestCaseError;
use serde_json::json;
use whim_core::{FailureCause, WorkItemId, WorkItemStatus, WorkerId, WorkerStatus};
use whim_orchestrator::db::budget;
use whim_orchestrator::dispatch::{self, ClaimOutcome};
use whim_orchestrator::reconcile::{Clocks, ExpiredLeases, Retries, SuspendDetector};
use whim_service::reconcile::Reconciler as _;
use whim_testkit::invariants::{Invariants, Limits};

use super::model::{Claimed, DAILY_BUDGET, Item, MAX_ITERATIONS, MAX_WORKERS, Model, RETRIES, Report};
use super::{Pick, Step};
use crate::world::{Answer, TestWorker, World, complete, id_of};

/// Longer than a case: a backoff ends only by a step.
const RETRY_DELAY: &str = "3600";

const LIVE: [WorkerStatus; 2] = [WorkerStatus::Starting, WorkerStatus::Running];

/// The model and the orchestrator.
pub(super) struct Machine {
    world: World,
    invariants: Invariants,
    model: Model,
    items: Vec<WorkItemId>,
    workers: Vec<TestWorker>,
}

type Outcome = Result<(), TestCaseError>;

impl Machine {
    pub(super) async fn new() -> Self {
        let world = World::with(&[
            ("MAX_WORKERS", &MAX_WORKERS.to_string()),
            ("DAILY_BUDGET", &DAILY_BUDGET.to_string()),
            ("MAX_ITERATIONS", &MAX_ITERATIONS.to_string()),
            ("RETRY_DELAYS_SECONDS", &[RETRY_DELAY; RETRIES].join(",")),
        ])
        .await;
        let limits = Limits {
            max_workers: u32::try_from(MAX_WORKERS).unwrap(),
            daily_budget: DAILY_BUDGET,
        };
        let invariants = Invariants::watch(world.database_url(), limits).await.unwrap();
        Self {
            world,
            invariants,
            model: Model::default(),
            items: Vec::new(),
            workers: Vec::new(),
        }
    }

    /// Runs one case, on an empty database.
    pub(super) async fn run(&mut self, steps: &[Step]) -> Outcome {
        self.begin().await;
        let day = self.today().await.day;
        for (number, step) in steps.iter().enumerate() {
            if let Err(error) = self.step(step).await {
                if self.today().await.day != day {
                    return Err(TestCaseError::reject("the day of the budget changed"));
                }
                let (items, workers) = (&self.model.items, &self.model.workers);
                return Err(TestCaseError::fail(format!(
                    "after step {number}, {step:?}: {error}\n{items:#?}\n{workers:#?}"
                )));
            }
        }
        let invariants = self.invariants.check().await;
        invariants.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    }

    async fn begin(&mut self) {
        sqlx::query("truncate work_items cascade")
            .execute(&self.world.pool)
            .await
            .unwrap();
        self.invariants.forget().await.unwrap();
        self.model = Model::default();
        self.items.clear();
        self.workers.clear();
    }

    async fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Enqueue(priority) => {
                self.model.enqueue(*priority);
                let body =
                    json!({ "repo": "octocat/hello", "spec": crate::world::SPEC, "priority": priority });
                let answer = self.world.post("/api/work", &body).await;
                self.items.push(id_of(&answer.expect(201)));
            }
            Step::Claim => {
                self.claim().await?;
            }
            Step::FailedStarts(times) => {
                for _ in 0..*times {
                    if let Claimed::Item { .. } = self.claim().await? {
                        let worker = self.workers.len() - 1;
                        self.model.expire(worker);
                        self.expire(self.workers[worker].id).await;
                        self.compare().await?;
                    }
                    self.model.release_due_retries();
                    self.release_due_retries().await;
                }
            }
            Step::Register(worker) => {
                let Some(worker) = self.worker(worker, &[WorkerStatus::Starting]) else {
                    return Ok(());
                };
                let expected = self.model.register(worker);
                expect(
                    expected,
                    &self.world.register(&self.workers[worker], "nonce").await,
                )?;
            }
            Step::HeartbeatRow {
                worker,
                iteration,
                again,
            } => {
                let Some(worker) = self.worker(worker, &[WorkerStatus::Running]) else {
                    return Ok(());
                };
                self.heartbeat(worker, *iteration, false).await?;
                if let Some(iteration) = again {
                    self.compare().await?;
                    self.heartbeat(worker, *iteration, true).await?;
                }
            }
            Step::Report {
                worker,
                report,
                cause,
                iterations,
            } => {
                let Some(worker) = self.worker(worker, &[WorkerStatus::Running]) else {
                    return Ok(());
                };
                self.report(worker, *report, *cause, *iterations).await?;
            }
            Step::Expire(worker) => {
                let Some(worker) = self.worker(worker, &LIVE) else {
                    return Ok(());
                };
                self.model.expire(worker);
                self.expire(self.workers[worker].id).await;
            }
            Step::Kill(worker) => {
                let Some(worker) = self.worker(worker, &LIVE) else {
                    return Ok(());
                };
                let expected = self.model.kill(worker);
                let path = format!("/api/workers/{}/kill", self.workers[worker].id);
                expect(expected, &self.world.post(&path, &json!({})).await)?;
            }
            Step::Cancel(item) => {
                let Some(item) = self.item(item, |item| !item.status.is_terminal()) else {
                    return Ok(());
                };
                let expected = self.model.cancel(item);
                let path = format!("/api/work/{}/cancel", self.items[item]);
                expect(expected, &self.world.post(&path, &json!({})).await)?;
            }
            Step::Requeue(item) => {
                let Some(item) = self.item(item, |item| item.status.is_terminal()) else {
                    return Ok(());
                };
                let expected = self.model.requeue(item);
                let path = format!("/api/work/{}/requeue", self.items[item]);
                expect(expected, &self.world.post(&path, &json!({})).await)?;
            }
            Step::EndWaits => {
                self.model.release_due_retries();
                self.release_due_retries().await;
            }
            Step::Restart => self.world.restart(),
        }
        self.compare().await
    }

    fn worker(&self, pick: &Pick, fits: &[WorkerStatus]) -> Option<usize> {
        let status = |worker: usize| self.model.workers[worker].status;
        picked(pick, self.workers.len(), |worker| fits.contains(&status(worker)))
    }

    fn item(&self, pick: &Pick, fits: impl Fn(&Item) -> bool) -> Option<usize> {
        picked(pick, self.items.len(), |item| fits(&self.model.items[item]))
    }

    async fn claim(&mut self) -> Result<Claimed, TestCaseError> {
        let expected = self.model.claim();
        // Breakers are tested separately.
        sqlx::query("delete from breakers")
            .execute(&self.world.pool)
            .await
            .unwrap();
        let worker = WorkerId::new();
        let claimed = match dispatch::claim(&self.world.app, worker).await.unwrap() {
            ClaimOutcome::Claimed(claim) => {
                let item = self.items.iter().position(|item| *item == claim.item.id).unwrap();
                self.workers.push(TestWorker {
                    id: worker,
                    item: claim.item.id,
                    epoch: claim.item.lease_epoch,
                    token: claim.token.reveal().to_owned(),
                });
                let max_iterations: i32 =
                    sqlx::query_scalar("select max_iterations from workers where id = $1")
                        .bind(worker)
                        .fetch_one(&self.world.pool)
                        .await
                        .unwrap();
                let max_iterations = max_iterations.cast_unsigned();
                Claimed::Item { item, max_iterations }
            }
            ClaimOutcome::NoItem => Claimed::Nothing,
            ClaimOutcome::Blocked(_) => Claimed::Refused,
        };
        same("the claim", &claimed, &expected)?;
        Ok(claimed)
    }

    async fn heartbeat(&mut self, worker: usize, iteration: u32, again: bool) -> Outcome {
        let expected = self.model.heartbeat(worker, iteration, again);
        let body = json!({ "seq": self.model.workers[worker].heartbeats, "iteration": iteration });
        let answer = self.world.call(&self.workers[worker], "heartbeat", &body).await;
        expect(expected, &answer)
    }

    async fn report(
        &mut self,
        worker: usize,
        report: Report,
        cause: FailureCause,
        iterations: u32,
    ) -> Outcome {
        let expected = self.model.report(worker, report, cause, iterations);
        let (route, mut body) = match report {
            Report::Complete => ("complete", complete()),
            Report::Fail => ("fail", json!({ "cause": cause, "reason": "it broke" })),
            Report::Stuck => ("stuck", json!({ "reason": "no progress" })),
        };
        // Each attempt has its own pull request, so that the rows show which one won.
        body["iterations"] = iterations.into();
        if report == Report::Complete {
            let number = worker + 1;
            body["prNumber"] = number.into();
            body["prUrl"] = format!("https://github.com/octocat/hello/pull/{number}").into();
        }
        expect(
            expected,
            &self.world.call(&self.workers[worker], route, &body).await,
        )
    }

    /// The lease of a worker expires, and the reconciler runs.
    async fn expire(&self, worker: WorkerId) {
        sqlx::query(
            "update worker_heartbeats set lease_expires_at = now() - interval '1 second' where worker_id = $1",
        )
        .bind(worker)
        .execute(&self.world.pool)
        .await
        .unwrap();
        ExpiredLeases::new(&self.world.app, SuspendDetector::new(Clocks::now))
            .reconcile()
            .await
            .unwrap();
    }

    async fn release_due_retries(&self) {
        sqlx::query("update work_items set next_retry_at = now() where next_retry_at is not null")
            .execute(&self.world.pool)
            .await
            .unwrap();
        Retries(self.world.app.clone()).reconcile().await.unwrap();
    }

    async fn today(&self) -> Today {
        let usage = budget::today(&self.world.pool).await.unwrap();
        Today {
            day: usage.day,
            used: usage.used,
            reserved: usage.reserved,
        }
    }

    /// Compares the rows with the model.
    async fn compare(&self) -> Outcome {
        type ItemRow = (
            WorkItemId,
            WorkItemStatus,
            i32,
            i64,
            i32,
            i32,
            Option<WorkerId>,
            bool,
        );
        let rows: Vec<ItemRow> = sqlx::query_as(
            "select id, status, run, lease_epoch, retries, failed_starts, worker_id, next_retry_at is not null
             from work_items order by id",
        )
        .fetch_all(&self.world.pool)
        .await
        .unwrap();
        let expected = self.model.items.iter().enumerate().map(|(number, item)| {
            let worker = item.worker.map(|worker| self.workers[worker].id);
            (
                self.items[number],
                item.status,
                item.run,
                item.epoch,
                item.retries,
                item.failed_starts.cast_signed(),
                worker,
                item.waits,
            )
        });
        let mut expected: Vec<ItemRow> = expected.collect();
        expected.sort_by_key(|row| row.0);
        same("the items", &rows, &expected)?;

        type WorkerRow = (WorkerId, WorkItemId, i64, WorkerStatus, i64, i32);
        let rows: Vec<WorkerRow> = sqlx::query_as(
            "select id, work_item_id, lease_epoch, status,
                    (select count(*) from worker_iterations n where n.worker_id = w.id), b.iteration
             from workers w join worker_heartbeats b on b.worker_id = w.id order by id",
        )
        .fetch_all(&self.world.pool)
        .await
        .unwrap();
        let expected = self.model.workers.iter().enumerate().map(|(number, worker)| {
            let (id, item) = (self.workers[number].id, self.items[worker.item]);
            (
                id,
                item,
                worker.epoch,
                worker.status,
                i64::from(worker.used),
                worker.used.cast_signed(),
            )
        });
        let mut expected: Vec<WorkerRow> = expected.collect();
        expected.sort_by_key(|row| row.0);
        same("the workers", &rows, &expected)?;

        let Today { used, reserved, .. } = self.today().await;
        let expected = (self.model.used(), self.model.reserved());
        same("used and reserved today", &(used, reserved), &expected)
    }
}

struct Today {
    day: NaiveDate,
    used: u32,
    reserved: u32,
}

/// One of `size`; `None` when there is none.
fn picked(pick: &Pick, size: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let all: Vec<usize> = (0..size).collect();
    let fitting: Vec<usize> = all.iter().copied().filter(|number| fits(*number)).collect();
    let from = if pick.fits && !fitting.is_empty() {
        fitting
    } else {
        all
    };
    (!from.is_empty()).then(|| from[pick.index.index(from.len())])
}

fn expect(accepted: bool, answer: &Answer) -> Outcome {
    let expected = if accepted { 200 } else { 409 };
    if answer.status == expected {
        Ok(())
    } else {
        Err(TestCaseError::fail(format!(
            "expected {expected}, got {}: {:#}",
            answer.status, answer.body
        )))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, real: &T, expected: &T) -> Outcome {
    if real == expected {
        Ok(())
    } else {
        Err(TestCaseError::fail(format!(
            "{what} are {real:#?}\nbut the model has {expected:#?}"
        )))
    }
}

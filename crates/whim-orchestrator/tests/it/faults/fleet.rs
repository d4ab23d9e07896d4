//! A load of items with short-lived workers. Like real clients, they retry each call on any of the orchestrators until
//! it is answered.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use whim_core::WorkerId;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_orchestrator::listeners::Addresses;
use whim_testkit::invariants::{Invariants, Limits};
use whim_testkit::wait::wait_until;

use crate::app::{FakeRuntime, Services, TestApp};

pub(super) const MAX_WORKERS: u32 = 6;
pub(super) const DAILY_BUDGET: u32 = 100_000;

/// Timeout until all items are completed after a fault. Long, because the machine may be busy.
pub(super) const SETTLING: Duration = Duration::from_secs(90);

/// Short backoff, more retries than a fault can spend, and a breaker threshold that crashes do not reach.
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("BREAKER_THRESHOLD", "1000"),
    ("MAX_WORKERS", "6"),
    ("DAILY_BUDGET", "100000"),
    (
        "RETRY_DELAYS_SECONDS",
        "0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1",
    ),
];

/// Delay between two tries of a call.
const PAUSE: Duration = Duration::from_millis(50);
/// Timeout of one call.
const CALL: Duration = Duration::from_secs(10);

pub(super) async fn watch(services: &Services) -> Invariants {
    let limits = Limits {
        max_workers: MAX_WORKERS,
        daily_budget: DAILY_BUDGET,
    };
    Invariants::watch(services.database.url(), limits).await.unwrap()
}

/// The addresses and the runtime of an orchestrator.
#[derive(Clone, Debug)]
struct Endpoint {
    addresses: Addresses,
    runtime: FakeRuntime,
}

/// The load; ends on drop.
pub(super) struct Fleet {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    endpoints: RwLock<Vec<Endpoint>>,
    http: Client,
    answered: AtomicUsize,
    unanswered: AtomicUsize,
    /// Responses that no fault explains.
    defects: RwLock<Vec<String>>,
    accepted: RwLock<BTreeSet<String>>,
}

impl Fleet {
    /// Runs the workers of these orchestrators; submits nothing yet.
    pub(super) fn start<'a>(apps: impl IntoIterator<Item = &'a TestApp>) -> Self {
        let shared = Arc::new(Shared {
            endpoints: RwLock::default(),
            http: Client::builder().timeout(CALL).build().unwrap(),
            answered: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            defects: RwLock::default(),
            accepted: RwLock::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).run_workers());
        let fleet = Self { shared, tasks };
        fleet.use_orchestrators(apps);
        fleet
    }

    /// Replaces the list of orchestrators.
    pub(super) fn use_orchestrators<'a>(&self, apps: impl IntoIterator<Item = &'a TestApp>) {
        let endpoint = |app: &TestApp| Endpoint {
            addresses: app.addresses.clone(),
            runtime: app.runtime.clone(),
        };
        *write(&self.shared.endpoints) = apps.into_iter().map(endpoint).collect();
    }

    /// Submits this many items one after the other, in the background.
    pub(super) fn submit(&mut self, items: usize) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            for _ in 0..items {
                shared.submit_one().await;
            }
        });
    }

    /// The number of accepted items.
    pub(super) fn accepted(&self) -> usize {
        read(&self.shared.accepted).len()
    }

    /// Waits until at least `items` items were accepted and all accepted items are completed.
    pub(super) async fn wait_until_done(&self, database: &sqlx::PgPool, items: usize) {
        wait_until("every item to complete", SETTLING, async || {
            let accepted = self.accepted();
            let open: Vec<String> = sqlx::query_scalar(
                "select format('%s is %s after %s retries: %s', id, status, retries, error)
                 from work_items join work_item_texts on work_item_id = id where status <> 'completed'",
            )
            .fetch_all(database)
            .await
            .map_err(|error| error.to_string())?;
            if accepted >= items && open.is_empty() {
                Ok(())
            } else {
                Err(format!(
                    "{accepted} of {items} accepted, not completed: {open:#?}"
                ))
            }
        })
        .await
        .unwrap();
        let completed: i64 = sqlx::query_scalar("select count(*) from work_items")
            .fetch_one(database)
            .await
            .unwrap();
        assert_eq!(
            usize::try_from(completed).unwrap(),
            self.accepted(),
            "each accepted item is stored once"
        );
    }

    /// Waits until `more` further calls were answered.
    pub(super) async fn wait_for_answers(&self, more: usize) {
        let enough = self.shared.answered.load(Ordering::Relaxed) + more;
        wait_until("more answers", SETTLING, async || {
            let answered = self.shared.answered.load(Ordering::Relaxed);
            if answered >= enough {
                Ok(())
            } else {
                Err(format!("{answered} of {enough}"))
            }
        })
        .await
        .unwrap();
    }

    /// Sets the counters of calls to zero.
    pub(super) fn reset_counters(&self) {
        self.shared.answered.store(0, Ordering::Relaxed);
        self.shared.unanswered.store(0, Ordering::Relaxed);
    }

    /// The share of answered calls, and the number of calls.
    pub(super) fn answered(&self) -> (f64, usize) {
        let answered = self.shared.answered.load(Ordering::Relaxed);
        let calls = answered + self.shared.unanswered.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let share = answered as f64 / calls.max(1) as f64;
        (share, calls)
    }

    /// Panics if a response cannot be explained by a fault.
    pub(super) fn expect_no_defect(&self) {
        assert_eq!(*read(&self.shared.defects), [] as [String; 0]);
    }
}

impl Shared {
    async fn submit_one(&self) {
        let reference = uuid::Uuid::new_v4().to_string();
        let body = json!({
            "repo": "octocat/hello-world", "source": "github", "sourceRef": reference,
            "spec": "# Say hello\n\n- [ ] Greet the world\n",
        });
        let item = self
            .call_until_answered(|endpoint| {
                let url = endpoint.addresses.api.join("/api/work").unwrap();
                self.http.post(url).json(&body)
            })
            .await
            .expect("a submission is never refused");
        write(&self.accepted).insert(item["id"].as_str().unwrap().to_owned());
    }

    async fn run_workers(self: Arc<Self>) {
        let mut started = BTreeSet::new();
        let mut runs = JoinSet::new();
        loop {
            let endpoints = read(&self.endpoints).clone();
            for endpoint in endpoints {
                for worker in endpoint.runtime.running() {
                    if started.insert(worker) {
                        let (shared, runtime) = (Arc::clone(&self), endpoint.runtime.clone());
                        runs.spawn(async move { shared.run_worker(worker, &runtime).await });
                    }
                }
            }
            while let Some(ended) = runs.try_join_next() {
                ended.unwrap();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes the calls of one worker. Its process exits after the response to the last one, or when it lost its lease.
    async fn run_worker(&self, worker: WorkerId, runtime: &FakeRuntime) {
        let token = runtime.token(worker);
        let complete = json!({
            "prUrl": format!("https://github.com/octocat/hello-world/pull/{worker}"), "prNumber": 1,
            "headSha": "1111111111111111111111111111111111111111", "iterations": 2,
            "spec": "# Say hello\n\n- [x] Greet the world\n",
        });
        let calls = [
            (
                "register".to_owned(),
                json!({ "workerId": worker, "nonce": "a-nonce" }),
            ),
            (format!("{worker}/heartbeat"), json!({ "seq": 1, "iteration": 1 })),
            (format!("{worker}/heartbeat"), json!({ "seq": 2, "iteration": 2 })),
            (format!("{worker}/complete"), complete),
        ];
        let mut code = 0;
        for (route, body) in calls {
            let answer = self
                .call_until_answered(|endpoint| {
                    let url = endpoint
                        .addresses
                        .worker_api
                        .join(&format!("/api/worker/{route}"))
                        .unwrap();
                    let request = self.http.post(url).bearer_auth(&token);
                    request
                        .header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION)
                        .json(&body)
                })
                .await;
            if answer.is_none() {
                code = 4;
                break;
            }
        }
        if runtime.running().contains(&worker) {
            runtime.exit(worker, code);
        }
    }

    /// Repeats a request until it is answered; `None` if it is refused with 409.
    async fn call_until_answered(&self, request: impl Fn(&Endpoint) -> RequestBuilder) -> Option<Value> {
        for turn in 0.. {
            let endpoints = read(&self.endpoints).clone();
            if !endpoints.is_empty() {
                let response = request(&endpoints[turn % endpoints.len()]);
                if let Ok(answer) = response.send().await {
                    let status = answer.status();
                    match (status, answer.json().await) {
                        (status, Ok(body)) if status.is_success() => {
                            self.answered.fetch_add(1, Ordering::Relaxed);
                            return Some(body);
                        }
                        (StatusCode::CONFLICT, Ok(_)) => {
                            self.answered.fetch_add(1, Ordering::Relaxed);
                            return None;
                        }
                        (StatusCode::SERVICE_UNAVAILABLE, _) | (_, Err(_)) => {}
                        (status, Ok(body)) => write(&self.defects).push(format!("{status}: {body}")),
                    }
                }
            }
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

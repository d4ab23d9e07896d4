//! A load of items and quickly living workers. Whoever calls does so like the real ones: again until it is answered,
//! at whichever orchestrator answers.

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

/// Long: everything settles only after what broke is whole again, on a machine that may be busy.
pub(super) const SETTLING: Duration = Duration::from_secs(90);

/// Quick retries, more of them than a fault can cost an item, and no breaker: what dies here is nobody's crash loop.
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("BREAKER_THRESHOLD", "1000"),
    ("MAX_WORKERS", "6"),
    ("DAILY_BUDGET", "100000"),
    (
        "RETRY_DELAYS_SECONDS",
        "0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1",
    ),
];

/// Between two tries of a call.
const PAUSE: Duration = Duration::from_millis(50);
/// For one call, so that a line that is dead ends it.
const CALL: Duration = Duration::from_secs(10);

/// Watches the database of these services.
pub(super) async fn watch(services: &Services) -> Invariants {
    let limits = Limits {
        max_workers: MAX_WORKERS,
        daily_budget: DAILY_BUDGET,
    };
    Invariants::watch(services.database.url(), limits).await.unwrap()
}

/// An orchestrator as its callers and its workers know it.
#[derive(Clone, Debug)]
struct Endpoint {
    addresses: Addresses,
    runtime: FakeRuntime,
}

/// The load. Dropped, it ends.
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
    /// Answers that are a defect, whatever is away.
    defects: RwLock<Vec<String>>,
    accepted: RwLock<BTreeSet<String>>,
}

impl Fleet {
    /// Lets the workers of these orchestrators live, and nothing else yet.
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
        tasks.spawn(Arc::clone(&shared).let_workers_live());
        let fleet = Self { shared, tasks };
        fleet.now_at(apps);
        fleet
    }

    /// The orchestrators are these from now on.
    pub(super) fn now_at<'a>(&self, apps: impl IntoIterator<Item = &'a TestApp>) {
        let endpoint = |app: &TestApp| Endpoint {
            addresses: app.addresses.clone(),
            runtime: app.runtime.clone(),
        };
        *write(&self.shared.endpoints) = apps.into_iter().map(endpoint).collect();
    }

    /// Submits so many more items, one after the other, in the background.
    pub(super) fn submit(&mut self, items: usize) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            for _ in 0..items {
                shared.submit_one().await;
            }
        });
    }

    /// How many items have been accepted.
    pub(super) fn accepted(&self) -> usize {
        read(&self.shared.accepted).len()
    }

    /// Waits until so many items have been accepted, and all that were have completed.
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
            "what was accepted is there, once"
        );
    }

    /// Waits until so many more calls were answered.
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

    /// Begins to count calls anew.
    pub(super) fn count_anew(&self) {
        self.shared.answered.store(0, Ordering::Relaxed);
        self.shared.unanswered.store(0, Ordering::Relaxed);
    }

    /// The share of calls that were answered, and how many calls there were.
    pub(super) fn answered(&self) -> (f64, usize) {
        let answered = self.shared.answered.load(Ordering::Relaxed);
        let calls = answered + self.shared.unanswered.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let share = answered as f64 / calls.max(1) as f64;
        (share, calls)
    }

    /// Nothing was answered with what is a defect.
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
            .insist(|endpoint| {
                let url = endpoint.addresses.api.join("/api/work").unwrap();
                self.http.post(url).json(&body)
            })
            .await
            .expect("a submission is never refused");
        write(&self.accepted).insert(item["id"].as_str().unwrap().to_owned());
    }

    async fn let_workers_live(self: Arc<Self>) {
        let mut known = BTreeSet::new();
        let mut lives = JoinSet::new();
        loop {
            let endpoints = read(&self.endpoints).clone();
            for endpoint in endpoints {
                for worker in endpoint.runtime.running() {
                    if known.insert(worker) {
                        let (shared, runtime) = (Arc::clone(&self), endpoint.runtime.clone());
                        lives.spawn(async move { shared.live(worker, &runtime).await });
                    }
                }
            }
            while let Some(ended) = lives.try_join_next() {
                ended.unwrap();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The life of one worker: its process ends after its last word was answered, or when its item was taken away.
    async fn live(&self, worker: WorkerId, runtime: &FakeRuntime) {
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
                .insist(|endpoint| {
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

    /// Asks again until somebody answers; `None` is a refusal for good.
    async fn insist(&self, request: impl Fn(&Endpoint) -> RequestBuilder) -> Option<Value> {
        for turn in 0.. {
            let endpoints = read(&self.endpoints).clone();
            if !endpoints.is_empty() {
                let asked = request(&endpoints[turn % endpoints.len()]);
                if let Ok(answer) = asked.send().await {
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

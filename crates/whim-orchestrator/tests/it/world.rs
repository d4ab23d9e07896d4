//! The orchestrator's routers with Postgres and Redis, without background tasks. The test makes all claims, starts and
//! stops.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use sqlx::PgPool;
use tower::ServiceExt as _;
use url::Url;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_core::{LeaseEpoch, TokenHash, WorkItemId, WorkerId, WorkerToken};
use whim_orchestrator::app::App;
use whim_orchestrator::config::Config;
use whim_orchestrator::db::work_items::{self, GatewayTokenHashes, NewWorker};
use whim_orchestrator::http::{api_router, worker_router};
use whim_orchestrator::listeners::Addresses;
use whim_orchestrator::migrate::migrate;
use whim_orchestrator::serve;
use whim_runtime::{Attempt, Cleaned, LogStream, Runtime, RuntimeError, RuntimeHandle, WorkerSpec};
use whim_service::environment::{Configured, Environment};
use whim_service::reconcile::Statuses;
use whim_testkit::postgres::{Postgres, TestDatabase};
use whim_testkit::redis::TestRedis;
use whim_testkit::wait::wait_until;

use crate::app::PATIENCE;
use crate::document::assert_documented;

/// A checklist that follows all conventions.
pub(crate) const SPEC: &str =
    "# Add a greeting\n\n## Tasks\n\n- [ ] Greet the world\n- [ ] Greet a person by name\n";
/// [`SPEC`] with the first task ticked.
pub(crate) const SPEC_HALF_DONE: &str =
    "# Add a greeting\n\n## Tasks\n\n- [x] Greet the world\n- [ ] Greet a person by name\n";
/// [`SPEC`] with all tasks ticked.
pub(crate) const SPEC_DONE: &str =
    "# Add a greeting\n\n## Tasks\n\n- [x] Greet the world\n- [x] Greet a person by name\n";
pub(crate) const HEAD: &str = "1111111111111111111111111111111111111111";

const MAX_ITERATIONS: u32 = 10;

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) pool: PgPool,
    pub(crate) redis: TestRedis,
    api: Router,
    worker_api: Router,
    // Dropped after the pools, which use it.
    database: TestDatabase,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body; panics on another status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The `code` of the error; panics on another status.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16) -> String {
        let body = self.expect(status);
        assert!(
            body["error"].as_str().is_some_and(|text| !text.is_empty()),
            "{body:#}"
        );
        body["code"].as_str().unwrap().to_owned()
    }

    /// The `details.field` of a 400.
    #[track_caller]
    pub(crate) fn expect_refused_field(self) -> String {
        let body = self.expect(400);
        assert_eq!(body["code"], "invalid_request", "{body:#}");
        body["details"]["field"]
            .as_str()
            .unwrap_or_else(|| panic!("no field is named: {body:#}"))
            .to_owned()
    }
}

/// A worker whose calls the test makes.
#[derive(Clone, Debug)]
pub(crate) struct TestWorker {
    pub(crate) id: WorkerId,
    pub(crate) item: WorkItemId,
    pub(crate) epoch: LeaseEpoch,
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings besides the defaults.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let postgres = Postgres::shared_or_start().await.unwrap();
        let database = postgres.create_database().await.unwrap();
        let redis = TestRedis::shared_or_start().await.unwrap();
        Self::on(database, redis, settings).await
    }

    /// With a Redis that the test may stop.
    pub(crate) async fn with_own_redis() -> Self {
        let postgres = Postgres::shared_or_start().await.unwrap();
        let database = postgres.create_database().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        Self::on(database, redis, &[]).await
    }

    async fn on(database: TestDatabase, redis: TestRedis, settings: &[(&str, &str)]) -> Self {
        let configured = configured(&database, &redis, settings);
        migrate(&configured.config.database).await.unwrap();
        let app = build(configured);
        Self {
            api: api_router(app.clone()),
            worker_api: worker_router(app.clone()),
            pool: app.work_database.clone(),
            app,
            redis,
            database,
        }
    }

    /// Simulates a restart of the orchestrator: its in-memory state is lost.
    pub(crate) fn restart(&mut self) {
        self.run(build(Configured {
            config: self.app.config.clone(),
            effective: self.app.settings.clone(),
        }));
    }

    /// Like [`Self::restart`], with these settings besides the defaults.
    pub(crate) fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.run(build(configured(&self.database, &self.redis, settings)));
    }

    fn run(&mut self, app: App) {
        self.app = app;
        self.api = api_router(self.app.clone());
        self.worker_api = worker_router(self.app.clone());
        self.pool = self.app.work_database.clone();
    }

    /// The value of `DATABASE_URL`.
    pub(crate) fn database_url(&self) -> &str {
        self.database.url()
    }

    /// Sends any request to the API.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(false, self.api.clone(), request).await
    }

    /// Sends any request to the listener of the workers.
    pub(crate) async fn send_as_worker(&self, request: Request<Body>) -> Answer {
        answer(true, self.worker_api.clone(), request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    /// A response that is not JSON.
    pub(crate) async fn get_bytes(&self, path: &str) -> (HeaderMap, Vec<u8>) {
        let request = request(Method::GET, path).body(Body::empty()).unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let status = parts.status.as_u16();
        assert_documented(false, ("GET", path), status, &parts.headers, &bytes);
        assert_eq!(status, 200, "{path}");
        (parts.headers, bytes.to_vec())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(request(Method::POST, path), body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(request(Method::PUT, path), body)).await
    }

    /// A call of the worker protocol on the path of this worker.
    pub(crate) async fn call(&self, worker: &TestWorker, route: &str, body: &Value) -> Answer {
        let path = format!("/api/worker/{}/{route}", worker.id);
        self.send_as_worker(worker_request(&path, &worker.token, body))
            .await
    }

    /// The notes that a worker gets.
    pub(crate) async fn run_notes(&self, worker: &TestWorker) -> Answer {
        let builder = request(Method::GET, &format!("/api/worker/{}/notes", worker.id))
            .header(AUTHORIZATION, format!("Bearer {}", worker.token))
            .header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION);
        self.send_as_worker(builder.body(Body::empty()).unwrap()).await
    }

    /// Writes a note to the agent of an item.
    pub(crate) async fn add_note(&self, item: WorkItemId, text: &str) -> Value {
        let path = format!("/api/work/{item}/notes");
        self.post(&path, &json!({ "text": text })).await.expect(201)
    }

    pub(crate) async fn notes(&self, item: WorkItemId) -> Vec<Value> {
        let notes = self.get(&format!("/api/work/{item}/notes")).await.expect(200);
        notes["notes"].as_array().unwrap().clone()
    }

    pub(crate) async fn register(&self, worker: &TestWorker, nonce: &str) -> Answer {
        let body = json!({ "workerId": worker.id, "nonce": nonce });
        self.send_as_worker(worker_request("/api/worker/register", &worker.token, &body))
            .await
    }

    /// A new item with [`SPEC`].
    pub(crate) async fn submit(&self) -> WorkItemId {
        let body = json!({ "repo": "octocat/hello", "spec": SPEC });
        id_of(&self.post("/api/work", &body).await.expect(201))
    }

    pub(crate) async fn item(&self, id: WorkItemId) -> Value {
        self.get(&format!("/api/work/{id}")).await.expect(200)
    }

    pub(crate) async fn status(&self, id: WorkItemId) -> String {
        self.item(id).await["status"].as_str().unwrap().to_owned()
    }

    /// Claims the next item for a new worker, like the dispatcher.
    pub(crate) async fn claim(&self) -> Option<TestWorker> {
        let id = WorkerId::new();
        let token = WorkerToken::generate();
        let mut transaction = self.pool.begin().await.unwrap();
        let worker = NewWorker {
            id,
            token_hash: token.hash(),
            gateway_token_hashes: GatewayTokenHashes {
                agent: TokenHash::of(&format!("agent of {id}")),
                delivery: TokenHash::of(&format!("delivery of {id}")),
            },
            max_iterations: MAX_ITERATIONS,
            runtime: "none",
            instance: "test",
            register_timeout: Duration::from_secs(60),
        };
        let claimed = work_items::claim(&mut transaction, &worker).await.unwrap()?;
        transaction.commit().await.unwrap();
        Some(TestWorker {
            id,
            item: claimed.id,
            epoch: claimed.lease_epoch,
            token: token.reveal().to_owned(),
        })
    }

    /// Claims the next item for a worker that registers.
    pub(crate) async fn start_worker(&self) -> TestWorker {
        let worker = self.claim().await.expect("an item that can be claimed");
        self.register(&worker, "nonce").await.expect(200);
        worker
    }

    /// A new item and a running worker on it.
    pub(crate) async fn running(&self) -> TestWorker {
        self.submit().await;
        self.start_worker().await
    }

    /// Ends the backoff of every item.
    pub(crate) async fn release_due_retries(&self) {
        sqlx::query("update work_items set next_retry_at = null where next_retry_at is not null")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Runs `calls` while another transaction holds the lock that the statement `lock` takes, until one of them waits for
    /// it. The others queue meanwhile.
    pub(crate) async fn while_locked<T>(&self, lock: &'static str, calls: impl Future<Output = T>) -> T {
        let mut holder = self.pool.begin().await.unwrap();
        sqlx::query(lock).execute(&mut *holder).await.unwrap();
        let release = async {
            self.until_a_call_waits().await;
            holder.rollback().await.unwrap();
        };
        tokio::join!(calls, release).0
    }

    /// Waits until a statement waits for a lock in this database.
    pub(crate) async fn until_a_call_waits(&self) {
        wait_until("a call to wait", PATIENCE, async || {
            // Not the database of the lock, which a wait for another transaction does not have.
            let waiting = "select count(*) from pg_locks join pg_stat_activity using (pid)
                           where not granted and datname = current_database()";
            match self.number(waiting).await {
                0 => Err("none waits"),
                _ => Ok(()),
            }
        })
        .await
        .unwrap();
    }

    /// One value of the database, for state that no response shows.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

fn configured(database: &TestDatabase, redis: &TestRedis, settings: &[(&str, &str)]) -> Configured<Config> {
    let given = [
        ("DATABASE_URL", database.url()),
        // The number of iterations that each claim reserves.
        ("MAX_ITERATIONS", "10"),
        ("REDIS_URL", redis.url()),
        ("REDIS_KEY_PREFIX", redis.prefix()),
        ("GITHUB_TOKEN", "a-github-token"),
        ("ANTHROPIC_API_KEY", "an-anthropic-key"),
    ];
    let environment = Environment::from_pairs(given.into_iter().chain(settings.iter().copied()));
    Config::from_environment(environment).unwrap()
}

/// The state of the program without its background tasks.
fn build(configured: Configured<Config>) -> App {
    let unused_url: Url = "http://127.0.0.1:1/".parse().unwrap();
    let addresses = Addresses {
        api: unused_url.clone(),
        worker_api: unused_url,
    };
    serve::build(configured, Arc::new(NoRuntime), &addresses, Statuses::default()).unwrap()
}

/// The body of a `complete` call.
pub(crate) fn complete() -> Value {
    json!({
        "prUrl": "https://github.com/octocat/hello/pull/7",
        "prNumber": 7,
        "headSha": HEAD,
        "spec": SPEC_DONE,
        "iterations": 2,
    })
}

/// The body of a `fail` call.
pub(crate) fn fail(cause: &str) -> Value {
    json!({ "cause": cause, "reason": "it broke", "iterations": 1 })
}

pub(crate) fn id_of(item: &Value) -> WorkItemId {
    item["id"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost:3002")
}

pub(crate) fn worker_request(path: &str, token: &str, body: &Value) -> Request<Body> {
    let builder = request(Method::POST, path)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION);
    with_json(builder, body)
}

pub(crate) fn with_json(builder: axum::http::request::Builder, body: &Value) -> Request<Body> {
    builder
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn answer(of_workers: bool, router: Router, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let status = parts.status.as_u16();
    assert_documented(of_workers, (&method, &path), status, &parts.headers, &bytes);
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap()
    };
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}

/// Starts nothing: the tests make the calls of the workers.
#[derive(Debug)]
struct NoRuntime;

impl Runtime for NoRuntime {
    fn has_own_network(&self) -> bool {
        false
    }

    fn kind(&self) -> &'static str {
        "none"
    }

    fn instance(&self) -> &str {
        "test"
    }

    fn start(&self, _spec: WorkerSpec) -> BoxFuture<'_, Result<RuntimeHandle, RuntimeError>> {
        Box::pin(async {
            Err(RuntimeError::new(
                "starting a worker",
                anyhow::anyhow!("nothing starts here"),
            ))
        })
    }

    fn stop(&self, _worker: WorkerId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async { Ok(()) })
    }

    fn logs(&self, _worker: WorkerId, _bytes: u64) -> BoxFuture<'_, Result<Option<String>, RuntimeError>> {
        Box::pin(async { Ok(Some("one\ntwo\n<three>\n".to_owned())) })
    }

    fn follow(
        &self,
        _worker: WorkerId,
        _lines: usize,
        _bytes: u64,
    ) -> BoxFuture<'_, Result<Option<LogStream>, RuntimeError>> {
        Box::pin(async { Ok(None) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Attempt>, RuntimeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn exits(&self) -> BoxStream<'static, WorkerId> {
        Box::pin(futures::stream::pending())
    }

    fn clean(&self, _retention: Duration) -> BoxFuture<'_, Result<Cleaned, RuntimeError>> {
        Box::pin(async { Ok(Cleaned::default()) })
    }

    fn health(&self) -> BoxFuture<'_, Result<String, RuntimeError>> {
        Box::pin(async { Ok("nothing starts here".to_owned()) })
    }
}

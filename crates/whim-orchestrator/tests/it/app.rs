//! A complete orchestrator in the test's process, with its own database, Redis prefix and ports, and a fake runtime
//! that records its calls.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set its world up has failed"
)]

mod fake_runtime;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use whim_core::protocol::PROTOCOL_VERSION_HEADER;
use whim_core::protocol::work::{CreateWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus, WorkerId};
use whim_orchestrator::app::App;
use whim_orchestrator::config::{Config, RedisConfig};
use whim_orchestrator::listeners::{Addresses, Listeners};
use whim_orchestrator::redis_connection::RedisConnection;
use whim_orchestrator::serve;
use whim_orchestrator::work::{self, Submitted};
use whim_service::environment::{Configured, Environment};
use whim_service::secret::SecretString;
use whim_service::supervisor::Supervisor;
use whim_testkit::postgres::{Postgres, TestDatabase};
use whim_testkit::redis::TestRedis;
use whim_testkit::wait::wait_until;

pub(crate) use self::fake_runtime::FakeRuntime;
use crate::document::assert_documented;

/// Timeout of conditions that should hold almost at once. Long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The API key of the tests that set one.
pub(crate) const API_KEY: &str = "the-api-key-of-a-test";

/// Postgres and Redis; several orchestrators can share them.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) database: TestDatabase,
    pub(crate) redis: TestRedis,
}

impl Services {
    /// An empty database, and an unused key prefix in Redis.
    pub(crate) async fn new() -> Arc<Self> {
        let (database, redis) = tokio::join!(TestDatabase::create(), TestRedis::shared_or_start());
        Arc::new(Self {
            database: database.unwrap(),
            redis: redis.unwrap(),
        })
    }

    /// With a Redis that can be stopped.
    pub(crate) async fn with_own_redis() -> Arc<Self> {
        let (database, redis) = tokio::join!(TestDatabase::create(), TestRedis::start());
        Arc::new(Self {
            database: database.unwrap(),
            redis: redis.unwrap(),
        })
    }

    /// With a Postgres that can be stopped.
    pub(crate) async fn with_own_postgres() -> Arc<Self> {
        let postgres = Postgres::start().await.unwrap();
        Self::on(postgres.create_database().await.unwrap()).await
    }

    /// With this database.
    pub(crate) async fn on(database: TestDatabase) -> Arc<Self> {
        Arc::new(Self {
            database,
            redis: TestRedis::shared_or_start().await.unwrap(),
        })
    }

    /// The environment of an orchestrator with these services and short intervals; `settings` override it.
    pub(crate) fn environment(&self, settings: &[(&str, &str)]) -> Vec<(String, String)> {
        let defaults = [
            ("DATABASE_URL", self.database.url()),
            ("REDIS_URL", self.redis.url()),
            ("REDIS_KEY_PREFIX", self.redis.prefix()),
            ("GITHUB_TOKEN", "a-github-token"),
            ("ANTHROPIC_API_KEY", "an-anthropic-key"),
            ("PORT", "0"),
            ("WORKER_PORT", "0"),
            ("ADMIN_PORT", "0"),
            ("COOLDOWN_SECONDS", "0"),
            ("DISPATCH_INTERVAL_SECONDS", "0.2"),
            ("RECONCILE_INTERVAL_SECONDS", "0.5"),
            ("RETRY_DELAYS_SECONDS", "0.1,0.1,0.1"),
        ];
        defaults
            .into_iter()
            .filter(|(name, _)| !settings.iter().any(|(other, _)| other == name))
            .chain(settings.iter().copied())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// A running orchestrator.
#[derive(Debug)]
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) addresses: Addresses,
    pub(crate) runtime: FakeRuntime,
    pub(crate) http: reqwest::Client,
    supervisor: Supervisor,
    // Dropped last.
    _services: Arc<Services>,
}

impl TestApp {
    /// With its own services.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With its own services and these settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::beside(&Services::new().await, settings).await
    }

    /// On services that other orchestrators may share.
    pub(crate) async fn beside(services: &Arc<Services>, settings: &[(&str, &str)]) -> Self {
        Self::on(services, FakeRuntime::new(), settings).await
    }

    /// With an existing fake runtime: the same instance, started again.
    pub(crate) async fn on(
        services: &Arc<Services>,
        runtime: FakeRuntime,
        settings: &[(&str, &str)],
    ) -> Self {
        whim_service::telemetry::install_crypto();
        let configured = configured(services, settings);
        let listeners = Listeners::bind(&configured.config.api).await.unwrap();
        let addresses = listeners.addresses().unwrap();
        let supervisor = Supervisor::new();
        let app = serve::start(
            configured,
            Arc::new(runtime.clone()),
            listeners,
            None,
            &supervisor,
        )
        .await
        .unwrap();
        Self {
            app,
            addresses,
            _services: Arc::clone(services),
            runtime,
            http: reqwest::Client::new(),
            supervisor,
        }
    }

    /// A graceful stop.
    pub(crate) async fn stop(self) {
        let report = self.supervisor.stop(serve::STOP_DEADLINE).await;
        assert_eq!(report.unfinished, [] as [&str; 0], "tasks had to be aborted");
    }

    /// Aborts all tasks, as SIGKILL would.
    pub(crate) async fn kill(self) {
        let _report = self.supervisor.stop(Duration::ZERO).await;
    }

    /// A request to the API, with the key if one is set.
    pub(crate) fn api(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.addresses.api.join(path).unwrap());
        match &self.app.config.api.key {
            Some(_key) => request.bearer_auth(API_KEY),
            None => request,
        }
    }

    /// `GET` of a JSON response with any status.
    pub(crate) async fn get(&self, path: &str) -> (reqwest::StatusCode, Value) {
        answer(self.api(reqwest::Method::GET, path)).await
    }

    /// `POST` of a JSON body to the API.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (reqwest::StatusCode, Value) {
        answer(self.api(reqwest::Method::POST, path).json(body)).await
    }

    pub(crate) async fn worker_call(
        &self,
        worker: WorkerId,
        route: &str,
        body: &Value,
    ) -> (reqwest::StatusCode, Value) {
        let path = match route {
            "register" => "/api/worker/register".to_owned(),
            route => format!("/api/worker/{worker}/{route}"),
        };
        let request = self
            .http
            .post(self.addresses.worker_api.join(&path).unwrap())
            .header(
                PROTOCOL_VERSION_HEADER,
                whim_core::protocol::PROTOCOL_VERSION.to_string(),
            )
            .bearer_auth(self.runtime.token(worker))
            .json(body);
        answer(request).await
    }

    /// Registers a worker that was claimed, once it was started.
    pub(crate) async fn register(&self, worker: WorkerId) -> Value {
        wait_until("the worker to be started", PATIENCE, async || {
            let started = self.runtime.started();
            let is_started = started.iter().any(|spec| spec.worker_id == worker);
            if is_started { Ok(()) } else { Err(started.len()) }
        })
        .await
        .unwrap();
        let body = json!({ "workerId": worker, "nonce": "a-nonce" });
        let (status, answer) = self.worker_call(worker, "register", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// An item whose worker registered.
    pub(crate) async fn running(&self) -> (WorkItem, WorkerId) {
        let item = self.submit().await;
        let worker = self.wait_for_worker(item.id).await;
        self.register(worker).await;
        (self.item(item.id).await, worker)
    }

    /// Submits an item with a checklist of one task; each gets a branch of its own.
    pub(crate) async fn submit(&self) -> WorkItem {
        self.submit_with(json!({})).await
    }

    /// The same with additional fields.
    pub(crate) async fn submit_with(&self, fields: Value) -> WorkItem {
        let mut request = json!({
            "repo": "octocat/hello-world",
            "spec": "# Say hello\n\n- [ ] Greet the world\n",
        });
        let all = request.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        let request: CreateWork = serde_json::from_value(request).unwrap();
        match work::submit(&self.app, request).await.unwrap() {
            Submitted::New(item) | Submitted::Existing(item) => item,
        }
    }

    pub(crate) async fn item(&self, id: WorkItemId) -> WorkItem {
        work::find(&self.app, &self.app.database, id).await.unwrap()
    }

    /// Waits until an item matches `expected`.
    pub(crate) async fn wait_for(
        &self,
        id: WorkItemId,
        what: &str,
        expected: impl Fn(&WorkItem) -> bool,
    ) -> WorkItem {
        wait_until(what, PATIENCE, async || {
            let item = self.item(id).await;
            if expected(&item) {
                Ok(item)
            } else {
                Err(format!("{item:?}"))
            }
        })
        .await
        .unwrap()
    }

    /// Waits until an item is in a state.
    pub(crate) async fn wait_for_status(&self, id: WorkItemId, status: WorkItemStatus) -> WorkItem {
        self.wait_for(id, &format!("the item to be {status}"), |item| {
            item.status == status
        })
        .await
    }

    /// Waits until a worker was started for the item, and returns it.
    pub(crate) async fn wait_for_worker(&self, id: WorkItemId) -> WorkerId {
        wait_until("a worker to be started", PATIENCE, async || {
            let spec = self
                .runtime
                .started()
                .into_iter()
                .rfind(|spec| spec.work_item_id == id);
            spec.map(|spec| spec.worker_id)
                .ok_or("no worker was started for the item")
        })
        .await
        .unwrap()
    }
}

/// The configuration that the settings give with these services.
fn configured(services: &Services, settings: &[(&str, &str)]) -> Configured<Config> {
    Config::from_environment(Environment::from_pairs(services.environment(settings))).unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (reqwest::StatusCode, Value) {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (request.method().to_string(), request.url().path().to_owned());
    let response = client.execute(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let of_workers = path.starts_with("/api/worker/");
    assert_documented(
        of_workers,
        (&method, &path),
        status.as_u16(),
        &headers,
        text.as_bytes(),
    );
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, body)
}

/// A Redis connection as the orchestrator makes it.
pub(crate) fn connect(redis: &TestRedis) -> RedisConnection {
    RedisConnection::lazy(&RedisConfig {
        url: SecretString::from(redis.url()),
        key_prefix: redis.prefix().to_owned(),
    })
    .unwrap()
}

/// Waits until a connection to a Redis that was restarted works again.
pub(crate) async fn answers_again(connection: &RedisConnection) {
    wait_until("Redis to answer", PATIENCE, async || {
        connection.ping().await.map_err(|error| error.to_string())
    })
    .await
    .unwrap();
}

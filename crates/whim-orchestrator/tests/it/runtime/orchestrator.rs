//! An orchestrator process whose workers are containers. The workers print their tokens and sleep; the test makes their
//! calls.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use whim_testkit::engine::{EngineGarbage, WORKER_TEST_IMAGE, docker_at, network_of, try_docker_at};
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use crate::app::Services;
use crate::operations::program::Program;

/// Generous, because containers start slowly on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Services and directories that outlive the orchestrator process.
pub(crate) struct Orchestrator {
    services: Arc<Services>,
    fixture: WorkerFixture,
    settings: Vec<(&'static str, String)>,
    program: Option<Program>,
    engine: String,
}

impl Orchestrator {
    /// Starts it with the engine at `host` and additional settings. On drop, its resources in the engine at `engine`
    /// are removed.
    pub(crate) async fn start(host: &str, engine: &str, more: &[(&'static str, &str)]) -> Self {
        Self::beside(&Services::new().await, host, engine, more).await
    }

    /// The same on existing services.
    pub(crate) async fn beside(
        services: &Arc<Services>,
        host: &str,
        engine: &str,
        more: &[(&'static str, &str)],
    ) -> Self {
        let fixture = WorkerFixture::with_script("");
        let network = network_of(fixture.path().to_str().unwrap());
        let mut settings = vec![
            ("WORKER_RUNTIME", "docker".to_owned()),
            ("WORKER_IMAGE", WORKER_TEST_IMAGE.to_owned()),
            ("WORKER_NETWORK", network),
            ("STOP_GRACE_SECONDS", "1".to_owned()),
            // The workers make no calls.
            ("WORKER_ORCHESTRATOR_URL", "http://192.0.2.1:1".to_owned()),
        ];
        settings.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut orchestrator = Self {
            services: Arc::clone(services),
            fixture,
            settings,
            program: None,
            engine: engine.to_owned(),
        };
        orchestrator.start_again(host).await;
        orchestrator
    }

    /// Starts the program, or restarts it after a kill.
    pub(crate) async fn start_again(&mut self, host: &str) {
        let mut settings: Vec<(&str, &str)> = self
            .settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        settings.push(("DOCKER_HOST", host));
        self.program = Some(Program::start_with(&self.services, &self.fixture, &settings).await);
    }

    pub(crate) async fn kill(&mut self) {
        self.program.take().unwrap().kill().await;
    }

    pub(crate) async fn terminate(mut self) {
        let status = self.program.take().unwrap().terminate().await;
        assert!(status.success(), "{status}");
    }

    fn program(&self) -> &Program {
        self.program.as_ref().unwrap()
    }

    /// Submits an item and returns its identifier.
    pub(crate) async fn submit(&self) -> String {
        let item = json!({ "repo": "octocat/hello-world", "spec": "# Say hello\n\n- [ ] Greet the world\n" });
        let item = self.program().post("/api/work", &item).await;
        item["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn item(&self, id: &str) -> Value {
        self.program().get(&format!("/api/work/{id}")).await
    }

    pub(crate) async fn cancel(&self, id: &str) {
        self.program()
            .post(&format!("/api/work/{id}/cancel"), &json!({}))
            .await;
    }

    pub(crate) async fn status(&self) -> Value {
        self.program().get("/api/status").await
    }

    pub(crate) async fn wait_for_item(
        &self,
        id: &str,
        what: &str,
        expected: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_until(what, PATIENCE, async || {
            let item = self.item(id).await;
            if expected(&item) {
                Ok(item)
            } else {
                Err(format!("{item}\n{}", self.log()))
            }
        })
        .await
        .unwrap()
    }

    /// Waits until the item has a running worker; returns its identifier and its token.
    pub(crate) async fn running_worker(&self, id: &str) -> (String, String) {
        wait_until("a worker to run", PATIENCE, async || {
            let item = self.item(id).await;
            let Some(worker) = item["workerId"].as_str() else {
                return Err(format!("{item}\n{}", self.log()));
            };
            let filter = format!("label=whim.worker-id={worker}");
            let container = try_docker_at(&self.engine, &["ps", "--quiet", "--filter", &filter])?;
            if container.is_empty() {
                return Err(format!("no container for {item}\n{}", self.log()));
            }
            // Refused while the container is being replaced.
            let log = try_docker_at(&self.engine, &["logs", &container])?;
            let token = log.lines().next().ok_or("no output yet")?;
            Ok((worker.to_owned(), token.to_owned()))
        })
        .await
        .unwrap()
    }

    pub(crate) async fn call(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        self.program().call(token, path, body).await
    }

    pub(crate) async fn register(&self, worker: &str, token: &str) {
        let body = json!({ "workerId": worker, "nonce": "a-nonce" });
        let (status, answer) = self.call(token, "/api/worker/register", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The containers of this orchestrator in this state of the engine.
    pub(crate) fn containers(&self, state: &str) -> Vec<String> {
        let label = format!("label=whim.instance={}", self.instance());
        let state = format!("status={state}");
        let format = "{{.Label \"whim.worker-id\"}}";
        let listed = self.docker(&[
            "ps", "--all", "--filter", &label, "--filter", &state, "--format", format,
        ]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Waits until exactly this worker runs and no container of an interrupted start is left.
    pub(crate) async fn wait_until_only(&self, worker: Option<&str>) {
        let expected: Vec<&str> = worker.into_iter().collect();
        wait_until("no other container to exist", PATIENCE, async || {
            let (running, created) = (self.containers("running"), self.containers("created"));
            if running == expected && created.is_empty() {
                Ok(())
            } else {
                Err(format!(
                    "{running:?} run, {created:?} are created\n{}",
                    self.log()
                ))
            }
        })
        .await
        .unwrap();
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        docker_at(&self.engine, arguments)
    }

    fn instance(&self) -> String {
        std::fs::read_to_string(self.fixture.workspaces().join("instance"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// The end of its log, for messages of failed tests.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.fixture.path().join("orchestrator.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(150)..].join("\n")
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        // It must not start another worker during the cleanup.
        drop(self.program.take());
        drop(EngineGarbage::of(self.instance(), &self.engine));
    }
}

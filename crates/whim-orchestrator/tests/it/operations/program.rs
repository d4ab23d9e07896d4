//! The program as a user runs it: its command line, and what happens to workers when it is killed or stopped.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use whim_core::WorkerId;
use whim_service::process::{ProcessIdentity, Signal};
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use crate::app::{PATIENCE, Services};
use crate::workers::{orchestrator_program, process_of, wait_until_gone};

/// The script of a worker that sleeps.
pub(crate) const SLEEPS: &str = r#"echo $$ > "$notes/worker-$WORKER_ID"; exec sleep 1000"#;

/// The program as a child process.
pub(crate) struct Program {
    child: Child,
    identity: ProcessIdentity,
    ready: Value,
    http: reqwest::Client,
}

impl Program {
    async fn start(services: &Services, fixture: &WorkerFixture) -> Self {
        Self::start_with(services, fixture, &[]).await
    }

    pub(crate) async fn start_with(
        services: &Services,
        fixture: &WorkerFixture,
        more: &[(&str, &str)],
    ) -> Self {
        whim_service::telemetry::install_crypto();
        let ready_file = fixture.path().join("ready.json");
        if ready_file.exists() {
            std::fs::remove_file(&ready_file).unwrap();
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(fixture.path().join("orchestrator.log"))
            .unwrap();
        let child = Command::new(orchestrator_program())
            .arg("--ready-file")
            .arg(&ready_file)
            .env_clear()
            .envs(fixture.settings())
            .envs(services.environment(more))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let ready = wait_until("the program to be ready", PATIENCE, async || {
            let content = std::fs::read(&ready_file).map_err(|error| {
                let log =
                    std::fs::read_to_string(fixture.path().join("orchestrator.log")).unwrap_or_default();
                format!("{error}; its log: {log}")
            })?;
            serde_json::from_slice::<Value>(&content).map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        let identity = ProcessIdentity::of(child.id().unwrap()).unwrap().unwrap();
        Self {
            child,
            identity,
            ready,
            http: reqwest::Client::new(),
        }
    }

    fn api(&self, path: &str) -> String {
        format!("{}{path}", self.ready["api"].as_str().unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.http
            .get(self.api(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(self.api(path)).json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A call with the token of a worker.
    pub(crate) async fn call(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.ready["workerApi"].as_str().unwrap());
        let request = self
            .http
            .post(url)
            .bearer_auth(token)
            .header("x-whim-protocol", "1");
        let answer = request.json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Submits an item and waits for its worker; returns the item, the worker, its token and its process.
    pub(crate) async fn running_worker(
        &self,
        fixture: &WorkerFixture,
    ) -> (String, WorkerId, String, ProcessIdentity) {
        let item = json!({ "repo": "octocat/hello-world", "spec": "# Say hello\n\n- [ ] Greet the world\n" });
        let item = self.post("/api/work", &item).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let worker = self
            .wait_for_item(&item, "a worker", |item| item["workerId"].is_string())
            .await;
        let worker: WorkerId = worker["workerId"].as_str().unwrap().parse().unwrap();
        let process = process_of(fixture, &format!("worker-{worker}")).await;
        let (status, answer) = self.register(fixture, worker).await;
        assert_eq!(status, 200, "{answer}");
        (item, worker, token(fixture, worker), process)
    }

    /// Registers a worker that was started in this fixture.
    pub(crate) async fn register(&self, fixture: &WorkerFixture, worker: WorkerId) -> (u16, Value) {
        let register = json!({ "workerId": worker, "nonce": "a-nonce" });
        let token = token(fixture, worker);
        self.call(&token, "/api/worker/register", &register).await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.identity.signal(signal).unwrap();
    }

    pub(crate) async fn wait_for_item(
        &self,
        id: &str,
        what: &str,
        expected: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_until(what, PATIENCE, async || {
            let item = self.get(&format!("/api/work/{id}")).await;
            if expected(&item) {
                Ok(item)
            } else {
                Err(item.to_string())
            }
        })
        .await
        .unwrap()
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM like a service manager, and returns the exit status.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        self.identity.signal(Signal::TERM).unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap()
            .unwrap()
    }
}

fn token(fixture: &WorkerFixture, worker: WorkerId) -> String {
    std::fs::read_to_string(fixture.attempt(worker).join("credentials/worker-token")).unwrap()
}

async fn run(arguments: &[&str], environment: &[(String, String)]) -> Output {
    Command::new(orchestrator_program())
        .args(arguments)
        .env_clear()
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_killed_orchestrator_finds_its_workers_again() {
    let (services, fixture) = (Services::new().await, WorkerFixture::with_script(SLEEPS));
    let program = Program::start_with(&services, &fixture, &[("RETRY_DELAYS_SECONDS", "60")]).await;
    let (item, worker, token, process) = program.running_worker(&fixture).await;
    program.kill().await;
    assert!(process.is_alive().unwrap());

    let program = Program::start_with(&services, &fixture, &[("RETRY_DELAYS_SECONDS", "60")]).await;
    // Its calls are answered …
    let heartbeat = format!("/api/worker/{worker}/heartbeat");
    let (status, answer) = program.call(&token, &heartbeat, &json!({ "seq": 1 })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        program.get(&format!("/api/work/{item}")).await["status"],
        "in_progress"
    );
    assert!(process.is_alive().unwrap());

    // … and its exit is detected, although it is not a child of the new process.
    process.signal(Signal::KILL).unwrap();
    let item = program
        .wait_for_item(&item, "the exit to be detected", |item| {
            item["status"] == "queued"
        })
        .await;
    assert_eq!(
        (&item["retries"], &item["failureCause"]),
        (&json!(1), &json!("crash"))
    );
    assert!(!fixture.attempt(worker).join("credentials").exists());
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn sigterm_stops_the_orchestrator_in_time_and_leaves_its_workers_running() {
    let (services, fixture) = (Services::new().await, WorkerFixture::with_script(SLEEPS));
    let program = Program::start(&services, &fixture).await;
    let (item, _worker, _token, process) = program.running_worker(&fixture).await;

    let begin = Instant::now();
    let status = program.terminate().await;

    assert!(status.success(), "{status}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(process.is_alive().unwrap());

    let program = Program::start(&services, &fixture).await;
    program
        .post(&format!("/api/work/{item}/cancel"), &json!({}))
        .await;
    wait_until_gone("the cancelled worker", process).await;
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn open_streams_of_events_and_logs_end_and_do_not_delay_a_stop() {
    let (services, fixture) = (
        Services::new().await,
        WorkerFixture::with_script(&format!("echo hello\n{SLEEPS}")),
    );
    let program = Program::start_with(&services, &fixture, &[("MAX_WORKERS", "3")]).await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(program.running_worker(&fixture).await);
    }
    let worker = workers[0].1;
    let mut viewers = Vec::new();
    for path in [
        "/api/events".to_owned(),
        "/api/events?lastEventId=0".to_owned(),
        format!("/api/workers/{worker}/events"),
        format!("/api/workers/{worker}/logs?follow=true"),
        format!("/api/workers/{worker}/logs?follow=true&lines=1"),
    ] {
        let mut response = program.http.get(program.api(&path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        // The first block of the stream: its start, an event, or output of the worker.
        assert!(response.chunk().await.unwrap().is_some(), "{path}");
        viewers.push(response);
    }

    let begin = Instant::now();
    let status = program.terminate().await;

    assert!(status.success(), "{status}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    for mut viewer in viewers {
        // A truncated response would be an error here.
        while viewer.chunk().await.unwrap().is_some() {}
    }
    for (_item, _worker, _token, process) in workers {
        assert!(process.is_alive().unwrap());
        process.signal(Signal::KILL).unwrap();
        wait_until_gone("the worker", process).await;
    }
}

#[tokio::test]
async fn a_stop_that_takes_long_is_finished_without_the_orchestrator() {
    let (services, fixture) = (
        Services::new().await,
        WorkerFixture::with_script(&format!("trap '' TERM\n{SLEEPS}")),
    );
    let program = Program::start_with(&services, &fixture, &[("STOP_GRACE_SECONDS", "6")]).await;
    let (item, _worker, _token, process) = program.running_worker(&fixture).await;
    program
        .post(&format!("/api/work/{item}/cancel"), &json!({}))
        .await;
    // It received SIGTERM and ignores it.
    wait_until("the worker to receive SIGTERM", PATIENCE, async || {
        let asked = std::fs::read_dir(fixture.workspaces())
            .unwrap()
            .any(|entry| entry.unwrap().path().join("stop").exists());
        if asked { Ok(()) } else { Err("no SIGTERM yet") }
    })
    .await
    .unwrap();

    let status = program.terminate().await;

    assert!(status.success(), "{status}");
    assert!(
        process.is_alive().unwrap(),
        "the orchestrator waited for the worker"
    );
    wait_until_gone("the cancelled worker", process).await;
}

#[tokio::test]
async fn a_worker_suspended_beyond_its_lease_is_terminated_and_its_late_reports_are_refused() {
    let (services, fixture) = (Services::new().await, WorkerFixture::with_script(SLEEPS));
    let settings = [
        ("STALE_THRESHOLD", "1"),
        ("HEARTBEAT_INTERVAL_SECONDS", "0.3"),
        ("RETRY_DELAYS_SECONDS", "60"),
    ];
    let program = Program::start_with(&services, &fixture, &settings).await;
    let (item, worker, token, process) = program.running_worker(&fixture).await;

    process.signal(Signal::STOP).unwrap();

    let waiting = program
        .wait_for_item(&item, "the item to be queued", |item| item["status"] == "queued")
        .await;
    assert_eq!(waiting["failureCause"], "lost");
    wait_until_gone("the paused worker", process).await;
    let late = json!({
        "prUrl": "https://example.com/pull/1", "prNumber": 1, "iterations": 1,
        "headSha": "1111111111111111111111111111111111111111", "spec": "# Say hello\n\n- [x] Greet the world\n",
    });
    let (status, answer) = program
        .call(&token, &format!("/api/worker/{worker}/complete"), &late)
        .await;
    assert_eq!((status, &answer["code"]), (409, &json!("lease_lost")), "{answer}");
    let now = program.get(&format!("/api/work/{item}")).await;
    assert_eq!((&now["status"], &now["prUrl"]), (&json!("queued"), &Value::Null));
    assert!(program.terminate().await.success());
}

#[tokio::test]
async fn wrong_settings_end_the_program_at_once_with_every_reason() {
    let output = run(
        &[],
        &[
            ("GITHUB_TOKEN".to_owned(), "a-token".to_owned()),
            ("MAX_WORKERS".to_owned(), "-1".to_owned()),
            ("BIND_ADDRESS".to_owned(), "0.0.0.0".to_owned()),
        ],
    )
    .await;

    assert_eq!(output.status.code(), Some(64));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r#"
whim-orchestrator cannot start:
BIND_ADDRESS is 0.0.0.0: without API_KEY only a loopback address such as 127.0.0.1 is served; set API_KEY to serve others
MAX_WORKERS is "-1": expected a whole number from 0 to 1000
ANTHROPIC_API_KEY is not set: expected an Anthropic API key, or the token of a Claude Max plan in CLAUDE_CODE_OAUTH_TOKEN (or ANTHROPIC_API_KEY_FILE with a file that holds it)
"#);
}

#[tokio::test]
async fn an_unknown_argument_is_a_usage_error_and_help_is_none() {
    assert_eq!(run(&["--no-such"], &[]).await.status.code(), Some(64));
    let help = run(&["--help"], &[]).await;
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("MAX_WORKERS: a whole number from 0 to 1000 [default: 2]"),
        "{help}"
    );
    assert!(!help.contains("keep-attempt"), "{help}");
    assert_eq!(run(&["--version"], &[]).await.status.code(), Some(0));
}

#[tokio::test]
async fn the_health_check_reports_by_its_exit_code() {
    let (services, fixture) = (Services::new().await, WorkerFixture::with_script(SLEEPS));
    let program = Program::start(&services, &fixture).await;
    let port = program.ready["api"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let environment = services.environment(&[("PORT", &port)]);

    let healthy = run(&["healthcheck"], &environment).await;
    assert!(healthy.status.success(), "{healthy:?}");

    assert!(program.terminate().await.success());
    let unreachable = run(&["healthcheck"], &environment).await;
    assert_eq!(unreachable.status.code(), Some(1), "{unreachable:?}");
}

#[tokio::test]
async fn migrating_needs_only_the_database_and_migrating_again_changes_nothing() {
    let services = Services::new().await;
    let database = services
        .environment(&[])
        .into_iter()
        .filter(|(name, _)| name == "DATABASE_URL");
    let environment: Vec<(String, String)> = database.collect();
    for _ in 0..2 {
        let output = run(&["migrate"], &environment).await;
        assert!(output.status.success(), "{output:?}");
    }
}

#[tokio::test]
async fn a_health_check_needs_only_the_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);

    let output = run(&["healthcheck"], &[("PORT".to_owned(), port)]).await;

    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn settings_are_checked_and_shown_without_starting_anything() {
    let needed = [("GITHUB_TOKEN", "a-token"), ("ANTHROPIC_API_KEY", "a-key")];
    let environment = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        needed
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };

    let good = run(&["config", "check"], &environment(&[("PORT", "4000")])).await;
    let shown = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success(), "{shown}");
    for line in ["GITHUB_TOKEN=***", "PORT=4000", "MAX_WORKERS=2"] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }

    let bad = run(
        &["config", "check"],
        &environment(&[("PORT", "70000"), ("API_KEY", "x")]),
    )
    .await;
    let error = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(64), "{error}");
    assert!(
        error.contains("PORT is \"70000\"") && error.contains("API_KEY"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting() {
    let (services, fixture) = (Services::new().await, WorkerFixture::with_script(SLEEPS));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut environment = services.environment(&[("PORT", &port)]);
    environment.extend(fixture.settings());

    let output = run(&["serve"], &environment).await;

    assert_eq!(output.status.code(), Some(1));
    let output_text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output_text.contains(&format!("listening on 127.0.0.1:{port} (BIND_ADDRESS and PORT)")),
        "{output_text}"
    );
}

//! Workers in containers of the real image. Run by `scripts/ci/docker.sh`, which builds the image.

use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use whim_core::protocol::work::WorkItem;
use whim_core::{FailureCause, WorkItemStatus};
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::{Coder, Solution};
use whim_testkit::wait::wait_until;

use crate::killed::{assert_delivered_once, issue_with_one_task_done};
use crate::locks::{ConflictingIssues, FILE, beta_with_an_edit};
use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository};

#[expect(
    clippy::disallowed_methods,
    reason = "the variables that the docker CLI and the script use"
)]
fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn engine_host() -> Option<String> {
    environment_variable("DOCKER_HOST")
}

/// For an agent with very little CPU time.
const STARVED_TIMEOUT: Duration = Duration::from_secs(220);

fn try_docker(arguments: &[&str]) -> Output {
    let host = engine_host().map(|host| ("DOCKER_HOST", host));
    Command::new("docker")
        .args(arguments)
        .envs(host)
        .output()
        .unwrap()
}

/// Returns the standard output.
fn docker(arguments: &[&str]) -> String {
    let output = try_docker(arguments);
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The process of the engine of `scripts/ci/engine.sh`, which is restarted when it exits.
fn engine_process() -> Option<Pid> {
    let file = std::env::var_os("WHIM_ENGINE_PID_FILE").unwrap();
    let pid = std::fs::read_to_string(file).ok()?;
    Pid::from_raw(pid.trim().parse().ok()?)
}

/// The network of a test. Its containers are removed with it.
struct Network(String);

impl Network {
    fn new() -> Self {
        let name = format!("whim-e2e-{}", std::process::id());
        docker(&["network", "create", &name]);
        Self(name)
    }

    /// Workers reach the fakes and the orchestrator at this machine's address in the network.
    fn options(&self) -> Options {
        let Self(network) = self;
        let format = "{{range .IPAM.Config}}{{.Gateway}}{{end}}";
        let address = docker(&["network", "inspect", network, "--format", format]);
        let mut options = Options::watching([sample::REPOSITORY])
            .at(address.parse().unwrap())
            .setting("WORKER_RUNTIME", "docker")
            .setting("WORKER_NETWORK", network)
            .setting("CLAUDE_BIN", "claude");
        for name in ["DOCKER_HOST", "WORKER_IMAGE"] {
            if let Some(value) = environment_variable(name) {
                options = options.setting(name, value);
            }
        }
        options
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let Self(network) = self;
        let filter = format!("network={network}");
        let containers = try_docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
        // Errors are ignored: removing the network fails while it has containers.
        for container in String::from_utf8_lossy(&containers.stdout).lines() {
            try_docker(&["rm", "--force", container]);
            try_docker(&["volume", "rm", container]);
        }
        try_docker(&["network", "rm", network]);
    }
}

/// The name of the container of a work item's worker.
fn container_of(item: &WorkItem) -> String {
    let filter = format!("label=whim.worker-id={}", item.worker_id.unwrap());
    docker(&["ps", "--filter", &filter, "--format", "{{.Names}}"])
}

async fn wait_until_delivered(system: &System, issue: u64) {
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();
    assert_delivered_once(system, issue);
    assert_no_violations(system);
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn an_item_whose_container_was_killed_resumes_from_the_pushed_branch() {
    let network = Network::new();
    let system = one_repository(network.options()).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;

    docker(&["kill", &container_of(&item)]);
    gate.open();
    wait_until_delivered(&system, issue).await;

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!((item.retries, item.lease_epoch.number()), (1, 2));
    system.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn an_agent_in_a_container_waits_for_the_lock_of_another_container() {
    let network = Network::new();
    let options = network.options().setting("LOCK_WAIT_TIMEOUT_SECONDS", "600");
    let issues = ConflictingIssues::start(options, beta_with_an_edit()).await;

    issues
        .second_reports(&format!("The agent waits for {FILE}"))
        .await;

    issues.both_deliver().await;
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn a_container_survives_a_restart_of_the_orchestrator() {
    let network = Network::new();
    let mut system = one_repository(network.options()).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;

    system.take_orchestrator().unwrap().kill().await.unwrap();
    system.start_orchestrator().await.unwrap();
    gate.open();
    wait_until_delivered(&system, issue).await;

    let now = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (now.status, now.worker_id),
        (WorkItemStatus::Completed, item.worker_id)
    );
    system.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn a_worker_suspended_beyond_its_lease_loses_its_work_item() {
    let network = Network::new();
    let options = network.options().setting("STALE_THRESHOLD", "3");
    let system = one_repository(options).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;
    let container = container_of(&item);

    docker(&["pause", &container]);
    wait_until("the lease to expire", TIMEOUT, async || {
        let now = item_of(&system, sample::REPOSITORY, issue).await;
        if now.lease_epoch > item.lease_epoch {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await
    .unwrap();
    gate.open();
    wait_until_delivered(&system, issue).await;

    let format = "{{.State.Status}}";
    assert_eq!(docker(&["inspect", "--format", format, &container]), "exited");
    system.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn a_worker_that_resumes_after_its_lease_was_lost_stops() {
    /// The exit code after a lost lease.
    const FENCED: &str = "4";
    let network = Network::new();
    let options = network.options().setting("STALE_THRESHOLD", "3");
    let mut system = one_repository(options).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;
    let container = container_of(&item);

    docker(&["pause", &container]);
    // An orchestrator with another WORKSPACES_DIR does not stop the container.
    system.take_orchestrator().unwrap().kill().await.unwrap();
    let elsewhere = system.directory().join("elsewhere").display().to_string();
    system.set("WORKSPACES_DIR", elsewhere);
    system.start_orchestrator().await.unwrap();
    gate.open();
    wait_until_delivered(&system, issue).await;
    docker(&["unpause", &container]);

    wait_until("the worker to stop", TIMEOUT, async || {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let state = docker(&["inspect", "--format", format, &container]);
        if state == format!("exited {FENCED}") {
            Ok(())
        } else {
            Err(format!(
                "{state}: {:?}",
                try_docker(&["logs", "--tail", "20", &container])
            ))
        }
    })
    .await
    .unwrap();
    assert_delivered_once(&system, issue);
    system.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn a_worker_keeps_its_lease_while_its_agent_uses_all_cpu_time() {
    let network = Network::new();
    // Half a CPU, and an agent that uses sixteen.
    let options = network
        .options()
        .setting("WORKER_CPUS", "0.5")
        .setting("STALE_THRESHOLD", "5");
    let system = one_repository(options).await;
    let busy = "for i in $(seq 16); do timeout 12 sh -c 'while :; do :; done' & done; wait";
    let docs = Solution::for_task("")
        .file("docs/INSTALL.md", "# Install\n")
        .command(busy);
    system.anthropic.set_coder(Coder::default().solution(docs));
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Improve the documentation",
        "- Describe how to install it",
        &["whim"],
    );

    wait_until("the agent to be done", STARVED_TIMEOUT, async || {
        match system.item_of(sample::REPOSITORY, issue).await {
            Ok(Some(item)) if item.tasks_done == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!((item.retries, item.lease_epoch.number()), (0, 1), "{item:#?}");
    system.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine and the worker image: scripts/ci/docker.sh"]
async fn tests_that_run_out_of_memory_do_not_count_as_failed() {
    let network = Network::new();
    let options = network
        .options()
        .setting("WORKER_MEMORY", "1g")
        .setting("RETRY_DELAYS_SECONDS", "0.1");
    let system = one_repository(options).await;
    let hungry = "import { test } from \"node:test\";\nimport { spawnSync } from \"node:child_process\";\n\
                  test(\"everything fits\", () => { if (spawnSync(\"tail\", [\"/dev/zero\"]).status !== 0) throw new \
                  Error(\"it does not\"); });\n";
    let solution = Solution::for_task("").file("test/memory.test.js", hungry);
    system.anthropic.set_coder(Coder::default().solution(solution));
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Improve the documentation",
        "- Describe how to install it",
        &["whim"],
    );

    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-failed", TIMEOUT)
        .await
        .unwrap();

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(item.failure_cause, Some(FailureCause::Resources), "{item:#?}");
    let error = item.error.unwrap();
    assert!(
        error.contains("the container's memory ran out (WORKER_MEMORY)"),
        "{error}"
    );
    system.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs an engine of scripts/ci/engine.sh and the worker image: scripts/ci/docker.sh"]
async fn an_item_whose_engine_was_restarted_resumes_from_the_pushed_branch() {
    let network = Network::new();
    let system = one_repository(network.options()).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;

    let engine = engine_process().unwrap();
    kill_process(engine, Signal::TERM).unwrap();
    wait_until("the engine to be restarted", TIMEOUT, async || {
        let process = engine_process();
        let answer = try_docker(&["version"]);
        if process.is_some_and(|process| process != engine) && answer.status.success() {
            Ok(())
        } else {
            Err(format!("{process:?}: {answer:?}"))
        }
    })
    .await
    .unwrap();
    gate.open();
    wait_until_delivered(&system, issue).await;

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(item.lease_epoch.number(), 2, "{item:#?}");
    system.stop().await.unwrap();
}

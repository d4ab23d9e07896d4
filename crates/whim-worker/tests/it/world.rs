//! The environment of one work item: a repository on the fake GitHub, a fake orchestrator, and a scripted `ralph`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::work::WorkMetadata;
use whim_core::protocol::worker::{Assignment, Complete, Fail, LockConflict, Registered, Stuck};
use whim_core::{BranchName, CommitHash, IssueNumber, LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_testkit::github::GitHub;
use whim_testkit::orchestrator::{Fault, FinalReport, Orchestrator};
use whim_testkit::wait::wait_until;

pub(crate) const REPO: &str = "acme/shop";
pub(crate) const BRANCH: &str = "whim/7-say-hello";

/// The two tasks that the scripts do.
pub(crate) const SPEC: &str =
    "# Say hello\n\nVisitors want to be greeted.\n\n## Tasks\n\n- [ ] Add a greeting\n- [ ] Add a farewell\n";

/// A project whose tests fail until there is a greeting.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("README.md", "# Shop\n"),
    ("Makefile", "test:\n\t@cat greeting.txt\n\t@echo 'greeted'\n"),
];

/// The functions for scripts: events, commits, ticks, and synchronisation with the test.
const PRELUDE: &str = r#"#!/bin/sh
set -eu
control=$(dirname "$0")
printf '%s\n' "$@" > "$control/arguments"
env > "$control/environment"
pwd > "$control/directory"
spec=SPEC.md
while [ $# -gt 0 ]; do [ "$1" = --spec ] && spec=$2; shift; done
state=$(dirname "$spec")
cat "$spec" > "$control/spec-at-start"
if [ -e "$state/correction.md" ]; then cat "$state/correction.md" > "$control/correction"; fi
emit() { printf '%s\n' "$1"; }
begin() { emit '{"event":"started","spec":"'"$spec"'","tasks":2,"timestamp":"2026-01-02T03:04:05Z"}'; }
iteration() { emit '{"event":"iteration","n":'"$1"',"phase":"starting","notes_bytes":'"$(notes)"'}'; }
# The size of the notes, which are kept for the test.
notes() { if [ -e "$state/notes.md" ]; then cp "$state/notes.md" "$control/notes"; wc -c < "$control/notes"; else echo 0; fi; }
iteration_done() { emit '{"event":"iteration_done","n":'"$1"',"duration_ms":5,"stats":{"tools":1,"reads":0,"writes":1,"commands":0,"tokens":{"in":10,"out":20,"cache_read":0,"cache_write":0},"cost_usd":0.5}}'; }
tool() { emit '{"event":"tool","type":"write","path":"'"$1"'"}'; }
commit() { printf '%s\n' "$2" > "$1"; git add -- "$1"; git commit --quiet --message "$3"; committed "$3"; }
committed() { emit '{"event":"commit","hash":"'"$(git rev-parse HEAD)"'","message":"'"$1"'"}'; }
mark() { sed -i "s/- \[ \] $1/- [x] $1/" "$spec"; }
tick() { mark "$2"; emit '{"event":"task_complete","index":'"$1"',"text":"'"$2"'"}'; }
greet() { iteration 1; tool greeting.txt; commit greeting.txt hello 'Add a greeting'; tick 0 'Add a greeting'; iteration_done 1; }
part() { iteration 2; tool farewell.txt; commit farewell.txt goodbye 'Add a farewell'; tick 1 'Add a farewell'; iteration_done 2; }
complete() { emit '{"event":"complete","tasks_done":2,"total_duration_ms":10}'; exit 0; }
# Whether this is the first run of the attempt.
first() { if [ -e "$control/ran" ]; then return 1; fi; : > "$control/ran"; }
signal() { : > "$control/$1"; }
# Exits when the test removes the directory, in case the worker was killed.
await() { until [ -e "$control/$1" ]; do [ -d "$control" ] || exit 1; sleep 0.02; done; }
"#;

/// Does both tasks.
pub(crate) const HAPPY: &str = "begin; greet; part; complete";

pub(crate) struct World {
    pub(crate) github: GitHub,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) directory: TempDir,
    settings: BTreeMap<String, String>,
    attempts: std::cell::Cell<usize>,
}

/// How the orchestrator responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FakeBehavior {
    Normal,
    /// With 503.
    Unavailable,
    /// With 409 `lease_lost`.
    LeaseLost,
    /// With 502 after it did what was requested.
    LosesResponses,
    /// The same, but only for the first `complete`.
    LosesFinalResponse,
}

/// A worker that has exited.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

/// A running worker, which is killed on drop.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

pub(crate) const WORKER_TOKEN: &str = "worker-token-canary-0123456789";
pub(crate) const MODEL_KEY: &str = "sk-ant-model-canary-0123456789";

const TIMEOUT: Duration = Duration::from_secs(60);

impl World {
    pub(crate) async fn new(files: &[(&str, &str)], script: &str) -> anyhow::Result<Self> {
        let github = GitHub::start().await;
        github.create_repository(REPO, files);
        github.create_issue(REPO, "Say hello", "Please.", &[]);
        let directory = TempDir::with_prefix("whim-worker-")?;
        let registered = Registered {
            worker_id: WorkerId::new(),
            work_item: Assignment {
                id: WorkItemId::new(),
                lease_epoch: LeaseEpoch::from_number(1),
                repo: RepoName::parse(REPO)?,
                branch: BranchName::parse(BRANCH)?,
                spec: SPEC.to_owned(),
                head_sha: None,
                attempt: 1,
                requested_by: None,
                metadata: WorkMetadata {
                    issue_number: IssueNumber::new(1),
                    ..WorkMetadata::default()
                },
                learnings: String::new(),
                notes: Vec::new(),
            },
            lease_seconds: 60,
            max_iterations: 9,
        };
        let orchestrator = Orchestrator::start();
        orchestrator.assign(registered, WORKER_TOKEN);
        let world = Self {
            github,
            orchestrator,
            directory,
            settings: BTreeMap::new(),
            attempts: std::cell::Cell::new(0),
        };
        fs::create_dir(world.control())?;
        world.write_ralph(script)?;
        Ok(world)
    }

    /// Changes a setting of the worker.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Changes the assignment that the worker receives when it registers.
    #[must_use]
    pub(crate) fn assigned(self, change: impl FnOnce(&mut Registered)) -> Self {
        self.reassign(change);
        self
    }

    /// Starts another attempt at the work item.
    pub(crate) fn reassign(&self, change: impl FnOnce(&mut Registered)) {
        let mut registered = self.orchestrator.assignment();
        change(&mut registered);
        self.orchestrator.assign(registered, WORKER_TOKEN);
        self.set_orchestrator(FakeBehavior::Normal);
    }

    pub(crate) fn set_orchestrator(&self, behavior: FakeBehavior) {
        let faults = self.orchestrator.faults();
        faults.clear();
        let every_request = Fault::on_every_request;
        match behavior {
            FakeBehavior::Normal => {}
            FakeBehavior::Unavailable => faults.push(every_request().unavailable().always()),
            FakeBehavior::LeaseLost => faults.push(every_request().conflict(ErrorCode::LeaseLost).always()),
            FakeBehavior::LosesResponses => faults.push(every_request().lose_response().always()),
            FakeBehavior::LosesFinalResponse => {
                faults.push(Fault::on(Method::POST, "/api/worker/{id}/complete").lose_response());
            }
        }
    }

    /// Locks a file for another work item.
    pub(crate) fn hold_lock(&self, file: &str, branch: &str) -> anyhow::Result<LockConflict> {
        Ok(self.orchestrator.hold_lock(file.parse()?, branch.parse()?))
    }

    pub(crate) fn release_lock(&self, file: &str) -> anyhow::Result<()> {
        self.orchestrator.release_lock(&file.parse()?);
        Ok(())
    }

    pub(crate) fn write_ralph(&self, script: &str) -> anyhow::Result<()> {
        let path = self.control().join("ralph");
        // Replaced atomically, so that a running script is not changed.
        let new = self.control().join("ralph.new");
        fs::write(&new, format!("{PRELUDE}\n{script}\n"))?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(new, path)?)
    }

    /// The directory through which the script and the test communicate.
    pub(crate) fn control(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    /// A file written by the script.
    pub(crate) fn script_output(&self, name: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.control().join(name))
            .with_context(|| format!("the script did not write {name}"))
    }

    /// Lets the script continue that awaits this signal.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.control().join(name), "")?)
    }

    /// Waits for a signal of the script.
    pub(crate) async fn signalled(&self, name: &str) -> anyhow::Result<()> {
        let path = self.control().join(name);
        wait_until(&format!("the signal {name} of the script"), TIMEOUT, async || {
            if path.exists() {
                Ok(())
            } else {
                Err("no signal yet")
            }
        })
        .await
    }

    /// The directory of the latest attempt.
    pub(crate) fn attempt_directory(&self) -> PathBuf {
        self.directory
            .path()
            .join(format!("attempt-{}", self.attempts.get()))
    }

    /// The environment that the runtime sets.
    fn environment(&self, attempt: &Path) -> BTreeMap<String, String> {
        let worker = self.orchestrator.assignment().worker_id.to_string();
        let path = |name: &str| attempt.join(name).display().to_string();
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let mut environment: BTreeMap<String, String> = [
            ("WORKER_ID", worker.clone()),
            ("WHIM_ATTEMPT", worker),
            ("ORCHESTRATOR_URL", self.orchestrator.url()),
            ("CREDENTIALS_DIR", path("credentials")),
            ("WORKSPACE_DIR", path("workspace")),
            ("HOME", path("home")),
            ("PATH", search_path.to_string_lossy().into_owned()),
            ("GITHUB_API_URL", self.github.api_url()),
            ("GITHUB_GIT_URL", self.github.git_url()),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9".to_owned()),
            ("RALPH_BIN", self.control().join("ralph").display().to_string()),
            ("HEARTBEAT_INTERVAL_SECONDS", "0.1".to_owned()),
            ("EVENT_BATCH_MILLISECONDS", "20".to_owned()),
            ("GITHUB_RETRY_TIMEOUT_SECONDS", "1".to_owned()),
            ("REPAIR_ITERATIONS", "0".to_owned()),
            ("AI_REVIEW", "false".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("LOG_LEVEL", "info,whim_worker=debug".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(self.settings.clone());
        environment
    }

    /// Starts a worker, as the runtime would.
    pub(crate) fn start(&self) -> anyhow::Result<Running> {
        self.start_with_token(self.github.token())
    }

    pub(crate) fn start_with_token(&self, github_token: &str) -> anyhow::Result<Running> {
        self.attempts.set(self.attempts.get() + 1);
        let attempt = self.attempt_directory();
        for name in ["credentials", "workspace", "home"] {
            fs::create_dir_all(attempt.join(name))?;
        }
        for (name, secret) in [
            ("worker-token", WORKER_TOKEN),
            ("github-token", github_token),
            ("anthropic-api-key", MODEL_KEY),
        ] {
            let path = attempt.join("credentials").join(name);
            fs::write(&path, secret)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400))?;
        }
        let log = attempt.join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_whim-worker"))
            .env_clear()
            .envs(self.environment(&attempt))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("starting the worker")?;
        Ok(Running { child, log })
    }

    /// Runs a worker until it exits.
    pub(crate) async fn run(&self) -> anyhow::Result<Ended> {
        self.start()?.ended().await
    }

    /// Runs a worker until it exits, and checks its exit code.
    pub(crate) async fn run_expecting(&self, code: i32) -> anyhow::Result<Ended> {
        let ended = self.run().await?;
        anyhow::ensure!(
            ended.code == Some(code),
            "exit code {:?}, log:\n{}",
            ended.code,
            ended.log
        );
        Ok(ended)
    }

    /// The only final report.
    pub(crate) fn final_report(&self) -> anyhow::Result<FinalReport> {
        match self.orchestrator.final_reports().as_slice() {
            [report] => Ok(report.clone()),
            reports => Err(anyhow!("{} final reports: {reports:?}", reports.len())),
        }
    }

    pub(crate) fn completion(&self) -> anyhow::Result<Complete> {
        match self.final_report()? {
            FinalReport::Complete(complete) => Ok(complete),
            other @ (FinalReport::Fail(_) | FinalReport::Stuck(_)) => {
                Err(anyhow!("expected complete: {other:?}"))
            }
        }
    }

    pub(crate) fn failure(&self) -> anyhow::Result<Fail> {
        match self.final_report()? {
            FinalReport::Fail(fail) => Ok(fail),
            other @ (FinalReport::Complete(_) | FinalReport::Stuck(_)) => {
                Err(anyhow!("expected fail: {other:?}"))
            }
        }
    }

    pub(crate) fn stuck(&self) -> anyhow::Result<Stuck> {
        match self.final_report()? {
            FinalReport::Stuck(stuck) => Ok(stuck),
            other @ (FinalReport::Complete(_) | FinalReport::Fail(_)) => {
                Err(anyhow!("expected stuck: {other:?}"))
            }
        }
    }

    /// The head of the branch on GitHub.
    pub(crate) fn branch_head(&self) -> Option<String> {
        self.github.branch_head(REPO, BRANCH)
    }

    /// Waits until the branch on GitHub has this number of commits ahead of the base.
    pub(crate) async fn pushed(&self, commits: usize) -> anyhow::Result<String> {
        wait_until("the push", TIMEOUT, async || {
            let head = self.branch_head().ok_or_else(|| "no branch yet".to_owned())?;
            let found = self.github.log(REPO, &format!("main..{BRANCH}")).len();
            if found == commits {
                Ok(head)
            } else {
                Err(format!("{found} commits"))
            }
        })
        .await
    }
}

impl World {
    /// Waits until a tick was reported with the head that it belongs to.
    pub(crate) async fn first_tick(&self) -> anyhow::Result<()> {
        wait_until("the tick", TIMEOUT, async || {
            let checkpoint = self.orchestrator.checkpoint();
            let ticked = checkpoint.filter(|(spec, _)| spec.contains("[x]"));
            ticked.map(drop).ok_or("no tick yet")
        })
        .await
    }
}

impl Running {
    /// Waits until it exits.
    pub(crate) async fn ended(mut self) -> anyhow::Result<Ended> {
        let Ok(status) = timeout(TIMEOUT, self.child.wait()).await else {
            let log = fs::read_to_string(&self.log)?;
            return Err(anyhow!("the worker does not exit; log:\n{log}"));
        };
        Ok(Ended {
            code: status?.code(),
            log: fs::read_to_string(&self.log)?,
        })
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        Ok(kill_process(pid.context("the worker has exited")?, signal)?)
    }
}

/// Waits until none of the processes is running.
pub(crate) async fn wait_until_exited(pids: &str) -> anyhow::Result<()> {
    wait_until("the processes to exit", TIMEOUT, async || {
        let running: Vec<&str> = pids.split_whitespace().filter(|pid| is_running(pid)).collect();
        if running.is_empty() {
            Ok(())
        } else {
            Err(format!("{running:?} are running"))
        }
    })
    .await
}

pub(crate) fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, fields)| fields.chars().next());
    state.flatten().is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

pub(crate) fn commit(hash: &str) -> anyhow::Result<CommitHash> {
    Ok(CommitHash::parse(hash)?)
}

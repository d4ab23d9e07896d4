//! A world for one item: a repository on the GitHub stand-in, an orchestrator, and a scripted `ralph`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use whim_core::protocol::work::WorkMetadata;
use whim_core::protocol::worker::{Assignment, Complete, Fail, Registered, Stuck};
use whim_core::{BranchName, CommitHash, IssueNumber, LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_testkit::github::GitHub;
use whim_testkit::wait::wait_until;

use crate::orchestrator::{Final, Orchestrator};

pub(crate) const REPO: &str = "acme/shop";
pub(crate) const BRANCH: &str = "whim/7-say-hello";

/// Two tasks, as the scripts know them.
pub(crate) const SPEC: &str =
    "# Say hello\n\nVisitors want to be greeted.\n\n## Tasks\n\n- [ ] Add a greeting\n- [ ] Add a farewell\n";

/// A project whose tests are red until there is a greeting.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("README.md", "# Shop\n"),
    ("Makefile", "test:\n\t@cat greeting.txt\n\t@echo 'looks fine'\n"),
];

/// The words of a script: events, commits, ticks, and waiting for the test.
const PRELUDE: &str = r#"#!/bin/sh
set -eu
control=$(dirname "$0")
printf '%s\n' "$@" > "$control/arguments"
env > "$control/environment"
pwd > "$control/directory"
spec=SPEC.md
while [ $# -gt 0 ]; do [ "$1" = --spec ] && spec=$2; shift; done
cat "$spec" > "$control/spec-at-start"
emit() { printf '%s\n' "$1"; }
begin() { emit '{"event":"started","spec":"'"$spec"'","tasks":2,"timestamp":"2026-01-02T03:04:05Z"}'; }
iteration() { emit '{"event":"iteration","n":'"$1"',"phase":"starting"}'; }
iteration_done() { emit '{"event":"iteration_done","n":'"$1"',"duration_ms":5,"stats":{"tools":1,"reads":0,"writes":1,"commands":0,"tokens":{"in":10,"out":20,"cache_read":0,"cache_write":0},"cost_usd":0.5}}'; }
tool() { emit '{"event":"tool","type":"write","path":"'"$1"'"}'; }
commit() { printf '%s\n' "$2" > "$1"; git add -- "$1"; git commit --quiet --message "$3"; committed "$3"; }
committed() { emit '{"event":"commit","hash":"'"$(git rev-parse HEAD)"'","message":"'"$1"'"}'; }
mark() { sed -i "s/- \[ \] $1/- [x] $1/" "$spec"; }
tick() { mark "$2"; emit '{"event":"task_complete","index":'"$1"',"text":"'"$2"'"}'; }
greet() { iteration 1; tool greeting.txt; commit greeting.txt hello 'Add a greeting'; tick 0 'Add a greeting'; iteration_done 1; }
part() { iteration 2; tool farewell.txt; commit farewell.txt goodbye 'Add a farewell'; tick 1 'Add a farewell'; iteration_done 2; }
complete() { emit '{"event":"complete","tasks_done":2,"total_duration_ms":10}'; exit 0; }
tell() { : > "$control/$1"; }
# A script whose worker was killed ends with the test, which takes its directory along.
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

/// A worker that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

/// A worker that runs. Dropping it kills the program itself.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

pub(crate) const WORKER_TOKEN: &str = "worker-token-canary-0123456789";
pub(crate) const MODEL_KEY: &str = "sk-ant-model-canary-0123456789";

const PATIENCE: Duration = Duration::from_secs(60);

impl World {
    pub(crate) async fn new(files: &[(&str, &str)], script: &str) -> anyhow::Result<Self> {
        let github = GitHub::start().await;
        github.create_repository(REPO, files);
        github.create_issue(REPO, "Say hello", "Please.", &[]);
        Self::around(github, script).await
    }

    pub(crate) async fn around(github: GitHub, script: &str) -> anyhow::Result<Self> {
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
                metadata: WorkMetadata {
                    issue_number: IssueNumber::new(1),
                    ..WorkMetadata::default()
                },
            },
            lease_seconds: 60,
            max_iterations: 9,
        };
        let orchestrator = Orchestrator::start(registered, WORKER_TOKEN).await?;
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

    /// Changes what the worker is told when it registers.
    #[must_use]
    pub(crate) fn assigned(self, change: impl FnOnce(&mut Registered)) -> Self {
        self.orchestrator.assign_again(change);
        self
    }

    pub(crate) fn write_ralph(&self, script: &str) -> anyhow::Result<()> {
        let path = self.control().join("ralph");
        // Replaced as a whole: the one that runs goes on with its own.
        let new = self.control().join("ralph.new");
        fs::write(&new, format!("{PRELUDE}\n{script}\n"))?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(new, path)?)
    }

    /// Where the script and the test leave each other notes.
    pub(crate) fn control(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    /// A note of the script.
    pub(crate) fn note(&self, name: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.control().join(name)).with_context(|| format!("there is no note {name}"))
    }

    /// Lets the script go on that waits for this.
    pub(crate) fn tell(&self, name: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.control().join(name), "")?)
    }

    /// Waits for the script to say this.
    pub(crate) async fn told(&self, name: &str) -> anyhow::Result<()> {
        let path = self.control().join(name);
        wait_until(&format!("the script to say {name}"), PATIENCE, async || {
            if path.exists() { Ok(()) } else { Err("nothing yet") }
        })
        .await
    }

    /// The directory of the newest attempt.
    pub(crate) fn attempt_directory(&self) -> PathBuf {
        self.directory
            .path()
            .join(format!("attempt-{}", self.attempts.get()))
    }

    /// Everything that the worker is told by the runtime.
    fn environment(&self, attempt: &Path) -> BTreeMap<String, String> {
        let worker = self.orchestrator.registered().worker_id.to_string();
        let path = |name: &str| attempt.join(name).display().to_string();
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let mut environment: BTreeMap<String, String> = [
            ("WORKER_ID", worker.clone()),
            ("WHIM_ATTEMPT", worker),
            ("ORCHESTRATOR_URL", self.orchestrator.url.clone()),
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

    /// Runs a worker to its end.
    pub(crate) async fn run(&self) -> anyhow::Result<Ended> {
        self.start()?.ended().await
    }

    /// Runs a worker to its end, which has to be this one.
    pub(crate) async fn run_to(&self, code: i32) -> anyhow::Result<Ended> {
        let ended = self.run().await?;
        anyhow::ensure!(
            ended.code == Some(code),
            "exit code {:?}, log:\n{}",
            ended.code,
            ended.log
        );
        Ok(ended)
    }

    /// The one thing that the worker said at its end.
    pub(crate) fn last_word(&self) -> anyhow::Result<Final> {
        match self.orchestrator.finals().as_slice() {
            [word] => Ok(word.clone()),
            words => Err(anyhow!("the worker said {} last words: {words:?}", words.len())),
        }
    }

    pub(crate) fn completion(&self) -> anyhow::Result<Complete> {
        match self.last_word()? {
            Final::Complete(complete) => Ok(complete),
            other @ (Final::Fail(_) | Final::Stuck(_)) => Err(anyhow!("not complete: {other:?}")),
        }
    }

    pub(crate) fn failure(&self) -> anyhow::Result<Fail> {
        match self.last_word()? {
            Final::Fail(fail) => Ok(fail),
            other @ (Final::Complete(_) | Final::Stuck(_)) => Err(anyhow!("not failed: {other:?}")),
        }
    }

    pub(crate) fn stuck(&self) -> anyhow::Result<Stuck> {
        match self.last_word()? {
            Final::Stuck(stuck) => Ok(stuck),
            other @ (Final::Complete(_) | Final::Fail(_)) => Err(anyhow!("not stuck: {other:?}")),
        }
    }

    /// What the branch is on GitHub.
    pub(crate) fn branch_head(&self) -> Option<String> {
        self.github.branch_head(REPO, BRANCH)
    }

    /// Waits until GitHub has so many commits on the branch that the base has not.
    pub(crate) async fn pushed(&self, commits: usize) -> anyhow::Result<String> {
        wait_until("the push", PATIENCE, async || {
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

impl Running {
    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> anyhow::Result<Ended> {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            let log = fs::read_to_string(&self.log)?;
            return Err(anyhow!("the worker does not end; log:\n{log}"));
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
        Ok(kill_process(pid.context("the worker has ended")?, signal)?)
    }
}

/// Waits until none of the processes lives whose pids are in the note.
pub(crate) async fn wait_until_dead(pids: &str) -> anyhow::Result<()> {
    wait_until("the processes to be gone", PATIENCE, async || {
        let living: Vec<&str> = pids.split_whitespace().filter(|pid| is_alive(pid)).collect();
        if living.is_empty() {
            Ok(())
        } else {
            Err(format!("{living:?} live"))
        }
    })
    .await
}

pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, fields)| fields.chars().next());
    state.flatten().is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

pub(crate) fn commit(hash: &str) -> anyhow::Result<CommitHash> {
    Ok(CommitHash::parse(hash)?)
}

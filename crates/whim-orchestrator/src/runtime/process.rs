//! Workers as processes of this machine. They are not isolated from it or from each other.
//!
//! Each worker has a directory ([`directory`]) and a keeper ([`keeper`]). The runtime itself remembers nothing that is
//! not in the directories, so a restarted orchestrator goes on where the last one was.

mod directory;
mod instance;
mod keeper;
mod log;
mod program;
mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use whim_core::WorkerId;
use whim_service::process::{Deadlines, Signal, end_marked};

use self::directory::AttemptDirectory;
use self::instance::Instance;
use self::keeper::KeeperReport;
use self::user::WorkerUser;
use super::{
    Attempt, AttemptState, Cleaned, Exit, ExitKind, Runtime, RuntimeError, RuntimeHandle, WorkerSpec,
};
use crate::config::RuntimeConfig;

pub use self::keeper::{KeeperArguments, keep};

/// The environment variable that marks everything that came from an attempt; its value is the worker's identifier.
const MARKER: &str = "WHIM_ATTEMPT";

/// How often is looked whether a keeper lives. There is an event for own children, but none for adopted ones that would
/// be worth a second way.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a keeper may take to start a worker.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// What a keeper needs beyond the grace of the worker: to kill, to drain the output, to write the end down.
const KEEPER_PATIENCE: Duration = Duration::from_secs(8);

/// The `process` runtime.
#[derive(Clone, Debug)]
pub struct ProcessRuntime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    instance: Instance,
    user: WorkerUser,
    keeper_program: PathBuf,
    worker_program: Option<PathBuf>,
    ralph_program: Option<PathBuf>,
    path: String,
    stop_grace: Duration,
    known: RwLock<Known>,
}

/// What saves looks at the disk, and what is not on it yet.
#[derive(Debug, Default)]
struct Known {
    /// Their directories are being made, or their keepers have not answered yet.
    starting: BTreeSet<WorkerId>,
    /// Not known to have ended.
    running: BTreeSet<WorkerId>,
}

impl ProcessRuntime {
    /// Takes `WORKSPACES_DIR`; `keeper_program` is this program's own file.
    ///
    /// # Errors
    /// The directory cannot be used or is used by another orchestrator, or `WORKER_USER` cannot.
    pub fn open(config: &RuntimeConfig, keeper_program: PathBuf) -> anyhow::Result<Self> {
        let instance = Instance::take(&config.workspaces)?;
        let user = WorkerUser::look_up(config.worker_user.as_deref(), &instance.workspaces)?;
        let path = config.worker.path.clone();
        let inner = Inner {
            user,
            keeper_program,
            worker_program: program::find(config.worker_bin.as_deref(), "whim-worker", &path),
            ralph_program: program::find(config.worker.ralph_bin.as_deref(), "ralph", &path),
            path,
            stop_grace: config.stop_grace,
            known: RwLock::default(),
            instance,
        };
        inner.warn();
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The file of the running program, for [`Self::open`]: it stays right when the file was replaced by an update.
    pub fn this_program() -> PathBuf {
        PathBuf::from("/proc/self/exe")
    }
}

impl Inner {
    fn warn(&self) {
        let workspaces = self.instance.workspaces.display();
        tracing::warn!(
            %workspaces,
            "WORKER_RUNTIME=process isolates nothing: agents run as processes of this machine, and can read and do \
             whatever their user can; use it for repositories and issues that you trust"
        );
        match &self.user {
            WorkerUser::Own => {}
            WorkerUser::Root => tracing::warn!(
                "workers run as root, with IS_SANDBOX=1 so that Claude Code agrees to that: set WORKER_USER to a user \
                 without rights"
            ),
            WorkerUser::Other { name, owner: _ } => tracing::info!(user = name, "workers run as {name}"),
        }
    }

    fn directory(&self, worker: WorkerId) -> AttemptDirectory {
        AttemptDirectory::of(&self.instance.workspaces, worker)
    }

    fn known<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        // Nothing that runs under the lock can leave the sets half changed.
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }

    async fn start(&self, spec: WorkerSpec) -> anyhow::Result<RuntimeHandle> {
        let worker = spec.worker_id;
        let program = self.checked_worker_program()?;
        self.known(|known| known.starting.insert(worker));
        let directory = self.directory(worker);
        let started = self.start_keeper(&spec, &directory, program).await;
        if started.is_err() && directory.path().exists() {
            // The directory stays for its log, but nothing of the worker.
            if let Err(error) = self.end(worker, &directory).await {
                tracing::error!(%worker, error = format!("{error:#}"), "a worker that was not started cannot be ended");
            }
        }
        self.known(|known| {
            known.starting.remove(&worker);
            if started.is_ok() {
                known.running.insert(worker);
            }
        });
        started
    }

    async fn start_keeper(
        &self,
        spec: &WorkerSpec,
        directory: &AttemptDirectory,
        program: &Path,
    ) -> anyhow::Result<RuntimeHandle> {
        let (made, owner, new) = (directory.clone(), self.user.owner(), spec.clone());
        tokio::task::spawn_blocking(move || made.create(&new, owner))
            .await?
            .with_context(|| format!("creating the directory {}", directory.path().display()))?;
        let mut command = Command::new(&self.keeper_program);
        command
            .arg("keep-attempt")
            .arg("--directory")
            .arg(directory.path())
            .arg("--grace-milliseconds")
            .arg(self.stop_grace.as_millis().to_string());
        if let Some(owner) = self.user.owner() {
            command
                .arg(format!("--user-id={}", owner.user_id))
                .arg(format!("--group-id={}", owner.group_id));
        }
        command
            .arg("--")
            .arg(program)
            .arg0("whim-orchestrator")
            .env_clear()
            .envs(self.environment(spec, directory))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Dropped without being waited for, it runs on and is reaped by tokio.
        let mut keeper = command.spawn().context("starting the keeper")?;
        let mut answer = Vec::new();
        if let Some(stdout) = keeper.stdout.take() {
            const MOST: u64 = 16 * 1024;
            let mut stdout = stdout.take(MOST);
            let line = async {
                while !answer.ends_with(b"\n") && stdout.read_buf(&mut answer).await? > 0 {}
                anyhow::Ok(())
            };
            timeout(START_PATIENCE, line)
                .await
                .context("waiting for the keeper's answer")?
                .context("reading the keeper's answer")?;
        }
        match serde_json::from_slice(&answer) {
            Ok(KeeperReport::Started(identity)) => Ok(RuntimeHandle(format!(
                "pid {} started at tick {}",
                identity.pid, identity.start_ticks
            ))),
            Ok(KeeperReport::Failed(why)) => bail!(why),
            Err(error) => Err(error).context("understanding the keeper's answer"),
        }
    }

    fn environment(&self, spec: &WorkerSpec, directory: &AttemptDirectory) -> BTreeMap<OsString, OsString> {
        let mut environment: BTreeMap<OsString, OsString> = spec
            .environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let mut set = |name: &str, value: OsString| environment.insert(name.into(), value);
        set(MARKER, spec.worker_id.to_string().into());
        set("PATH", self.path.clone().into());
        set("HOME", directory.home().into());
        set("WORKSPACE_DIR", directory.workspace().into());
        set("CREDENTIALS_DIR", directory.credentials().into());
        if let Some(ralph) = &self.ralph_program {
            set("RALPH_BIN", ralph.into());
        }
        match &self.user {
            WorkerUser::Own => {}
            WorkerUser::Root => {
                set("IS_SANDBOX", "1".into());
            }
            WorkerUser::Other { name, owner: _ } => {
                set("USER", name.into());
                set("LOGNAME", name.into());
            }
        }
        environment
    }

    fn checked_worker_program(&self) -> anyhow::Result<&Path> {
        let Some(program) = &self.worker_program else {
            bail!("whim-worker is neither beside this program nor on PATH: set WORKER_BIN");
        };
        if !program::is_executable(program) {
            bail!("there is no program {}: set WORKER_BIN", program.display());
        }
        Ok(program)
    }

    /// Ends whatever lives of an attempt, and writes its end down.
    async fn end(&self, worker: WorkerId, directory: &AttemptDirectory) -> anyhow::Result<()> {
        if directory.exit()?.is_some() {
            return Ok(());
        }
        directory
            .request_stop()
            .context("recording that the worker is to stop")?;
        if let Some(keeper) = directory.keeper()? {
            keeper.signal(Signal::TERM)?;
            // One that was stopped would never see the signal.
            keeper.signal(Signal::CONT)?;
            let deadline = Instant::now() + self.stop_grace + KEEPER_PATIENCE;
            while keeper.is_alive()? && Instant::now() < deadline {
                sleep(LOOK_EVERY / 4).await;
            }
            keeper.signal(Signal::KILL)?;
        }
        self.settle(worker, directory).await?;
        if directory.exit()?.is_none() {
            bail!("its keeper cannot be ended");
        }
        Ok(())
    }

    /// What is to be said of an attempt. One whose keeper is gone without having written down how it ended (it was
    /// killed, or the machine was restarted) is cleared of what the keeper left, and its end written down.
    async fn settle(&self, worker: WorkerId, directory: &AttemptDirectory) -> anyhow::Result<AttemptState> {
        if let Some(exit) = directory.exit()? {
            directory.remove_credentials()?;
            return Ok(AttemptState::Ended(exit));
        }
        let lock = directory.lock_file()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(AttemptState::Running),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the attempt"),
        }
        // From here on no keeper can begin: it would find the lock taken, and later the end written down.
        if let Some(exit) = directory.exit()? {
            return Ok(AttemptState::Ended(exit));
        }
        let survivors = end_marked(MARKER, &worker.to_string(), Deadlines::AT_ONCE).await?;
        if !survivors.is_empty() {
            bail!("{} processes of it live in spite of SIGKILL", survivors.len());
        }
        let exit = Exit {
            how: ExitKind::Unknown,
            stopped: directory.stop_requested(),
        };
        directory
            .write_exit(exit)
            .context("writing down that the worker ended")?;
        Ok(AttemptState::Ended(exit))
    }

    async fn list(&self) -> anyhow::Result<Vec<Attempt>> {
        let mut attempts = Vec::new();
        for worker_id in self.directories()? {
            let starting = self.known(|known| known.starting.contains(&worker_id));
            let state = if starting {
                AttemptState::Running
            } else {
                let directory = self.directory(worker_id);
                self.settle(worker_id, &directory)
                    .await
                    .with_context(|| format!("looking after the worker {worker_id}"))?
            };
            self.known(|known| match state {
                AttemptState::Running => known.running.insert(worker_id),
                AttemptState::Ended(_) => known.running.remove(&worker_id),
            });
            attempts.push(Attempt { worker_id, state });
        }
        Ok(attempts)
    }

    /// The attempts of which there is a directory that is really one of ours.
    fn directories(&self) -> anyhow::Result<Vec<WorkerId>> {
        let workspaces = &self.instance.workspaces;
        let entries = std::fs::read_dir(workspaces).context("listing WORKSPACES_DIR")?;
        let mut workers = Vec::new();
        for entry in entries {
            let entry = entry.context("listing WORKSPACES_DIR")?;
            let worker = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<WorkerId>().ok());
            if let Some(worker) = worker
                && entry.file_type()?.is_dir()
                && (self.known(|known| known.starting.contains(&worker))
                    || self
                        .directory(worker)
                        .record()?
                        .is_some_and(|record| record.worker_id == worker))
            {
                workers.push(worker);
            }
        }
        Ok(workers)
    }

    /// Those of the running that have ended, as far as a cheap look tells.
    fn take_ended(&self) -> Vec<WorkerId> {
        let running = self.known(|known| known.running.clone());
        let ended: Vec<WorkerId> = running
            .into_iter()
            .filter(|worker| {
                let directory = self.directory(*worker);
                let lives = || directory.keeper().ok()??.is_alive().ok();
                directory.exit().ok().flatten().is_some() || lives() == Some(false)
            })
            .collect();
        self.known(|known| known.running.retain(|worker| !ended.contains(worker)));
        ended
    }

    async fn clean(&self, retention: Duration) -> anyhow::Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        for worker in self.directories()? {
            let directory = self.directory(worker);
            let old = directory.exit()?.is_some()
                && SystemTime::now()
                    .duration_since(directory.ended_at()?)
                    .is_ok_and(|age| age >= retention);
            if old {
                let path = directory.path().display().to_string();
                tokio::task::spawn_blocking(move || directory.remove())
                    .await?
                    .with_context(|| format!("removing {path}"))?;
                cleaned.attempts += 1;
            }
        }
        Ok(cleaned)
    }
}

impl Runtime for ProcessRuntime {
    fn kind(&self) -> &'static str {
        "process"
    }

    fn instance(&self) -> &str {
        &self.inner.instance.name
    }

    fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<RuntimeHandle, RuntimeError>> {
        async move {
            let name = spec.name();
            let started = self.inner.start(spec).await;
            started.map_err(|error| RuntimeError::new(format!("starting {name} as a process"), error))
        }
        .boxed()
    }

    fn stop(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async move {
            let directory = self.inner.directory(worker);
            let ended = if directory.path().exists() {
                self.inner.end(worker, &directory).await
            } else {
                Ok(())
            };
            ended.map_err(|error| {
                RuntimeError::new(format!("ending the processes of the worker {worker}"), error)
            })
        }
        .boxed()
    }

    fn logs(&self, worker: WorkerId, bytes: u64) -> BoxFuture<'_, Result<Option<String>, RuntimeError>> {
        async move {
            let path = self.inner.directory(worker).log();
            let tail = tokio::task::spawn_blocking(move || log::tail(&path, bytes)).await;
            tail.map_err(anyhow::Error::from)
                .and_then(|tail| Ok(tail?))
                .map_err(|error| RuntimeError::new(format!("reading the log of the worker {worker}"), error))
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Attempt>, RuntimeError>> {
        let list = self.inner.list();
        list.map(|list| list.map_err(|error| RuntimeError::new("listing the worker processes", error)))
            .boxed()
    }

    fn exits(&self) -> BoxStream<'static, WorkerId> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let state = (Arc::clone(&self.inner), looks);
        stream::unfold(state, |(inner, mut looks)| async move {
            looks.tick().await;
            let ended = inner.take_ended();
            Some((stream::iter(ended), (inner, looks)))
        })
        .flatten()
        .boxed()
    }

    fn clean(&self, retention: Duration) -> BoxFuture<'_, Result<Cleaned, RuntimeError>> {
        let clean = self.inner.clean(retention);
        clean
            .map(|done| done.map_err(|error| RuntimeError::new("removing old attempts", error)))
            .boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<String, RuntimeError>> {
        let checked = match self.inner.checked_worker_program() {
            Ok(_program) => Ok("processes of this machine, without isolation".to_owned()),
            Err(error) => Err(RuntimeError::new(
                error.to_string(),
                anyhow!("no worker can be started"),
            )),
        };
        std::future::ready(checked).boxed()
    }
}

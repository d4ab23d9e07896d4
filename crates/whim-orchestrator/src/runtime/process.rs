//! Workers as processes of this machine. They are not isolated from it or from each other.
//!
//! Each worker has a directory (`directory`) and a keeper (`keeper`). The runtime itself remembers nothing that is
//! not in the directories, so a restarted orchestrator goes on where the last one was.

mod attempts;
mod directory;
mod follow;
mod log;
mod program;
mod shim;
mod start;
mod user;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::anyhow;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, StreamExt as _};
use whim_core::WorkerId;
use whim_service::machine;

use self::directory::AttemptDirectory;
use self::user::WorkerUser;
use super::instance::Instance;
use super::{Attempt, Cleaned, LogStream, Runtime, RuntimeError, RuntimeHandle, WorkerSpec};
use crate::config::RuntimeConfig;

pub use self::shim::{ShimArguments, keep};

/// The environment variable that marks everything that came from an attempt; its value is the worker's identifier.
const MARKER: &str = "WHIM_ATTEMPT";

/// How often is looked whether a keeper lives. There is an event for own children, but none for adopted ones that would
/// be worth a second way.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    /// The variables of toolchain managers, and where they are below this program's own home.
    toolchains: Vec<(&'static str, PathBuf)>,
    stop_grace: Duration,
    known: RwLock<RuntimeCache>,
}

/// What saves looks at the disk, and what is not on it yet.
#[derive(Debug, Default)]
struct RuntimeCache {
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
            toolchains: toolchains(config.home.as_deref()),
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

fn toolchains(home: Option<&Path>) -> Vec<(&'static str, PathBuf)> {
    let below = |(name, directory)| home.map(|home| (name, home.join(directory)));
    machine::HOME_DIRECTORIES
        .into_iter()
        .filter_map(below)
        .filter(|(_, directory)| directory.is_dir())
        .collect()
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

    fn known<T>(&self, change: impl FnOnce(&mut RuntimeCache) -> T) -> T {
        // Nothing that runs under the lock can leave the sets half changed.
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
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

    fn follow(
        &self,
        worker: WorkerId,
        lines: usize,
        bytes: u64,
    ) -> BoxFuture<'_, Result<Option<LogStream>, RuntimeError>> {
        let followed = follow::follow(worker, self.inner.directory(worker), lines, bytes);
        followed.boxed()
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

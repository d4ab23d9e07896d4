//! The `process` runtime: workers as processes of this machine, not isolated from it or from each other.
//!
//! Each worker has a directory (`directory`) and a shim process (`shim`). All state is in the directories, so it
//! survives a restart of the orchestrator.

mod attempts;
mod directory;
mod follow;
mod garbage;
mod host;
mod inner;
mod log;
mod programs;
mod removal;
mod shim;
mod start;
mod user;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::anyhow;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, StreamExt as _};
use whim_core::WorkerId;
use whim_service::machine;

use self::inner::{Inner, POLL_INTERVAL};
use self::programs::Programs;
use self::user::WorkerUser;
use crate::config::RuntimeConfig;
use crate::instance::Instance;
use crate::runtime::{Attempt, Cleaned, LogStream, Runtime, RuntimeError, RuntimeHandle};
use crate::worker_spec::WorkerSpec;

pub use self::shim::{ShimArguments, keep};

/// The `process` runtime.
#[derive(Clone, Debug)]
pub struct ProcessRuntime {
    inner: Arc<Inner>,
}

impl ProcessRuntime {
    /// Locks `WORKSPACES_DIR`. `shim_program` is a program with the subcommand `keep-attempt`.
    ///
    /// # Errors
    /// The directory cannot be used, another orchestrator uses it, or workers cannot run as `WORKER_USER`.
    pub fn open(config: &RuntimeConfig, shim_program: PathBuf) -> anyhow::Result<Self> {
        let instance = Instance::take(&config.workspaces)?;
        let user = WorkerUser::look_up(config.worker_user.as_deref(), &instance.workspaces)?;
        let inner = Inner {
            user,
            shim_program,
            programs: Programs::find(config),
            path: config.path.clone(),
            toolchains: toolchains(config.home.as_deref()),
            stop_grace: config.stop_grace,
            min_free_bytes: config.min_free_bytes,
            cache: RwLock::default(),
            instance,
        };
        inner.log_isolation();
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The running program, for [`Self::open`]; still the same program after its file was replaced by an update.
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

/// The git checkout that contains a directory.
fn checkout_of(directory: &Path) -> Option<&Path> {
    directory
        .ancestors()
        .find(|ancestor| ancestor.join(".git").exists())
}

impl Inner {
    fn log_isolation(&self) {
        let workspaces = self.instance.workspaces.display();
        tracing::warn!(
            %workspaces,
            "WORKER_RUNTIME=process isolates nothing: agents run as processes of this machine, and can read and do \
             whatever their user can; use it for repositories and issues that you trust"
        );
        if let Some(checkout) = checkout_of(&self.instance.workspaces) {
            tracing::warn!(
                %workspaces,
                checkout = %checkout.display(),
                "WORKSPACES_DIR is inside a git checkout: git and build tools in workspaces find its configuration; set \
                 it to a directory outside any checkout"
            );
        }
        match &self.user {
            WorkerUser::Own => {}
            WorkerUser::Root => tracing::warn!(
                "workers run as root, with IS_SANDBOX=1 because Claude Code refuses to run as root otherwise: set WORKER_USER to an \
                 unprivileged user"
            ),
            WorkerUser::Other { name, owner: _ } => tracing::info!(user = name, "workers run as {name}"),
        }
    }
}

impl Runtime for ProcessRuntime {
    fn has_own_network(&self) -> bool {
        false
    }

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
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let state = (Arc::clone(&self.inner), ticks);
        stream::unfold(state, |(inner, mut ticks)| async move {
            ticks.tick().await;
            let ended = inner.take_ended();
            Some((stream::iter(ended), (inner, ticks)))
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
        let checked = match self.inner.programs.check() {
            Ok(()) => Ok("processes of this machine, without isolation".to_owned()),
            Err(error) => Err(RuntimeError::new(
                error.to_string(),
                anyhow!("no worker can be started"),
            )),
        };
        std::future::ready(checked).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_inside_a_checkout_is_recognised() {
        let root = tempfile::tempdir().unwrap();
        let (checkout, outside) = (root.path().join("whim"), root.path().join("state"));
        let inside = checkout.join(".whim/workspaces");
        for directory in [&checkout.join(".git"), &inside, &outside] {
            std::fs::create_dir_all(directory).unwrap();
        }

        assert_eq!(checkout_of(&inside), Some(checkout.as_path()));
        assert_eq!(checkout_of(&outside), None);
    }
}

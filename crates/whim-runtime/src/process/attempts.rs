//! Listing and ending attempts.

use std::fs::TryLockError;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};
use whim_core::WorkerId;
use whim_service::process::{Deadlines, ProcessIdentity, Signal, terminate_marked};

use super::directory::AttemptDirectory;
use super::host;
use super::inner::{Inner, MARKER, POLL_INTERVAL};
use crate::exit::{Exit, ExitKind};
use crate::runtime::{Attempt, AttemptState};

/// How long a shim may take beyond the grace of the worker: to kill, to drain the output, to record the exit.
const SHIM_TIMEOUT: Duration = Duration::from_secs(8);

impl Inner {
    /// Ends all processes of an attempt, and records the exit.
    pub(super) async fn end(&self, worker: WorkerId, directory: &AttemptDirectory) -> anyhow::Result<()> {
        if directory.exit()?.is_some() {
            return Ok(());
        }
        directory.request_stop().context("recording the stop request")?;
        if let Some(shim) = shim_of(directory)? {
            shim.signal(Signal::TERM)?;
            // A suspended process would never handle the signal.
            shim.signal(Signal::CONT)?;
            let deadline = Instant::now() + self.stop_grace + SHIM_TIMEOUT;
            while directory.exit()?.is_none() && shim.is_alive()? && Instant::now() < deadline {
                sleep(POLL_INTERVAL / 4).await;
            }
            if directory.exit()?.is_none() {
                shim.signal(Signal::KILL)?;
            }
        }
        self.settle(worker, directory).await?;
        if directory.exit()?.is_none() {
            bail!("its shim cannot be ended");
        }
        Ok(())
    }

    /// The state of an attempt. If its shim is gone without having recorded an exit (it was killed, or the machine was
    /// restarted), the remaining processes are ended and the exit is recorded.
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
        // From here on no shim can start: it would find the lock taken, and later the recorded exit.
        if let Some(exit) = directory.exit()? {
            return Ok(AttemptState::Ended(exit));
        }
        let survivors = terminate_marked(MARKER, &worker.to_string(), Deadlines::IMMEDIATE).await?;
        if !survivors.is_empty() {
            bail!("{} of its processes are alive after SIGKILL", survivors.len());
        }
        let how = if began_before_restart(directory)? {
            ExitKind::RuntimeStopped
        } else {
            ExitKind::Unknown
        };
        let exit = Exit {
            how,
            stopped: directory.stop_requested(),
        };
        directory.write_exit(exit).context("recording the exit")?;
        Ok(AttemptState::Ended(exit))
    }

    pub(super) async fn list(&self) -> anyhow::Result<Vec<Attempt>> {
        let mut attempts = Vec::new();
        for worker_id in self.directories()? {
            let starting = self.cache(|cache| cache.starting.contains(&worker_id));
            let state = if starting {
                AttemptState::Running
            } else {
                let directory = self.directory(worker_id);
                self.settle(worker_id, &directory).await.unwrap_or_else(|error| {
                    // One attempt that cannot be settled must not hide the others.
                    tracing::error!(%worker_id, error = format!("{error:#}"), "a worker may still be running");
                    AttemptState::Running
                })
            };
            self.cache(|cache| match state {
                AttemptState::Running => cache.running.insert(worker_id),
                AttemptState::Ended(_) => cache.running.remove(&worker_id),
            });
            attempts.push(Attempt { worker_id, state });
        }
        Ok(attempts)
    }

    /// The attempts of this instance that have a directory.
    pub(super) fn directories(&self) -> anyhow::Result<Vec<WorkerId>> {
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
                && self.is_ours(worker)
            {
                workers.push(worker);
            }
        }
        Ok(workers)
    }

    fn is_ours(&self, worker: WorkerId) -> bool {
        let starting = || self.cache(|cache| cache.starting.contains(&worker));
        let record = self.directory(worker).record().ok().flatten();
        record.is_some_and(|record| record.worker_id == worker) || starting()
    }

    /// The running attempts that have ended, by a check without side effects.
    pub(super) fn take_ended(&self) -> Vec<WorkerId> {
        let running = self.cache(|cache| cache.running.clone());
        let ended: Vec<WorkerId> = running
            .into_iter()
            .filter(|worker| {
                let directory = self.directory(*worker);
                let is_alive = || shim_of(&directory).ok()??.is_alive().ok();
                directory.exit().ok().flatten().is_some() || is_alive() == Some(false)
            })
            .collect();
        self.cache(|cache| cache.running.retain(|worker| !ended.contains(worker)));
        ended
    }
}

/// The shim, if it can still be alive: after a restart its process identifier may belong to another process.
fn shim_of(directory: &AttemptDirectory) -> anyhow::Result<Option<ProcessIdentity>> {
    if began_before_restart(directory)? {
        return Ok(None);
    }
    Ok(directory.shim()?)
}

/// Whether the machine was restarted since the attempt began.
fn began_before_restart(directory: &AttemptDirectory) -> anyhow::Result<bool> {
    let Some(record) = directory.record()? else {
        return Ok(false);
    };
    Ok(record.uptime_id != host::uptime_id().context("reading the uptime of the machine")?)
}

//! Looking after attempts: what lives of them, how they ended, ending them, and removing what is old.

use std::fs::TryLockError;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};
use whim_core::WorkerId;
use whim_service::process::{Deadlines, Signal, terminate_marked};

use super::directory::AttemptDirectory;
use super::inner::{Inner, MARKER, POLL_INTERVAL};
use crate::exit::{Exit, ExitKind};
use crate::runtime::{Attempt, AttemptState, Cleaned};

/// What a shim needs beyond the grace of the worker: to kill, to drain the output, to write the end down.
const SHIM_TIMEOUT: Duration = Duration::from_secs(8);

impl Inner {
    /// Ends whatever lives of an attempt, and writes its end down.
    pub(super) async fn end(&self, worker: WorkerId, directory: &AttemptDirectory) -> anyhow::Result<()> {
        if directory.exit()?.is_some() {
            return Ok(());
        }
        directory
            .request_stop()
            .context("recording that the worker is to stop")?;
        if let Some(shim) = directory.shim()? {
            shim.signal(Signal::TERM)?;
            // One that was stopped would never see the signal.
            shim.signal(Signal::CONT)?;
            let deadline = Instant::now() + self.stop_grace + SHIM_TIMEOUT;
            while shim.is_alive()? && Instant::now() < deadline {
                sleep(POLL_INTERVAL / 4).await;
            }
            shim.signal(Signal::KILL)?;
        }
        self.settle(worker, directory).await?;
        if directory.exit()?.is_none() {
            bail!("its shim cannot be ended");
        }
        Ok(())
    }

    /// What is to be said of an attempt. One whose shim is gone without having written down how it ended (it was
    /// killed, or the machine was restarted) is cleared of what the shim left, and its end written down.
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
        // From here on no shim can begin: it would find the lock taken, and later the end written down.
        if let Some(exit) = directory.exit()? {
            return Ok(AttemptState::Ended(exit));
        }
        let survivors = terminate_marked(MARKER, &worker.to_string(), Deadlines::IMMEDIATE).await?;
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
                    tracing::error!(%worker_id, error = format!("{error:#}"), "a worker may run still");
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

    /// Those of the running that have ended, as far as a cheap look tells.
    pub(super) fn take_ended(&self) -> Vec<WorkerId> {
        let running = self.cache(|cache| cache.running.clone());
        let ended: Vec<WorkerId> = running
            .into_iter()
            .filter(|worker| {
                let directory = self.directory(*worker);
                let lives = || directory.shim().ok()??.is_alive().ok();
                directory.exit().ok().flatten().is_some() || lives() == Some(false)
            })
            .collect();
        self.cache(|cache| cache.running.retain(|worker| !ended.contains(worker)));
        ended
    }

    pub(super) async fn clean(&self, retention: Duration) -> anyhow::Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        for worker_id in self.directories()? {
            match self.clean_attempt(worker_id, retention).await {
                Ok(removed) => cleaned.attempts += u64::from(removed),
                Err(error) => {
                    tracing::warn!(%worker_id, error = format!("{error:#}"), "an old attempt cannot be removed");
                }
            }
        }
        Ok(cleaned)
    }

    /// Removes an attempt that ended longer than `retention` ago; whether it did.
    async fn clean_attempt(&self, worker: WorkerId, retention: Duration) -> anyhow::Result<bool> {
        let directory = self.directory(worker);
        if directory.exit()?.is_none() {
            return Ok(false);
        }
        let age = SystemTime::now().duration_since(directory.ended_at()?);
        if age.is_ok_and(|age| age >= retention) {
            tokio::task::spawn_blocking(move || directory.remove()).await??;
            return Ok(true);
        }
        Ok(false)
    }
}

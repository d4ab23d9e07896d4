//! Removal of what ended attempts left.

use std::time::{Duration, SystemTime};

use super::directory::AttemptDirectory;
use super::inner::Inner;
use crate::disk::free_bytes;
use crate::runtime::Cleaned;
use whim_core::WorkerId;

/// An attempt that has ended.
struct Ended {
    worker_id: WorkerId,
    directory: AttemptDirectory,
    at: SystemTime,
}

impl Inner {
    /// Removes the workspaces of all ended attempts, and everything of those that ended longer than `retention` ago. If
    /// the disk is low on space, the oldest of the others follow.
    pub(super) async fn clean(&self, retention: Duration) -> anyhow::Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        let mut kept = Vec::new();
        for ended in self.ended_attempts(&mut cleaned)? {
            let age = SystemTime::now().duration_since(ended.at);
            if age.is_ok_and(|age| age >= retention) {
                cleaned.attempts += u64::from(self.remove(ended, &mut cleaned).await);
                continue;
            }
            let directory = ended.directory.clone();
            let removed = tokio::task::spawn_blocking(move || directory.remove_workspace()).await?;
            match removed {
                Ok(()) => kept.push(ended),
                Err(error) => self.report_failed_removal(ended.worker_id, &error.into(), &mut cleaned),
            }
        }
        kept.sort_by_key(|ended| ended.at);
        for oldest in kept {
            if free_bytes(&self.instance.workspaces)? >= self.min_free_bytes {
                break;
            }
            cleaned.removed_for_space += u64::from(self.remove(oldest, &mut cleaned).await);
        }
        Ok(cleaned)
    }

    fn ended_attempts(&self, cleaned: &mut Cleaned) -> anyhow::Result<Vec<Ended>> {
        let mut attempts = Vec::new();
        for worker_id in self.directories()? {
            let directory = self.directory(worker_id);
            let ended_at = directory.exit().and_then(|exit| match exit {
                Some(_) => directory.ended_at().map(Some),
                None => Ok(None),
            });
            match ended_at {
                Ok(Some(at)) => attempts.push(Ended {
                    worker_id,
                    directory,
                    at,
                }),
                Ok(None) => {}
                // One attempt that cannot be read must not keep the others.
                Err(error) => self.report_failed_removal(worker_id, &error.into(), cleaned),
            }
        }
        Ok(attempts)
    }

    /// Whether it was removed.
    async fn remove(&self, ended: Ended, cleaned: &mut Cleaned) -> bool {
        let Ended {
            worker_id, directory, ..
        } = ended;
        let removed = tokio::task::spawn_blocking(move || directory.remove()).await;
        let removed = removed
            .map_err(anyhow::Error::from)
            .and_then(|removed| Ok(removed?));
        match removed {
            Ok(()) => true,
            Err(error) => {
                self.report_failed_removal(worker_id, &error, cleaned);
                false
            }
        }
    }

    /// Logged once for each attempt, as removals are repeated.
    fn report_failed_removal(&self, worker_id: WorkerId, error: &anyhow::Error, cleaned: &mut Cleaned) {
        let error = format!("{error:#}");
        if self.cache(|cache| cache.failed_removals.insert(worker_id)) {
            let directory = self.directory(worker_id);
            tracing::warn!(
                %worker_id,
                error,
                "an ended attempt cannot be removed: remove the directory {}",
                directory.path().display()
            );
        }
        cleaned.failed.push((worker_id, error));
    }
}

//! Files that workers have locked, in Redis.
//!
//! `lock:{repo}:{path}` holds the worker's identifier. A set is granted whole or not at all, by one script; asking again
//! for what one holds is granted. Locks last an hour, are renewed with the lease and released with the worker.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use whim_core::protocol::worker::LockConflict;
use whim_core::{RelativePath, RepoName, WorkerId};

use crate::redis_connection::{RedisConnection, RedisFailed};

/// How long a lock lasts unless it is renewed (`DESIGN.md`, "Rules of the orchestrator").
const TIME_TO_LIVE: Duration = Duration::from_hours(1);

/// What became of a request for locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// The worker holds all of the files.
    Granted,
    /// Others hold these, and nothing was locked.
    Refused(Vec<LockConflict>),
}

/// The locks could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocksFailed {
    /// Redis is away.
    #[error(transparent)]
    Redis(#[from] RedisFailed),
    /// A lock's value is not what this program writes.
    #[error("reading the holder of {file}")]
    Holder {
        /// The locked file.
        file: RelativePath,
        /// What is wrong with it.
        source: uuid::Error,
    },
}

/// The locks of all workers.
#[derive(Clone, Debug)]
pub struct Locks {
    redis: RedisConnection,
    scripts: Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    acquire: Script,
    release: Script,
    release_all: Script,
    renew: Script,
}

impl Locks {
    /// Locks in this Redis.
    pub fn new(redis: RedisConnection) -> Self {
        let scripts = Scripts {
            acquire: Script::new(include_str!("scripts/lock_acquire.lua")),
            release: Script::new(include_str!("scripts/lock_release.lua")),
            release_all: Script::new(include_str!("scripts/lock_release_all.lua")),
            renew: Script::new(include_str!("scripts/lock_renew.lua")),
        };
        Self {
            redis,
            scripts: Arc::new(scripts),
        }
    }

    /// Locks all of `files` for `worker`, or none of them.
    ///
    /// # Errors
    /// Redis is away: nothing was granted as far as the caller can know, and asking again is safe.
    pub async fn acquire(
        &self,
        worker: WorkerId,
        repo: &RepoName,
        files: &[RelativePath],
    ) -> Result<LockOutcome, LocksFailed> {
        let mut call = self.scripts.acquire.prepare_invoke();
        call.key(self.index_key(worker));
        for file in files {
            call.key(self.lock_key(repo, file));
        }
        call.arg(worker.to_string()).arg(milliseconds(TIME_TO_LIVE));
        let held: Vec<(usize, String)> = self.redis.script("locking files", &call).await?;
        if held.is_empty() {
            return Ok(LockOutcome::Granted);
        }
        let conflicts = held.into_iter().filter_map(|(position, holder)| {
            let file = files.get(position)?.clone();
            let conflict = match holder.parse() {
                Ok(worker_id) => Ok(LockConflict { file, worker_id }),
                Err(source) => Err(LocksFailed::Holder { file, source }),
            };
            Some(conflict)
        });
        Ok(LockOutcome::Refused(conflicts.collect::<Result<_, _>>()?))
    }

    /// Releases those of `files` that `worker` holds; how many those were.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn release(
        &self,
        worker: WorkerId,
        repo: &RepoName,
        files: &[RelativePath],
    ) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.release.prepare_invoke();
        call.key(self.index_key(worker));
        for file in files {
            call.key(self.lock_key(repo, file));
        }
        call.arg(worker.to_string());
        Ok(self.redis.script("unlocking files", &call).await?)
    }

    /// Releases everything that `worker` holds; how many files those were.
    ///
    /// # Errors
    /// Redis is away. The reconciler of the locks makes up for it.
    pub async fn release_all(&self, worker: WorkerId) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.release_all.prepare_invoke();
        call.key(self.index_key(worker)).arg(worker.to_string());
        Ok(self
            .redis
            .script("unlocking all files of a worker", &call)
            .await?)
    }

    /// Renews everything that `worker` holds; how many files those were, 0 while more than half of the time is left.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn renew(&self, worker: WorkerId) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.renew.prepare_invoke();
        call.key(self.index_key(worker))
            .arg(worker.to_string())
            .arg(milliseconds(TIME_TO_LIVE));
        Ok(self.redis.script("renewing the locks of a worker", &call).await?)
    }

    /// The workers that hold anything.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn holders(&self) -> Result<Vec<WorkerId>, LocksFailed> {
        const AT_ONCE: u32 = 500;
        let start = self.redis.key(INDEX);
        // The prefix is a setting, and a pattern is not a name: its special characters are escaped.
        let pattern: String = start
            .chars()
            .flat_map(|character| {
                let special = matches!(character, '*' | '?' | '[' | ']' | '\\' | '^');
                special.then_some('\\').into_iter().chain([character])
            })
            .chain(['*'])
            .collect();
        let mut holders = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(AT_ONCE);
            let (next, keys): (u64, Vec<String>) =
                self.redis.command("listing the holders of locks", &scan).await?;
            holders.extend(
                keys.iter()
                    .filter_map(|key| key.strip_prefix(&start)?.parse::<WorkerId>().ok()),
            );
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // A scan may give a key twice.
        holders.sort_unstable();
        holders.dedup();
        Ok(holders)
    }

    /// GitHub's names of repositories ignore case: two spellings of one are one lock.
    fn lock_key(&self, repo: &RepoName, file: &RelativePath) -> String {
        let repo = repo.as_str().to_ascii_lowercase();
        self.redis.key(&format!("lock:{repo}:{file}"))
    }

    fn index_key(&self, worker: WorkerId) -> String {
        self.redis.key(&format!("{INDEX}{worker}"))
    }
}

const INDEX: &str = "worker-locks:";

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! File locks of workers, in Redis.
//!
//! `lock:{repo}:{path}` holds the worker's identifier. One script grants a set of files as a whole or not at all; a
//! worker may request what it holds. Locks expire after an hour, are renewed with the lease and released with the
//! worker.
//!
//! Postgres has a copy ([`crate::db::locks`]). A marker key holds the `run_id` of the Redis server that the locks were
//! written to: a server that was emptied or restarted grants nothing before the locks are restored from the copy
//! (`docs/faults.md`, row 33).

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use whim_core::{RelativePath, RepoName, WorkerId};

use crate::redis_connection::{RedisConnection, RedisFailed};

/// Expiry of a lock that is not renewed.
const TIME_TO_LIVE: Duration = Duration::from_hours(1);

/// Expiry of the note that a worker waits for a lock. The worker repeats its request at least every two seconds.
const WAIT_TIME_TO_LIVE: Duration = Duration::from_secs(6);

/// Which files of a set to lock when other workers hold some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    AllOrNothing,
    FreeOnly,
}

/// Result of a lock request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// The worker holds all of the files.
    Granted,
    /// Other workers hold these. Depending on the mode, nothing was locked or the others were.
    Held(Vec<LockHolder>),
    /// Redis was emptied or restarted: nothing is granted before [`Locks::restore`].
    Incomplete,
}

/// A locked file and its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    pub file: RelativePath,
    pub worker: WorkerId,
}

/// A lock in the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedLock {
    pub repo: RepoName,
    pub file: RelativePath,
    pub worker: WorkerId,
}

/// The locks could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocksFailed {
    /// Redis is unavailable.
    #[error(transparent)]
    Redis(#[from] RedisFailed),
    /// Redis lost the locks in every round of a request.
    #[error("Redis lost the file locks several times during one request")]
    Unstable,
    /// The value of a lock is not a worker's identifier.
    #[error("reading the holder of the lock of {file}")]
    Holder {
        file: RelativePath,
        source: whim_core::InvalidId,
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
    holds: Script,
    is_complete: Script,
    release: Script,
    release_all: Script,
    renew: Script,
    restore: Script,
}

impl Locks {
    pub fn new(redis: RedisConnection) -> Self {
        let scripts = Scripts {
            acquire: Script::new(include_str!("scripts/lock_acquire.lua")),
            holds: Script::new(include_str!("scripts/lock_holds.lua")),
            is_complete: Script::new(include_str!("scripts/lock_is_complete.lua")),
            release: Script::new(include_str!("scripts/lock_release.lua")),
            release_all: Script::new(include_str!("scripts/lock_release_all.lua")),
            renew: Script::new(include_str!("scripts/lock_renew.lua")),
            restore: Script::new(include_str!("scripts/lock_restore.lua")),
        };
        Self {
            redis,
            scripts: Arc::new(scripts),
        }
    }

    /// Locks `files` for `worker`.
    ///
    /// # Errors
    /// Redis is unavailable. Whether the locks were granted is unknown; repeating the request is safe.
    pub async fn acquire(
        &self,
        worker: WorkerId,
        repo: &RepoName,
        files: &[RelativePath],
        mode: LockMode,
    ) -> Result<LockOutcome, LocksFailed> {
        let mut call = self.scripts.acquire.prepare_invoke();
        call.key(self.marker_key()).key(self.index_key(worker));
        for file in files {
            call.key(self.lock_key(repo, file));
        }
        call.arg(worker.to_string())
            .arg(milliseconds(TIME_TO_LIVE))
            .arg(match mode {
                LockMode::AllOrNothing => "all",
                LockMode::FreeOnly => "free",
            });
        let held: Option<Vec<(usize, String)>> = self.redis.script("locking files", &call).await?;
        let Some(held) = held else {
            return Ok(LockOutcome::Incomplete);
        };
        if held.is_empty() {
            return Ok(LockOutcome::Granted);
        }
        let holders = held.into_iter().filter_map(|(position, holder)| {
            let file = files.get(position)?.clone();
            Some(match holder.parse() {
                Ok(worker) => Ok(LockHolder { file, worker }),
                Err(source) => Err(LocksFailed::Holder { file, source }),
            })
        });
        Ok(LockOutcome::Held(holders.collect::<Result<_, _>>()?))
    }

    /// Whether `worker` holds all of `files`.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn holds(
        &self,
        worker: WorkerId,
        repo: &RepoName,
        files: &[RelativePath],
    ) -> Result<bool, LocksFailed> {
        let mut call = self.scripts.holds.prepare_invoke();
        for file in files {
            call.key(self.lock_key(repo, file));
        }
        call.arg(worker.to_string());
        let holds: usize = self.redis.script("reading file locks", &call).await?;
        Ok(holds == files.len())
    }

    /// Stores a description of what a worker waits for. It expires unless it is repeated.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn note_wait(&self, worker: WorkerId, sentence: &str) -> Result<(), LocksFailed> {
        let mut note = redis::cmd("SET");
        note.arg(self.wait_key(worker))
            .arg(sentence)
            .arg("PX")
            .arg(milliseconds(WAIT_TIME_TO_LIVE));
        Ok(self
            .redis
            .command("storing what a worker waits for", &note)
            .await?)
    }

    /// The description of what a worker waits for, if it waits.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn wait_of(&self, worker: WorkerId) -> Result<Option<String>, LocksFailed> {
        let mut query = redis::cmd("GET");
        query.arg(self.wait_key(worker));
        Ok(self
            .redis
            .command("reading what a worker waits for", &query)
            .await?)
    }

    /// Whether Redis has all locks; not after it was emptied or restarted.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn are_complete(&self) -> Result<bool, LocksFailed> {
        let mut call = self.scripts.is_complete.prepare_invoke();
        call.key(self.marker_key());
        Ok(self
            .redis
            .script("reading the marker of the file locks", &call)
            .await?)
    }

    /// Writes the copied locks to a Redis that lost them; returns how many those were. Of two locks of one file the last
    /// one counts.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn restore(&self, copied: &[CopiedLock]) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.restore.prepare_invoke();
        call.key(self.marker_key()).arg(milliseconds(TIME_TO_LIVE));
        for CopiedLock { repo, file, worker } in copied {
            call.key(self.lock_key(repo, file)).key(self.index_key(*worker));
            call.arg(worker.to_string());
        }
        Ok(self.redis.script("restoring the file locks", &call).await?)
    }

    /// Releases those of `files` that `worker` holds; returns how many those were.
    ///
    /// # Errors
    /// Redis is unavailable.
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

    /// Releases all locks of `worker`; returns their number.
    ///
    /// # Errors
    /// Redis is unavailable. The reconciler of the locks repeats the release.
    pub async fn release_all(&self, worker: WorkerId) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.release_all.prepare_invoke();
        call.key(self.index_key(worker)).arg(worker.to_string());
        Ok(self
            .redis
            .script("unlocking all files of a worker", &call)
            .await?)
    }

    /// Renews everything that `worker` holds; returns how many files those were: 0 while more than half of the time is
    /// left.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn renew(&self, worker: WorkerId) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.renew.prepare_invoke();
        call.key(self.index_key(worker))
            .arg(worker.to_string())
            .arg(milliseconds(TIME_TO_LIVE));
        Ok(self
            .redis
            .script("renewing the file locks of a worker", &call)
            .await?)
    }

    /// Workers that hold locks.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn holders(&self) -> Result<Vec<WorkerId>, LocksFailed> {
        const SCAN_COUNT: u32 = 500;
        let prefix = self.redis.key(INDEX);
        // The prefix is a setting: what has a meaning in patterns is escaped.
        let pattern: String = prefix
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
                .arg(SCAN_COUNT);
            let (next, keys): (u64, Vec<String>) =
                self.redis.command("listing the holders of locks", &scan).await?;
            holders.extend(
                keys.iter()
                    .filter_map(|key| key.strip_prefix(&prefix)?.parse::<WorkerId>().ok()),
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

    /// GitHub ignores case in repository names: two spellings of one are one lock.
    fn lock_key(&self, repo: &RepoName, file: &RelativePath) -> String {
        let repo = repo.as_str().to_ascii_lowercase();
        self.redis.key(&format!("lock:{repo}:{file}"))
    }

    /// Holds the `run_id` of the server that has all locks.
    fn marker_key(&self) -> String {
        self.redis.key("locks-complete")
    }

    fn wait_key(&self, worker: WorkerId) -> String {
        self.redis.key(&format!("lock-wait:{worker}"))
    }

    fn index_key(&self, worker: WorkerId) -> String {
        self.redis.key(&format!("{INDEX}{worker}"))
    }
}

const INDEX: &str = "worker-locks:";

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

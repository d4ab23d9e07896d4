//! Files that workers have locked, in Redis.
//!
//! `lock:{repo}:{path}` holds the worker's identifier. A set is granted whole or not at all, by one script; asking again
//! for what one holds is granted. Locks last an hour, are renewed with the lease and released with the worker.
//!
//! Postgres has a copy ([`crate::db::locks`]). A mark in Redis says which run of its server the locks were put into: a
//! server that was emptied or restarted grants nothing before they were rebuilt from the copy (`FAULTS.md`, row 33).

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use whim_core::{RelativePath, RepoName, WorkerId};

use crate::redis_connection::{RedisConnection, RedisFailed};

/// How long a lock lasts unless it is renewed (`DESIGN.md`, "Rules of the orchestrator").
const TIME_TO_LIVE: Duration = Duration::from_hours(1);

/// How long it is remembered that a worker asked in vain; it asks again every two seconds at the latest.
const WAIT_REMEMBERED: Duration = Duration::from_secs(6);

/// Which files of a set to lock when others hold some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// None.
    AllOrNothing,
    /// Those that are free.
    WhatIsFree,
}

/// What became of a request for locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// The worker holds all of the files.
    Granted,
    /// Others hold these. Nothing was locked, or only what was free.
    Held(Vec<LockHolder>),
    /// Redis was emptied or restarted: nothing is granted before [`Locks::rebuild`].
    Unknown,
}

/// A locked file and its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The file.
    pub file: RelativePath,
    /// Who holds it.
    pub worker: WorkerId,
}

/// A lock as Postgres knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLock {
    /// The repository.
    pub repo: RepoName,
    /// The file.
    pub file: RelativePath,
    /// Who holds it.
    pub worker: WorkerId,
}

/// The locks could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocksFailed {
    /// Redis is away.
    #[error(transparent)]
    Redis(#[from] RedisFailed),
    /// Redis was emptied, restarted or changed again and again while it was asked.
    #[error("Redis loses the locks again and again")]
    Unstable,
    /// A lock's value is not what this program writes.
    #[error("reading the holder of {file}")]
    Holder {
        /// The locked file.
        file: RelativePath,
        /// What is wrong with it.
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
    known: Script,
    rebuild: Script,
    release: Script,
    release_all: Script,
    renew: Script,
}

impl Locks {
    /// Locks in this Redis.
    pub fn new(redis: RedisConnection) -> Self {
        let scripts = Scripts {
            acquire: Script::new(include_str!("scripts/lock_acquire.lua")),
            holds: Script::new(include_str!("scripts/lock_holds.lua")),
            known: Script::new(include_str!("scripts/lock_known.lua")),
            rebuild: Script::new(include_str!("scripts/lock_rebuild.lua")),
            release: Script::new(include_str!("scripts/lock_release.lua")),
            release_all: Script::new(include_str!("scripts/lock_release_all.lua")),
            renew: Script::new(include_str!("scripts/lock_renew.lua")),
        };
        Self {
            redis,
            scripts: Arc::new(scripts),
        }
    }

    /// Locks `files` for `worker`: all of them or none, or those that are free.
    ///
    /// # Errors
    /// Redis is away: nothing was granted as far as the caller can know, and asking again is safe.
    pub async fn acquire(
        &self,
        worker: WorkerId,
        repo: &RepoName,
        files: &[RelativePath],
        take: Take,
    ) -> Result<LockOutcome, LocksFailed> {
        let mut call = self.scripts.acquire.prepare_invoke();
        call.key(self.mark_key()).key(self.index_key(worker));
        for file in files {
            call.key(self.lock_key(repo, file));
        }
        call.arg(worker.to_string())
            .arg(milliseconds(TIME_TO_LIVE))
            .arg(match take {
                Take::AllOrNothing => "all",
                Take::WhatIsFree => "free",
            });
        let held: Option<Vec<(usize, String)>> = self.redis.script("locking files", &call).await?;
        let Some(held) = held else {
            return Ok(LockOutcome::Unknown);
        };
        if held.is_empty() {
            return Ok(LockOutcome::Granted);
        }
        let holdings = held.into_iter().filter_map(|(position, holder)| {
            let file = files.get(position)?.clone();
            Some(match holder.parse() {
                Ok(worker) => Ok(LockHolder { file, worker }),
                Err(source) => Err(LocksFailed::Holder { file, source }),
            })
        });
        Ok(LockOutcome::Held(holdings.collect::<Result<_, _>>()?))
    }

    /// Whether `worker` holds all of `files`.
    ///
    /// # Errors
    /// Redis is away.
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
        let holds: usize = self.redis.script("looking at locks", &call).await?;
        Ok(holds == files.len())
    }

    /// Notes what a worker asks for in vain; it is forgotten unless it is noted again and again.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn note_wait(&self, worker: WorkerId, sentence: &str) -> Result<(), LocksFailed> {
        let mut note = redis::cmd("SET");
        note.arg(self.wait_key(worker))
            .arg(sentence)
            .arg("PX")
            .arg(milliseconds(WAIT_REMEMBERED));
        Ok(self.redis.command("noting who waits for a lock", &note).await?)
    }

    /// What a worker asked for in vain just now.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn wait_of(&self, worker: WorkerId) -> Result<Option<String>, LocksFailed> {
        let mut ask = redis::cmd("GET");
        ask.arg(self.wait_key(worker));
        Ok(self.redis.command("asking who waits for a lock", &ask).await?)
    }

    /// Whether Redis knows the locks: not, when it was emptied or restarted.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn are_known(&self) -> Result<bool, LocksFailed> {
        let mut call = self.scripts.known.prepare_invoke();
        call.key(self.mark_key());
        Ok(self
            .redis
            .script("asking whether the locks are known", &call)
            .await?)
    }

    /// Puts the locks that Postgres knows into a Redis that does not know them; how many those were. Of two for one file
    /// the last counts.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn rebuild(&self, locks: &[KnownLock]) -> Result<u64, LocksFailed> {
        let mut call = self.scripts.rebuild.prepare_invoke();
        call.key(self.mark_key()).arg(milliseconds(TIME_TO_LIVE));
        for KnownLock { repo, file, worker } in locks {
            call.key(self.lock_key(repo, file)).key(self.index_key(*worker));
            call.arg(worker.to_string());
        }
        Ok(self.redis.script("rebuilding the locks", &call).await?)
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

    /// Says which run of the server knows the locks.
    fn mark_key(&self) -> String {
        self.redis.key("locks-known")
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

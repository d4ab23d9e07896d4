//! The invariants of `docs/faults.md`, checked in the database and in Redis: they must hold under every fault.
//!
//! A query sees one state. Changes between two queries are recorded by triggers that live in a schema of their own in
//! the test's database.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use redis::AsyncCommands as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::wait::wait_until;

const LOCK: &str = "lock:";

/// The limits that must never be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `MAX_WORKERS`.
    pub max_workers: u32,
    /// `DAILY_BUDGET`, in iterations.
    pub daily_budget: u32,
}

/// A watched database.
#[derive(Clone, Debug)]
pub struct Invariants {
    database_url: String,
}

impl Invariants {
    /// Begins to watch a database whose migrations have been applied.
    ///
    /// # Errors
    /// The database cannot be reached, has no tables of Whim's yet, or is watched already.
    pub async fn watch(database_url: &str, limits: Limits) -> anyhow::Result<Self> {
        let invariants = Self {
            database_url: database_url.to_owned(),
        };
        let mut connection = invariants.connect().await?;
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(include_str!("invariants/audit.sql"))
            .execute(&mut *transaction)
            .await
            .context("install the audit triggers")?;
        sqlx::query("insert into whim_audit.limits (max_workers, daily_budget) values ($1, $2)")
            .bind(i64::from(limits.max_workers))
            .bind(i64::from(limits.daily_budget))
            .execute(&mut *transaction)
            .await
            .context("store the limits")?;
        transaction.commit().await?;
        Ok(invariants)
    }

    /// All violations, current ones and those since [`Self::watch`].
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn violations(&self) -> anyhow::Result<Vec<String>> {
        // One statement sees one state.
        sqlx::query_scalar(include_str!("invariants/violations.sql"))
            .fetch_all(&mut self.connect().await?)
            .await
            .context("query the violations")
    }

    /// Succeeds if there is no violation.
    ///
    /// # Errors
    /// Each violation on a line of its own, with the history of the items that it names.
    pub async fn check(&self) -> anyhow::Result<()> {
        let violations = self.violations().await?;
        if violations.is_empty() {
            return Ok(());
        }
        let history: Vec<String> = sqlx::query_scalar(
            "select format('%s item %s, run %s, epoch %s: %s', at, work_item_id, run, lease_epoch, change)
             from whim_audit.history
             where exists (select from unnest($1::text[]) as v where strpos(v, work_item_id::text) > 0)
             order by id",
        )
        .bind(&violations)
        .fetch_all(&mut self.connect().await?)
        .await
        .context("read the history")?;
        bail!(
            "what must always hold was violated:\n{}\n{}",
            violations.join("\n"),
            history.join("\n")
        );
    }

    /// Waits until every lock under `prefix` belongs to a live worker: those of a worker that ended are released right
    /// after its end, and by a reconciler where that failed.
    ///
    /// # Errors
    /// Locks of others are left after `timeout`, or one of the two cannot be reached.
    pub async fn wait_for_locks(
        &self,
        redis_url: &str,
        prefix: &str,
        timeout: Duration,
    ) -> anyhow::Result<()> {
        wait_until(
            "the locks to belong to live workers",
            timeout,
            async || match self.strangers_locks(redis_url, prefix).await {
                Ok(locks) if locks.is_empty() => Ok(()),
                Ok(locks) => Err(locks.join(", ")),
                Err(error) => Err(format!("{error:#}")),
            },
        )
        .await
    }

    /// Locks that no live worker holds.
    async fn strangers_locks(&self, redis_url: &str, prefix: &str) -> anyhow::Result<Vec<String>> {
        let client = redis::Client::open(redis_url)?;
        let mut redis = client.get_multiplexed_async_connection().await?;
        let keys: Vec<String> = redis
            .clone()
            .scan_match(format!("{prefix}{LOCK}*"))
            .await?
            .try_collect()
            .await?;
        let mut held: Vec<(String, String)> = Vec::new();
        for key in keys {
            // It may have been released since.
            if let Some(holder) = redis.get(&key).await? {
                held.push((key, holder));
            }
        }
        // In this order, because a worker is live when its lock is granted.
        let live: Vec<Uuid> =
            sqlx::query_scalar("select id from workers where status in ('starting', 'running')")
                .fetch_all(&mut self.connect().await?)
                .await?;
        let live: BTreeSet<String> = live.iter().map(Uuid::to_string).collect();
        Ok(held
            .into_iter()
            .filter(|(_, holder)| !live.contains(holder))
            .map(|(key, holder)| format!("{key} is held by {holder}"))
            .collect())
    }

    /// Discards the recorded history: for tests that empty their database between two cases.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn forget(&self) -> anyhow::Result<()> {
        sqlx::raw_sql("truncate whim_audit.violations, whim_audit.history, whim_audit.workers")
            .execute(&mut self.connect().await?)
            .await
            .context("discard the recorded history")?;
        Ok(())
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.database_url)
            .await
            .context("connect to the watched database")
    }
}

//! Servers of a run and settings of the orchestrator.

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;
use whim_testkit::postgres::{Postgres, TestDatabase};
use whim_testkit::redis::TestRedis;

/// A durable Postgres with an empty database, and a Redis.
#[derive(Debug)]
pub(crate) struct World {
    /// Pool of the benchmark itself.
    pub(crate) database: PgPool,
    url: String,
    redis: TestRedis,
    files: TempDir,
    _database: TestDatabase,
}

impl World {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (postgres, redis) = tokio::try_join!(Postgres::start_durable(), TestRedis::start())?;
        let database = postgres.create_database().await?;
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .connect(database.url())
            .await?;
        whim_orchestrator::db::MIGRATOR.run(&pool).await?;
        Ok(Self {
            database: pool,
            url: database.url().to_owned(),
            redis,
            files: tempfile::tempdir()?,
            _database: database,
        })
    }

    /// Another pool, of this many connections.
    pub(crate) async fn pool(&self, connections: usize) -> anyhow::Result<PgPool> {
        let pool = PgPoolOptions::new().max_connections(u32::try_from(connections)?);
        Ok(pool.connect(&self.url).await?)
    }

    pub(crate) fn files(&self) -> &std::path::Path {
        self.files.path()
    }

    /// Default settings, with limits that do not throttle. `more` takes precedence.
    pub(crate) fn settings(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let workspaces = self.files.path().join("workspaces");
        let workspaces = workspaces.to_string_lossy();
        let worker = self.files.path().join("worker");
        let worker = worker.to_string_lossy();
        let settings = [
            ("DATABASE_URL", self.url.as_str()),
            ("REDIS_URL", self.redis.url()),
            ("GITHUB_TOKEN", "unused"),
            ("ANTHROPIC_API_KEY", "unused"),
            ("WORKER_RUNTIME", "process"),
            ("WORKSPACES_DIR", &workspaces),
            ("WORKER_BIN", &worker),
            ("RALPH_BIN", &worker),
            ("CLAUDE_BIN", &worker),
            ("PORT", "0"),
            ("WORKER_PORT", "0"),
            ("ADMIN_PORT", "0"),
            ("MAX_WORKERS", "16"),
            ("COOLDOWN_SECONDS", "0"),
            ("DAILY_BUDGET", "1000000"),
            ("MAX_ITERATIONS", "50"),
        ];
        settings
            .into_iter()
            .chain(more.iter().copied())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

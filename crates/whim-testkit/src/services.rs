//! One Postgres and one Redis for a whole test run.

use crate::postgres::Postgres;
use crate::redis::TestRedis;

/// Servers of our own whose URLs are handed to many tests as `DATABASE_URL` and `REDIS_URL`; they end when this drops.
#[derive(Debug)]
pub struct Services {
    postgres: Postgres,
    redis: TestRedis,
}

impl Services {
    /// Starts both.
    ///
    /// # Errors
    /// When one is not installed or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let (postgres, redis) = tokio::try_join!(Postgres::start(), TestRedis::start())?;
        Ok(Self { postgres, redis })
    }

    /// For `DATABASE_URL`.
    pub fn database_url(&self) -> &str {
        self.postgres.url()
    }

    /// For `REDIS_URL`.
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// The Postgres of the run.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }
}

//! One Postgres and one Redis for a whole test run.

use crate::postgres::Postgres;
use crate::redis::TestRedis;

/// Servers that many tests share through `DATABASE_URL` and `REDIS_URL`; stopped on drop.
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

    /// The value of `DATABASE_URL`.
    pub fn database_url(&self) -> &str {
        self.postgres.url()
    }

    /// The value of `REDIS_URL`.
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }
}

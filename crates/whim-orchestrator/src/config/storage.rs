//! Postgres and Redis.

use std::time::Duration;

use whim_service::environment::{Environment, seconds, text, url};
use whim_service::secret::SecretString;

use super::values::{DAY, url_or_default};

#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`, with its password.
    pub url: SecretString,
    /// `LONG_TRANSACTION_WARNING_SECONDS`: age of an open transaction that causes a warning, because vacuum cannot
    /// remove dead rows meanwhile.
    pub long_transaction: Duration,
}

impl DatabaseConfig {
    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        let url = url_or_default(
            env,
            "DATABASE_URL",
            "postgres://factory:factory@localhost:5432/factory",
            url(
                "a URL such as postgres://user:password@host:5432/database",
                &["postgres", "postgresql"],
            ),
        );
        let long_transaction = env.or_default(
            "LONG_TRANSACTION_WARNING_SECONDS",
            Duration::from_mins(1),
            seconds(Duration::from_millis(10)..=DAY),
        );
        Some(Self {
            url: SecretString::from(url?.as_str()),
            long_transaction,
        })
    }
}

#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `REDIS_URL`, with its password.
    pub url: SecretString,
    /// `REDIS_KEY_PREFIX`: prefix of all keys, so that several installations can share a server.
    pub key_prefix: String,
}

impl RedisConfig {
    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        let url = url_or_default(
            env,
            "REDIS_URL",
            "redis://localhost:6379",
            url(
                "a URL such as redis://host:6379 or redis://:password@host:6379/0",
                &["redis"],
            ),
        );
        let key_prefix = env.or_default(
            "REDIS_KEY_PREFIX",
            String::new(),
            text("a prefix for the names of keys"),
        );
        Some(Self {
            url: SecretString::from(url?.as_str()),
            key_prefix,
        })
    }
}

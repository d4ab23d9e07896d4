//! Postgres and Redis.

use std::time::Duration;

use url::Url;
use whim_service::environment::{Environment, Expected, seconds, text, url};
use whim_service::secret::SecretString;

use super::DAY;

/// Postgres.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`, with its password.
    pub url: SecretString,
    /// `LONG_TRANSACTION_WARNING_SECONDS`: from which age on an open transaction is warned of, because Postgres cannot clean
    /// up behind it.
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

/// Redis.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `REDIS_URL`, with its password.
    pub url: SecretString,
    /// `REDIS_KEY_PREFIX`: what the names of all keys begin with, so that several Whims can share a server.
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

/// A URL with a default; `None` only when the default itself is no URL.
pub(super) fn url_or_default(
    env: &mut Environment,
    name: &'static str,
    default: &'static str,
    expected: Expected<Url>,
) -> Option<Url> {
    let default = Url::parse(default).ok()?;
    Some(env.or_default(name, default, expected))
}

//! The shared connection to Redis: reconnects by itself, and every command has a timeout.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, Msg, RedisError, ScriptInvocation};
use whim_service::secret::ExposeSecret as _;

use crate::config::RedisConfig;

/// Redis responds within a millisecond; one that takes this long counts as unavailable.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A Redis command failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing} in Redis")]
pub struct RedisFailed {
    doing: &'static str,
    source: RedisError,
}

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    client: Client,
    manager: ConnectionManager,
    prefix: Arc<str>,
}

impl RedisConnection {
    /// Connects at the first use: an orchestrator can start while Redis is unavailable.
    ///
    /// # Errors
    /// The URL is not a Redis URL.
    pub fn lazy(config: &RedisConfig) -> Result<Self, RedisFailed> {
        let failed = |source| RedisFailed {
            doing: "preparing the connection",
            source,
        };
        let client = Client::open(config.url.expose_secret()).map_err(failed)?;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            // Callers fail fast; the next call tries again.
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), settings).map_err(failed)?;
        Ok(Self {
            client,
            manager,
            prefix: config.key_prefix.as_str().into(),
        })
    }

    /// The full name of a key.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Checks that Redis responds.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), RedisFailed> {
        self.command("pinging", &redis::cmd("PING")).await
    }

    /// Runs a command; `doing` completes the sentence "… in Redis".
    pub(crate) async fn command<T: redis::FromRedisValue>(
        &self,
        doing: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, RedisFailed> {
        let response = command.query_async(&mut self.manager.clone()).await;
        response.map_err(|source| RedisFailed { doing, source })
    }

    /// Messages of a channel from now on, over a separate connection. The stream ends when that connection is lost.
    pub(crate) async fn subscribe(
        &self,
        channel: &str,
    ) -> Result<impl Stream<Item = Msg> + Send + Unpin + use<>, RedisFailed> {
        let failed = |source| RedisFailed {
            doing: "subscribing to a channel",
            source,
        };
        let subscribing = async {
            let mut connection = self.client.get_async_pubsub().await?;
            connection.subscribe(channel).await?;
            Ok(connection.into_on_message())
        };
        match tokio::time::timeout(RESPONSE_TIMEOUT, subscribing).await {
            Ok(subscribed) => subscribed.map_err(failed),
            Err(_) => Err(failed(RedisError::from((ErrorKind::Io, "no response in time")))),
        }
    }

    /// Runs a script; `doing` completes the sentence "… in Redis".
    pub(crate) async fn script<T: redis::FromRedisValue>(
        &self,
        doing: &'static str,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, RedisFailed> {
        let response = invocation.invoke_async(&mut self.manager.clone()).await;
        response.map_err(|source| RedisFailed { doing, source })
    }
}

impl std::fmt::Debug for RedisConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RedisConnection")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

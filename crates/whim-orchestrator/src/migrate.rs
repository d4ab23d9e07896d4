//! Connecting to Postgres at the start, and the migrations.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;
use whim_service::secret::ExposeSecret as _;

use crate::config::DatabaseConfig;
use crate::{PROGRAM, db};

/// Between attempts to connect: Postgres may have been started together with this program.
const CONNECT_BACKOFF: ExponentialBuilder =
    backoff::exponential(Duration::from_millis(200), Duration::from_secs(3));

/// About ten seconds with [`CONNECT_BACKOFF`].
const CONNECT_ATTEMPTS: usize = 7;
/// No attempt starts after this time.
const CONNECT_DEADLINE: Duration = Duration::from_secs(8);
/// Timeout of one attempt: connecting to an address that does not respond does not end by itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connects to Postgres, which may be starting up, and applies the missing migrations. Several orchestrators may do so at
/// once.
///
/// # Errors
/// Postgres stays unavailable, or a migration fails.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let options = connect_options(config)?;
    let mut connection = connect(&options).await.context("connecting to DATABASE_URL")?;
    db::MIGRATOR
        .run(&mut connection)
        .await
        .context("applying the migrations to DATABASE_URL")?;
    connection
        .close()
        .await
        .context("closing the connection of the migrations")
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, ConnectError> {
    let begin = Instant::now();
    let mut delays = CONNECT_BACKOFF.build().take(CONNECT_ATTEMPTS - 1);
    loop {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options));
        let error = match attempt.await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => ConnectError::Failed(error),
            Err(_elapsed) => ConnectError::Silent,
        };
        let is_in_time = |_delay: &Duration| error.may_be_starting() && begin.elapsed() < CONNECT_DEADLINE;
        let Some(delay) = delays.next().filter(is_in_time) else {
            return Err(error);
        };
        tracing::warn!(error = %chain(&error), "Postgres does not respond yet");
        tokio::time::sleep(delay).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error(transparent)]
    Failed(sqlx::Error),
    /// The connection was accepted or not refused, and there was no response.
    #[error(
        "no response within {} s: check the host and port of DATABASE_URL, whether Postgres hangs, and whether a firewall \
         drops the packets",
        CONNECT_TIMEOUT.as_secs()
    )]
    Silent,
}

impl ConnectError {
    /// Whether Postgres does not listen or respond yet, or reports that it is starting up.
    fn may_be_starting(&self) -> bool {
        match self {
            Self::Failed(error) => may_be_starting(error),
            Self::Silent => true,
        }
    }
}

fn may_be_starting(error: &sqlx::Error) -> bool {
    const CANNOT_CONNECT_NOW: &str = "57P03";
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(error, sqlx::Error::Io(_)) || code.as_deref() == Some(CANNOT_CONNECT_NOW)
}

/// `DATABASE_URL`, with the name under which Postgres shows the connections.
pub(crate) fn connect_options(config: &DatabaseConfig) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = config
        .url
        .expose_secret()
        .parse()
        .context("reading DATABASE_URL")?;
    Ok(options.application_name(PROGRAM))
}

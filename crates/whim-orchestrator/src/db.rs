//! Postgres: pools, transactions, and the queries by table.
//!
//! Row types are private to their modules, which return types of `whim_core` or small types of their own. Every time in
//! a row is the database's, because the clocks of processes may differ.

pub mod activity;
pub mod breakers;
pub mod budget;
pub mod daily_stats;
pub mod daily_usage;
pub mod diffs;
pub mod events;
pub mod heartbeats;
pub mod intake_access;
pub mod learnings;
pub mod locks;
pub mod model_requests;
pub mod notes;
pub mod partitions;
pub mod pause;
pub mod preflights;
pub mod queue_state;
pub mod reviews;
pub mod timeline;
pub mod transcripts;
pub mod work_items;
pub mod workers;

use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use crate::metrics;

/// All migrations, compiled into the program.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Notified when an item became claimable.
pub const WORK_CHANNEL: &str = "whim_work";
/// Notified when a worker ended: the runtime may have to stop it, and its slot is free.
pub const WORKERS_CHANNEL: &str = "whim_workers";

/// Name of the API's pool in metrics.
pub const API_POOL: &str = "api";
/// Name of the pool of the worker protocol and the background work in metrics.
pub const WORK_POOL: &str = "work";
/// Name of the API's connections in Postgres.
const API_APPLICATION: &str = "whim-orchestrator-api";

/// How long a request waits for a connection before the response is 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that were idle for longer are pinged before use. Shorter than any restart of Postgres, so that no request
/// fails on a connection from before a restart (`docs/faults.md`, row 26).
const UNCHECKED_IDLE_TIME: Duration = Duration::from_millis(50);

/// Postgres terminates a transaction that waits this long for its next statement: its orchestrator was suspended or
/// disconnected, and other orchestrators need its locks (`docs/faults.md`, row 37).
const IDLE_TRANSACTION_TIMEOUT: &str = "30s";

/// Timeout of an API statement; below the timeout of a request, so that the statement ends with it.
const STATEMENT_TIMEOUT: &str = "20s";

/// Pool of the worker protocol, the dispatcher and the reconcilers. Connects at the first use.
pub fn work_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = options.options([("idle_in_transaction_session_timeout", IDLE_TRANSACTION_TIMEOUT)]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(
                async move { Ok(state.idle_for < UNCHECKED_IDLE_TIME || connection.ping().await.is_ok()) },
            )
        })
        .connect_lazy_with(options)
}

/// Pool of the API. Separate, so that slow queries of people do not delay workers.
///
/// Statements are planned for their parameters: a generic plan for all combinations of filters would use no index.
pub fn api_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let settings = [
        ("plan_cache_mode", "force_custom_plan"),
        ("statement_timeout", STATEMENT_TIMEOUT),
    ];
    work_pool(
        options.application_name(API_APPLICATION).options(settings),
        connections,
    )
}

/// Runs `work` in one transaction: commits when it succeeded, and rolls back before returning its error. A transaction
/// that is only dropped is rolled back later, and locks its rows until then.
///
/// # Errors
/// Those of `work`, or Postgres is unavailable.
pub async fn in_transaction<T, E: From<sqlx::Error>>(
    pool: &PgPool,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    in_transaction_begun_with("begin", pool, work).await
}

/// Like [`in_transaction`], with further statements after `begin` in the same round trip.
///
/// # Errors
/// Those of `work`, or Postgres is unavailable.
pub async fn in_transaction_begun_with<T, E: From<sqlx::Error>>(
    begin: &'static str,
    pool: &PgPool,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    let mut lost = 0;
    loop {
        let mut beginning = Beginning::acquire(pool).await?;
        let mut transaction = match beginning.connection.begin_with(begin).await {
            Ok(transaction) => transaction,
            // Nothing ran on this connection; every connection of the pool may be lost.
            Err(error) if is_lost(&error) && lost < pool.options().get_max_connections() => {
                lost += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        beginning.begun = true;
        return match work(&mut transaction).await {
            Ok(done) => {
                transaction.commit().await?;
                Ok(done)
            }
            Err(error) => {
                // The error of `work` matters. A connection that cannot roll back is closed, which rolls back too.
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!(error = %rollback, "a connection was lost before the rollback");
                }
                Err(error)
            }
        };
    }
}

/// A connection on which a transaction is starting. It is closed when that fails or is cancelled: it may be in a
/// transaction then, in which the statements of its next user would be lost.
struct Beginning {
    connection: PoolConnection<Postgres>,
    begun: bool,
}

impl Beginning {
    async fn acquire(pool: &PgPool) -> sqlx::Result<Self> {
        Ok(Self {
            connection: acquire(pool).await?,
            begun: false,
        })
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if !self.begun {
            self.connection.close_on_drop();
        }
    }
}

/// Acquires a connection and records the waiting time in the metrics.
///
/// # Errors
/// Postgres is unavailable, or all connections are in use for too long.
pub async fn acquire(pool: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
    let begin = Instant::now();
    let connection = pool.acquire().await?;
    metrics::pool_waited(name_of(pool), begin.elapsed());
    Ok(connection)
}

/// Whether an error means that the connection was lost, not that the statement failed.
fn is_lost(error: &sqlx::Error) -> bool {
    // The backend was terminated, or the server is shutting down.
    const OPERATOR_INTERVENTION: &str = "57P";
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(error, sqlx::Error::Io(_)) || code.is_some_and(|code| code.starts_with(OPERATOR_INTERVENTION))
}

fn name_of(pool: &PgPool) -> &'static str {
    if pool.connect_options().get_application_name() == Some(API_APPLICATION) {
        API_POOL
    } else {
        WORK_POOL
    }
}

/// Sets a timeout for the statements of this transaction.
pub async fn limit_statements(db: &mut PgConnection, limit: Duration) -> sqlx::Result<()> {
    let milliseconds = limit.as_millis().to_string();
    sqlx::query_scalar!("select set_config('statement_timeout', $1, true)", milliseconds)
        .fetch_one(db)
        .await?;
    Ok(())
}

/// Whether an error is a violation of this constraint or unique index.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}

/// Replaces NUL characters, which Postgres cannot store. For text of agents, which must not make a report fail.
pub fn storable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}

//! Postgres: queries, and the rows that they read and write.
//!
//! Rows are private to their modules. Results are types of `whim_core` or small types of the module. Every time in a row
//! comes from the clock of the database, because the clocks of processes may differ.

pub mod activity;
pub mod breakers;
pub mod budget;
pub mod daily_stats;
pub mod dispatch;
pub mod events;
pub mod heartbeats;
pub mod learnings;
pub mod locks;
pub mod pause;
pub mod reviews;
pub mod work_items;
pub mod workers;

use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use crate::metrics;

/// Every migration, built into the program.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Notified when an item becomes claimable.
pub const WORK_CHANNEL: &str = "whim_work";
/// Notified when a worker ends: its runtime may have to stop it, and its slot is free.
pub const WORKERS_CHANNEL: &str = "whim_workers";

/// Label of the API's pool in metrics.
pub const API_POOL: &str = "api";
/// Label of the pool of the worker protocol and the background tasks in metrics.
pub const WORK_POOL: &str = "work";
/// `application_name` of the API's connections.
const API_APPLICATION: &str = "whim-orchestrator-api";

/// How long a request waits for a connection before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is pinged before it is used. Shorter than any restart of Postgres, so that a
/// restart causes no error later (`FAULTS.md`, row 26).
const ALIVE_FOR: Duration = Duration::from_millis(50);

/// Timeout of idle transactions. Such a transaction belongs to an orchestrator that is suspended or unreachable, and must
/// not hold its locks (`FAULTS.md`, row 37).
const ABANDONED_AFTER: &str = "30s";

/// Timeout of the API's statements; below the timeout of a request, so that both end.
const STATEMENT_TIMEOUT: &str = "20s";

/// The pool of the worker protocol, the dispatcher and the reconcilers. Connects on first use.
pub fn work_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = options.options([("idle_in_transaction_session_timeout", ABANDONED_AFTER)]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move { Ok(known.idle_for < ALIVE_FOR || connection.ping().await.is_ok()) })
        })
        .connect_lazy_with(options)
}

/// The pool of the API, separate so that slow queries of people do not delay workers.
///
/// Statements are planned for their actual values: a generic plan for every combination of filters would use no index.
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

/// Runs `work` in a transaction, and commits it or rolls it back before returning. A transaction that is merely dropped
/// is rolled back later, and its rows cannot be claimed until then.
///
/// # Errors
/// Those of `work`, or Postgres is unavailable.
pub async fn in_transaction<T, E: From<sqlx::Error>>(
    pool: &PgPool,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    in_transaction_begun_with("begin", pool, work).await
}

/// The same with a first statement that does more than `begin`, in one round trip.
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
            // Nothing was executed yet: retry with another connection, at most once for each in the pool.
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
                // The error of `work` matters. A connection that cannot roll back is closed, which rolls back.
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!(error = %rollback, "a connection was lost before it could roll back");
                }
                Err(error)
            }
        };
    }
}

/// A connection on which a transaction begins. It is closed if that fails or the future is dropped: the connection may
/// then be in a transaction, in which the statements of its next user would be lost.
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

/// A connection of the pool; records the waiting time in metrics.
///
/// # Errors
/// Postgres is unavailable, or no connection became free in time.
pub async fn acquire(pool: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
    let begin = Instant::now();
    let connection = pool.acquire().await?;
    metrics::pool_waited(name_of(pool), begin.elapsed());
    Ok(connection)
}

/// Whether the connection was lost, as opposed to a refused statement.
fn is_lost(error: &sqlx::Error) -> bool {
    // The backend or the server was terminated.
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

/// Sets the statement timeout of this transaction.
pub async fn limit_statements(db: &mut PgConnection, limit: Duration) -> sqlx::Result<()> {
    let milliseconds = limit.as_millis().to_string();
    sqlx::query_scalar!("select set_config('statement_timeout', $1, true)", milliseconds)
        .fetch_one(db)
        .await?;
    Ok(())
}

/// Whether the error is a violation of this constraint or unique index.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}

/// The text without NUL characters, which Postgres cannot store. For text of agents, which must not fail the report that
/// contains it.
pub fn storable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}

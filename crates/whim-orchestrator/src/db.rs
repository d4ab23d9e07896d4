//! Postgres: the queries, each beside the rows that it reads and writes.
//!
//! Rows are private to their modules; what comes out is of `whim_core` or a small type of the module's own. Every
//! time in a row is the database's: processes may disagree about the time, rows must not.

pub mod activity;
pub mod breakers;
pub mod budget;
pub mod daily_stats;
pub mod events;
pub mod heartbeats;
pub mod learnings;
pub mod locks;
pub mod pause;
pub mod queue_state;
pub mod reviews;
pub mod work_items;
pub mod workers;

use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use crate::metrics;

/// Every migration, in order, as built into the program.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The channel that is notified when an item became claimable.
pub const WORK_CHANNEL: &str = "whim_work";
/// The channel that is notified when a worker ended: its runtime may have to stop it, and it left a slot.
pub const WORKERS_CHANNEL: &str = "whim_workers";

/// The pool of the API, as metrics call it.
pub const API_POOL: &str = "api";
/// The pool of the worker protocol and the background work, as metrics call it.
pub const WORK_POOL: &str = "work";
/// What Postgres shows as the name of the API's connections.
const API_APPLICATION: &str = "whim-orchestrator-api";

/// How long a request waits for a connection before the answer is 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was used so lately is taken for alive; others are asked first. Shorter than any restart of Postgres
/// takes, so that nothing is answered with an error after one that was not before (`FAULTS.md`, row 26).
const ALIVE_FOR: Duration = Duration::from_millis(50);

/// A transaction that waits so long for its next statement belongs to an orchestrator that was stopped or cut off: it
/// must not keep its locks from the others (`FAULTS.md`, row 37).
const ABANDONED_AFTER: &str = "30s";

/// How long a question of a person may take; below the time limit of a request, so that both end.
const STATEMENT_TIMEOUT: &str = "20s";

/// The pool of the worker protocol, the dispatcher and the reconcilers; it connects when it is first used.
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

/// The pool of the API, apart so that slow questions of people keep no worker waiting.
///
/// Its statements are planned for the values at hand: one plan for every combination of filters would use no index.
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

/// Does `work` in one transaction: commits what succeeded, and has undone what failed before the answer. A transaction
/// that is only dropped is undone a moment later, and until then it keeps its rows from being claimed.
///
/// # Errors
/// Those of `work`, or Postgres is away.
pub async fn in_transaction<T, E: From<sqlx::Error>>(
    pool: &PgPool,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    in_transaction_begun_with("begin", pool, work).await
}

/// The same, where the transaction begins with more than `begin`, in one round trip.
///
/// # Errors
/// Those of `work`, or Postgres is away.
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
            // Nothing was done on it: another one will do, as often as there may be dead ones.
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
                // The error of `work` is the one that matters; a connection that cannot undo is closed, which undoes.
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!(error = %rollback, "a connection was lost before it could undo");
                }
                Err(error)
            }
        };
    }
}

/// A connection on which a transaction is to begin. It is closed when that fails or nobody waits for it any more: nobody
/// knows then whether it is in a transaction, in which what others do with it would be lost.
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

/// A connection, and the time that it was waited for in the metrics.
///
/// # Errors
/// Postgres is away, or every connection is taken for too long.
pub async fn acquire(pool: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
    let begin = Instant::now();
    let connection = pool.acquire().await?;
    metrics::pool_waited(name_of(pool), begin.elapsed());
    Ok(connection)
}

/// Whether an error says that the connection is gone, and not that what was asked for is wrong.
fn is_lost(error: &sqlx::Error) -> bool {
    // The backend was ended, or its server is.
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

/// Ends the statements of this transaction that take longer.
pub async fn limit_statements(db: &mut PgConnection, limit: Duration) -> sqlx::Result<()> {
    let milliseconds = limit.as_millis().to_string();
    sqlx::query_scalar!("select set_config('statement_timeout', $1, true)", milliseconds)
        .fetch_one(db)
        .await?;
    Ok(())
}

/// Whether an error is the violation of the constraint or unique index of that name.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}

/// Text that Postgres stores: it has no NUL character, which no column can hold. For text of agents, which must not
/// turn the report that carries it into an error.
pub fn storable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}

//! Postgres: the queries, each beside the rows that it reads and writes.
//!
//! Rows are private to their modules; what comes out is of `whim_core` or a small type of the module's own. Every
//! time in a row is the database's: processes may disagree about the time, rows must not.

pub mod activity;
pub mod beats;
pub mod breakers;
pub mod budget;
pub mod dispatch;
pub mod events;
pub mod learnings;
pub mod locks;
pub mod metrics;
pub mod pause;
pub mod reviews;
pub mod work_items;
pub mod workers;

use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::measure;

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
    let begin = Instant::now();
    let mut connection = pool.acquire().await?;
    measure::pool_waited(name_of(pool), begin.elapsed());
    let mut transaction = connection.begin().await?;
    match work(&mut transaction).await {
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
    }
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

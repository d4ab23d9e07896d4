//! Transactions of other clients that slow the database down.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sqlx::PgExecutor;

/// A long-running transaction. Postgres keeps every row version that it may still read, so that frequently updated rows
/// become slower to read the longer it is open (docs/faults.md, row 29). Displays as a warning for the operator.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LongTransaction {
    /// The server process, for `pg_terminate_backend`.
    pub pid: i32,
    /// The client's `application_name`.
    pub application: String,
    /// Age of the transaction.
    pub seconds: f64,
}

impl fmt::Display for LongTransaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            application,
            seconds,
        } = self;
        write!(
            formatter,
            "A transaction of {application:?} has been open in Postgres for {seconds:.0} s and slows every query down; \
             end it in that program, or with: select pg_terminate_backend({pid})."
        )
    }
}

/// The oldest transaction of this database that is older than `older_than` and prevents old row versions from being
/// removed.
///
/// # Errors
/// Postgres is unavailable.
pub async fn long_transaction(
    db: impl PgExecutor<'_>,
    older_than: Duration,
) -> sqlx::Result<Option<LongTransaction>> {
    sqlx::query_as!(
        LongTransaction,
        r#"select pid as "pid!", coalesce(application_name, '') as "application!",
                  extract(epoch from now() - xact_start)::float8 as "seconds!"
         from pg_stat_activity
         where datname = current_database() and backend_type = 'client backend'
           and (backend_xmin is not null or backend_xid is not null)
           and xact_start < now() - make_interval(secs => $1)
         order by xact_start limit 1"#,
        older_than.as_secs_f64()
    )
    .fetch_optional(db)
    .await
}

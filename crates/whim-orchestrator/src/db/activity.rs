//! What else goes on in the database.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sqlx::PgExecutor;

/// A transaction that has been open for long: Postgres keeps every version of a row that it might still read, so that
/// hot rows become slower to read the longer it lasts (`FAULTS.md`, row 29). Displays as a sentence for the owner.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LongTransaction {
    /// The server process that it runs in, for `pg_terminate_backend`.
    pub pid: i32,
    /// What the client calls itself.
    pub application: String,
    /// How long it has been open, in seconds.
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
            "A transaction of {application:?} has been open in Postgres for {seconds:.0} s and makes everything slower; \
             end it there, or with: select pg_terminate_backend({pid})."
        )
    }
}

/// The oldest transaction of this database that is older than that and holds back the cleaning up, if there is one.
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

//! The pause of the queue: a row while it is paused.

use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::queue::Pause;

use super::WORK_CHANNEL;

pub async fn current(db: impl PgExecutor<'_>) -> sqlx::Result<Option<Pause>> {
    sqlx::query_as!(
        Pause,
        r#"select paused_at as since, paused_by, reason from queue_pause"#
    )
    .fetch_optional(db)
    .await
}

/// Pauses the queue; a pause in effect stays as it is.
pub async fn begin(db: &mut PgConnection, by: Option<&str>, reason: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into queue_pause (paused_by, reason) values ($1, $2) on conflict do nothing",
        by,
        reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends the pause, and wakes every dispatcher.
pub async fn end(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "with ended as (delete from queue_pause) select pg_notify($1, '')",
        WORK_CHANNEL
    )
    .execute(db)
    .await?;
    Ok(())
}

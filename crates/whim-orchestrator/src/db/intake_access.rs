//! The latest report of the intake: a row once it has reported.

use sqlx::PgExecutor;
use sqlx::types::Json;
use whim_core::protocol::intake::{IntakeAccess, ReportedIntakeAccess};

/// Replaces the report. The time is that of the database.
pub async fn replace(db: impl PgExecutor<'_>, access: &IntakeAccess) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into intake_access (access) values ($1)
         on conflict (singleton) do update set access = excluded.access, reported_at = now()",
        Json(access) as _
    )
    .execute(db)
    .await?;
    Ok(())
}

/// `None` also for the report of another release that this one cannot read: the next one replaces it.
pub async fn find(db: impl PgExecutor<'_>) -> sqlx::Result<Option<ReportedIntakeAccess>> {
    let row = sqlx::query!("select access, reported_at from intake_access")
        .fetch_optional(db)
        .await?;
    Ok(row.and_then(|row| {
        let access = serde_json::from_value(row.access)
            .inspect_err(|error| tracing::warn!(%error, "the report of the intake cannot be read"));
        Some(ReportedIntakeAccess {
            reported_at: row.reported_at,
            access: access.ok()?,
        })
    }))
}
